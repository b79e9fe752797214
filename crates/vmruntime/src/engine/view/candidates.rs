//! What completion offers.

use std::collections::HashSet;

use vmapi_types::{Candidate, CandidateKind};

use crate::engine::source::keywords::KEYWORDS;

/// How many candidates a query gives at most.
pub(crate) const MAX_CANDIDATES: usize = 1000;

/// How long a candidate may be, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// The prefix of the service's own names, which are no candidates.
const OWN_NAMES: &str = "__vm";

/// Candidates that begin with a prefix, without repetitions.
pub(crate) struct Candidates<'a> {
    prefix: &'a str,
    list: Vec<Candidate>,
    seen: HashSet<String>,
}

impl<'a> Candidates<'a> {
    pub(crate) fn new(prefix: &'a str) -> Self {
        Self {
            prefix,
            list: Vec::new(),
            seen: HashSet::new(),
        }
    }

    /// Adds a text if it begins with the prefix; `kind` is asked only then.
    pub(crate) fn add(&mut self, text: &str, kind: impl FnOnce() -> CandidateKind) {
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

    /// Adds the keywords. An empty prefix asks for names, not for the language.
    pub(crate) fn add_keywords(&mut self) {
        if !self.prefix.is_empty() {
            for word in KEYWORDS {
                self.add(word, || CandidateKind::Keyword);
            }
        }
    }

    /// Takes the candidates, sorted.
    pub(crate) fn take_sorted(&mut self) -> Vec<Candidate> {
        let mut list = std::mem::take(&mut self.list);
        list.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        list
    }

    /// Takes the candidates in the order in which they were added.
    pub(crate) fn take(&mut self) -> Vec<Candidate> {
        std::mem::take(&mut self.list)
    }
}

/// The kind of a value with this name: that of a function, or `plain`.
pub(crate) fn kind_of(name: &str, is_callable: bool, plain: CandidateKind) -> CandidateKind {
    if !is_callable {
        return plain;
    }
    if name.chars().next().is_some_and(char::is_uppercase) {
        CandidateKind::Class
    } else {
        CandidateKind::Function
    }
}
