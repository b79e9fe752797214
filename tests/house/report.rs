//! The findings of a check, and the verdict on them.

use std::fmt::{self, Write};

/// The largest number of findings that a failure lists: more would hide the remedy above them.
const MOST_LISTED: usize = 60;

/// A place that breaks a rule.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// The path of the file, relative to the repository.
    pub(crate) path: String,
    /// The line number, from 1; 0 means the file as a whole.
    pub(crate) line: usize,
    /// What is wrong.
    pub(crate) what: String,
}

impl Finding {
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line.max(1), self.what)
    }
}

/// Compares the findings of a rule with the number that is tolerated. Returns the text of the
/// failure; `None` if there are no more findings than are tolerated.
pub(crate) fn verdict(
    rule: &str,
    remedy: &str,
    mut found: Vec<Finding>,
    limit: usize,
) -> Option<String> {
    let count = found.len();
    println!("{rule}: {count} found, {limit} tolerated");
    if count <= limit {
        return None;
    }
    found.sort();
    let mut text = format!("{rule}: {count} found, {limit} tolerated\n  {remedy}\n");
    for finding in found.iter().take(MOST_LISTED) {
        let _ = writeln!(text, "  {finding}");
    }
    if count > MOST_LISTED {
        let _ = writeln!(text, "  … and {} more", count - MOST_LISTED);
    }
    Some(text)
}

/// Fails if a rule has more findings than are tolerated: a constant of [`crate::limits`].
#[track_caller]
pub(crate) fn expect_at_most(limit: usize, rule: &str, remedy: &str, found: Vec<Finding>) {
    if let Some(text) = verdict(rule, remedy, found, limit) {
        panic!("{text}");
    }
}

#[test]
fn one_finding_more_than_is_tolerated_fails_and_is_listed_with_its_remedy() {
    let found = || {
        vec![
            Finding::new("a.rs", 7, "too long"),
            Finding::new("b.rs", 0, "too"),
        ]
    };
    assert_eq!(verdict("lengths", "Split it.", found(), 2), None);
    let text = verdict("lengths", "Split it.", found(), 1).expect("it fails");
    assert!(text.contains("lengths: 2 found, 1 tolerated"), "{text}");
    assert!(text.contains("Split it."), "{text}");
    assert!(text.contains("a.rs:7: too long\n  b.rs:1: too"), "{text}");
}
