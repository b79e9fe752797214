//! What may be typed.

use std::collections::HashSet;

use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsObject, JsValue};
use vmapi_types::{Candidate, CandidateKind};
use vmcontrol::runtime::QueryResult;

use super::super::inspect::{OwnProperty, listed_keys, own_property, parent};
use super::Boa;
use crate::engine::source::{Typed, is_name, typed};
use crate::syntax::KEYWORDS;

/// The most candidates: more than anybody looks through.
const MAX_CANDIDATES: usize = 1000;

/// The longest name that is offered, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// How many objects of a prototype chain are looked at.
const MAX_CHAIN: usize = 20;

/// What the names start with that are the service's own.
const OWN_NAMES: &str = "__vm";

/// Candidates without repetitions.
struct Candidates<'a> {
    prefix: &'a str,
    list: Vec<Candidate>,
    seen: HashSet<String>,
}

impl Boa {
    /// What may stand at the end of a text.
    pub(in super::super) fn complete(&mut self, text: &str) -> QueryResult {
        let (candidates, replaces) = match typed(text) {
            None => (Vec::new(), 0),
            Some(Typed::Module(name)) => (self.modules_like(name), name.len()),
            Some(Typed::Name(name)) => (self.names_like(name), name.len()),
            Some(Typed::Member { object, name }) => {
                (self.properties_like(object, name), name.len())
            }
        };
        QueryResult::Completions {
            candidates,
            replaces,
        }
    }

    fn modules_like(&self, prefix: &str) -> Vec<Candidate> {
        let mut candidates = Candidates::new(prefix);
        for name in &self.native_modules {
            candidates.add(name, || CandidateKind::Module);
        }
        candidates.sorted()
    }

    fn names_like(&mut self, prefix: &str) -> Vec<Candidate> {
        let mut candidates = Candidates::new(prefix);
        let mut declared: Vec<_> = self.constants.union(&self.variables).cloned().collect();
        declared.sort_unstable();
        for name in declared {
            let context = &mut self.context;
            // One whose initialisation failed has no value.
            candidates.add(&name, || {
                let value = context.eval(boa_engine::Source::from_bytes(&name));
                value.map_or(CandidateKind::Variable, |value| {
                    kind_of(&name, &value, CandidateKind::Variable)
                })
            });
        }
        let global = self.context.global_object();
        candidates.add_properties(&global, CandidateKind::Variable, &mut self.context);
        let of_snippets = self.last.scope();
        candidates.add_properties(of_snippets, CandidateKind::Variable, &mut self.context);
        let mut list = candidates.sorted();
        let mut keywords = Candidates::new(prefix);
        // An empty prefix asks for what is there, not for the language.
        if !prefix.is_empty() {
            for word in KEYWORDS {
                keywords.add(word, || CandidateKind::Keyword);
            }
        }
        list.extend(keywords.list);
        list
    }

    fn properties_like(&mut self, object: &str, prefix: &str) -> Vec<Candidate> {
        let Ok(value) = self.value_of(object).1 else {
            return Vec::new();
        };
        let Ok(object) = value.to_object(&mut self.context) else {
            return Vec::new();
        };
        let mut list = Vec::new();
        let mut seen = HashSet::new();
        let mut next = Some(object);
        for _ in 0..MAX_CHAIN {
            let Some(current) = next else { break };
            let mut candidates = Candidates {
                seen,
                ..Candidates::new(prefix)
            };
            candidates.add_properties(&current, CandidateKind::Property, &mut self.context);
            seen = std::mem::take(&mut candidates.seen);
            list.extend(candidates.sorted());
            next = parent(&current);
        }
        list.truncate(MAX_CANDIDATES);
        list
    }
}

impl<'a> Candidates<'a> {
    fn new(prefix: &'a str) -> Self {
        Self {
            prefix,
            list: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Adds a text that begins as it should; its kind is asked for then only.
    fn add(&mut self, text: &str, kind: impl FnOnce() -> CandidateKind) {
        let is_wanted = text.starts_with(self.prefix)
            && text.len() <= MAX_NAME_BYTES
            && !text.starts_with(OWN_NAMES)
            && self.list.len() < MAX_CANDIDATES;
        if is_wanted && self.seen.insert(text.to_owned()) {
            self.list.push(Candidate {
                text: text.to_owned(),
                kind: kind(),
            });
        }
    }

    /// Adds the own properties of an object that can be written behind a point.
    fn add_properties(&mut self, object: &JsObject, plain: CandidateKind, context: &mut Context) {
        for key in listed_keys(object) {
            let PropertyKey::String(name) = &key else {
                continue;
            };
            let name = name.to_std_string_lossy();
            if !is_name(&name) {
                continue;
            }
            self.add(&name, || match own_property(object, &key, context) {
                Some((OwnProperty::Value(value), _)) => kind_of(&name, &value, plain),
                Some((OwnProperty::Accessor(_), _)) => CandidateKind::Accessor,
                None => plain,
            });
        }
    }

    fn sorted(mut self) -> Vec<Candidate> {
        self.list.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        self.list
    }
}

fn kind_of(name: &str, value: &JsValue, plain: CandidateKind) -> CandidateKind {
    if !value.is_callable() {
        return plain;
    }
    if name.chars().next().is_some_and(char::is_uppercase) {
        CandidateKind::Class
    } else {
        CandidateKind::Function
    }
}
