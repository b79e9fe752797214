//! Completion: what may stand at the end of a text.

use boa_engine::property::PropertyKey;
use boa_engine::{Context, JsObject, Source};
use vmapi_types::{Candidate, CandidateKind};
use vmcontrol::runtime::QueryResult;

use super::super::inspect::{OwnProperty, listed_keys, own_property, parent};
use super::Boa;
use crate::engine::source::{Typed, is_name, typed};
use crate::engine::view::candidates::{Candidates, MAX_CANDIDATES, kind_of};

/// How many objects of a prototype chain give candidates.
const MAX_CHAIN: usize = 20;

impl Boa {
    /// The candidates for the end of a text, and how many bytes they replace.
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
        candidates.take_sorted()
    }

    fn names_like(&mut self, prefix: &str) -> Vec<Candidate> {
        let mut candidates = Candidates::new(prefix);
        let mut declared: Vec<_> = self.constants.union(&self.variables).cloned().collect();
        declared.sort_unstable();
        for name in declared {
            let context = &mut self.context;
            // Evaluating a name whose initialisation failed throws.
            candidates.add(&name, || {
                let value = context.eval(Source::from_bytes(&name));
                value.map_or(CandidateKind::Variable, |value| {
                    kind_of(&name, value.is_callable(), CandidateKind::Variable)
                })
            });
        }
        let global = self.context.global_object();
        let plain = CandidateKind::Variable;
        add_properties(&mut candidates, &global, plain, &mut self.context);
        let of_snippets = self.last.scope();
        add_properties(&mut candidates, of_snippets, plain, &mut self.context);
        let mut list = candidates.take_sorted();
        let mut keywords = Candidates::new(prefix);
        keywords.add_keywords();
        list.extend(keywords.take());
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
        let mut candidates = Candidates::new(prefix);
        let mut next = Some(object);
        for _ in 0..MAX_CHAIN {
            let Some(current) = next else { break };
            let plain = CandidateKind::Property;
            add_properties(&mut candidates, &current, plain, &mut self.context);
            // The properties of an object come before those of its prototype.
            list.extend(candidates.take_sorted());
            next = parent(&current);
        }
        list.truncate(MAX_CANDIDATES);
        list
    }
}

/// Adds the own properties of an object that can be written behind a point.
fn add_properties(
    candidates: &mut Candidates<'_>,
    object: &JsObject,
    plain: CandidateKind,
    context: &mut Context,
) {
    for key in listed_keys(object) {
        let PropertyKey::String(name) = &key else {
            continue;
        };
        let name = name.to_std_string_lossy();
        if !is_name(&name) {
            continue;
        }
        candidates.add(&name, || match own_property(object, &key, context) {
            Some((OwnProperty::Value(value), _)) => kind_of(&name, value.is_callable(), plain),
            Some((OwnProperty::Accessor(_), _)) => CandidateKind::Accessor,
            None => plain,
        });
    }
}
