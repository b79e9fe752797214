//! Comments fit on a screen, and every module has a doc comment.

use crate::limits;
use crate::report::{Finding, expect_at_most};
use crate::repository::{FILES, TextFile, rust_files};
use crate::source::{Part, parts};

/// The largest width of a line with a comment, in characters.
const COLUMNS: usize = 100;

#[test]
fn no_comment_is_wider_than_100_columns() {
    let mut wide = Vec::new();
    for file in rust_files().filter(|file| !file.is_fixture()) {
        wide.extend(wide_comments(file));
    }
    for file in FILES.iter().filter(|file| !file.is_fixture()) {
        let marks: &[&str] = match file.extension() {
            "js" | "mjs" | "cjs" | "c" => &["//", "/*", "* "],
            "toml" | "yml" => &["#"],
            "sql" => &["--"],
            _ if file.is_shell() => &["#"],
            _ => continue,
        };
        for (number, line) in (1..).zip(file.text.lines()) {
            let is_comment = marks.iter().any(|mark| line.trim_start().starts_with(mark));
            wide.extend(wide_line(file, number, line).filter(|_| is_comment));
        }
    }
    expect_at_most(
        limits::WIDE_COMMENTS,
        "comments over 100 columns",
        "Break the line at 100 columns.",
        wide,
    );
}

#[test]
fn every_module_begins_with_a_doc_comment() {
    let without = rust_files().filter(|file| {
        let first = file.text.lines().find(|line| !line.trim().is_empty());
        !first.is_some_and(|line| line.starts_with("//!"))
    });
    expect_at_most(
        limits::MODULES_WITHOUT_DOCS,
        "modules that don't begin with `//!`",
        "Say in a sentence at the top what the file is for.",
        without
            .map(|file| Finding::new(&file.path, 0, "no `//!` on the first line"))
            .collect(),
    );
}

/// The lines of a Rust file whose comment exceeds the limit.
fn wide_comments(file: &TextFile) -> Vec<Finding> {
    if file
        .text
        .lines()
        .all(|line| line.chars().count() <= COLUMNS)
    {
        return Vec::new();
    }
    let parts = parts(file);
    let mut start = 0;
    let mut wide = Vec::new();
    for (number, line) in (1..).zip(file.text.split_inclusive('\n')) {
        let bytes = line.bytes().zip(&parts[start..]);
        let mut comment = bytes.filter(|(_, part)| **part == Part::Comment);
        if comment.any(|(byte, _)| !byte.is_ascii_whitespace()) {
            wide.extend(wide_line(file, number, line.trim_end()));
        }
        start += line.len();
    }
    wide
}

fn wide_line(file: &TextFile, number: usize, line: &str) -> Option<Finding> {
    let columns = line.chars().count();
    let what = || Finding::new(&file.path, number, format!("{columns} columns"));
    (columns > COLUMNS).then(what)
}

#[test]
fn a_wide_comment_is_found_and_a_wide_text_is_not() {
    let wide = "ü".repeat(100);
    let text = format!("//! {wide}\nconst A: &str = \"// {wide}\";\nconst B: u8 = 1; // {wide}\n");
    let file = TextFile {
        path: "example.rs".into(),
        text,
    };
    let lines: Vec<_> = wide_comments(&file)
        .into_iter()
        .map(|finding| finding.line)
        .collect();
    assert_eq!(lines, [1, 3]);
}
