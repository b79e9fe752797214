//! Words that the code used in a sense of its own although the field has a term.
//!
//! The list of [`table`] has the words that can be found by their spelling. A word that is right in
//! some file is allowed there by the path of the file.

mod table;

use std::collections::HashMap;

use regex::bytes::{Regex, RegexBuilder};
use table::{Scope, WORDS, Word};

use crate::report::{Finding, verdict};
use crate::repository::{FILES, TextFile};
use crate::source::{Part, only};

/// The extensions of the files that are written by hand.
const KINDS: [&str; 8] = ["rs", "md", "js", "mjs", "cjs", "sql", "toml", "c"];

/// The paths that are not judged: the list itself, and the history of changes.
const EXEMPT: [&str; 2] = ["tests/house/words", "CHANGELOG.md"];

#[test]
fn words_with_a_term_of_the_field_are_not_used() {
    let files: Vec<_> = FILES
        .iter()
        .filter(|file| KINDS.contains(&file.extension()) || file.is_shell())
        .filter(|file| !file.is_fixture())
        .filter(|file| !EXEMPT.iter().any(|path| file.path.starts_with(path)))
        .collect();
    let rust = files.iter().filter(|file| file.extension() == "rs");
    let code: HashMap<&str, String> = rust
        .map(|file| (file.path.as_str(), only(file, Part::Code)))
        .collect();
    let mut failures = String::new();
    for word in WORDS {
        let pattern = compiled(word.pattern);
        let mut found = Vec::new();
        for file in &files {
            let text = match word.scope {
                Scope::Everywhere => Some(&file.text),
                Scope::Code => code.get(file.path.as_str()),
            };
            if let Some(text) = text {
                found.extend(uses(word, &pattern, file, text));
            }
        }
        let rule = format!("`{}`", word.pattern);
        let remedy = format!("The field's term: {}.", word.term);
        failures.extend(verdict(&rule, &remedy, found, word.tolerated));
    }
    assert!(failures.is_empty(), "{failures}");
}

/// The lines of a text that contain a word; the path of the file counts as line 0.
fn uses(word: &Word, pattern: &Regex, file: &TextFile, text: &str) -> Vec<Finding> {
    if word.allowed.iter().any(|path| file.path.starts_with(path)) {
        return Vec::new();
    }
    let lines = [file.path.as_str()].into_iter().chain(text.lines());
    (0..)
        .zip(lines)
        .filter_map(|(number, line)| {
            let found = pattern.find(line.as_bytes())?;
            let found = String::from_utf8_lossy(found.as_bytes()).into_owned();
            Some(Finding::new(&file.path, number, found))
        })
        .collect()
}

/// Compiles a pattern in which only ASCII letters are part of a word.
fn compiled(pattern: &str) -> Regex {
    let mut builder = RegexBuilder::new(pattern);
    let regex = builder.unicode(false).build();
    regex.unwrap_or_else(|error| panic!("{pattern}: {error}"))
}

#[test]
fn a_word_is_found_in_its_scope_and_not_where_it_is_allowed() {
    let word = Word {
        pattern: r"\bLook\b",
        term: "query, `Query`",
        scope: Scope::Code,
        tolerated: 0,
        allowed: &["allowed/"],
    };
    let text = "// Look here.\nlet look = Look::new(\"Look\");\n";
    let file = |path: &str| TextFile {
        path: path.into(),
        text: text.into(),
    };
    let pattern = compiled(word.pattern);
    let found = |path: &str| {
        let file = file(path);
        let found = uses(&word, &pattern, &file, &only(&file, Part::Code));
        found.into_iter().map(|one| one.line).collect::<Vec<_>>()
    };
    assert_eq!(found("a.rs"), [2]);
    assert!(found("allowed/a.rs").is_empty());
    assert_eq!(uses(&word, &pattern, &file("a.rs"), text).len(), 2);
}

#[test]
fn every_pattern_of_the_table_can_be_compiled_and_has_a_term() {
    for word in WORDS {
        compiled(word.pattern);
        assert!(!word.term.is_empty(), "{}", word.pattern);
    }
}
