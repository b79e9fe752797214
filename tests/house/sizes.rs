//! The lengths of files and functions.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::limits;
use crate::report::{Finding, expect_at_most};
use crate::repository::{FILES, TextFile, rust_files};
use crate::source::tokens;

/// The largest length of a file of code, in lines.
const FILE_LINES: usize = 500;

/// The largest length of a function, in lines: from `fn` to the closing brace, closures included.
const FUNCTION_LINES: usize = 80;

#[test]
fn no_file_is_longer_than_500_lines() {
    let code = FILES.iter().filter(|file| {
        let is_code = file.extension() == "rs" || file.is_javascript() || file.is_shell();
        is_code && !file.is_fixture()
    });
    let too_long = code.filter_map(|file| {
        let lines = file.text.lines().count();
        let is_too_long = lines > FILE_LINES;
        is_too_long.then(|| Finding::new(&file.path, 0, format!("{lines} lines")))
    });
    expect_at_most(
        limits::LONG_FILES,
        "files over 500 lines",
        "Look for the seam: a type or a step with a name of its own, in a file of that name.",
        too_long.collect(),
    );
}

#[test]
fn no_function_is_longer_than_80_lines() {
    let mut too_long = Vec::new();
    for file in rust_files() {
        for function in functions(tokens(file)) {
            if function.lines > FUNCTION_LINES {
                let what = format!("{} has {} lines", function.name, function.lines);
                too_long.push(Finding::new(&file.path, function.line, what));
            }
        }
    }
    expect_at_most(
        limits::LONG_FUNCTIONS,
        "functions over 80 lines",
        "Name its steps, and make each a function.",
        too_long,
    );
}

struct Function {
    name: String,
    /// The line number of its `fn`, from 1.
    line: usize,
    /// The number of lines from `fn` to the closing brace.
    lines: usize,
}

/// All functions with a body, including those in other functions and in the arguments of macros.
fn functions(tokens: TokenStream) -> Vec<Function> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize)> = None;
    let mut after_fn = None;
    for token in tokens {
        match &token {
            TokenTree::Ident(word) => {
                if let Some(line) = after_fn.take() {
                    open = Some((word.to_string(), line));
                } else if word == "fn" {
                    after_fn = Some(word.span().start().line);
                }
                continue;
            }
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace
                    && let Some((name, line)) = open.take()
                {
                    let last = group.span_close().end().line;
                    let lines = last - line + 1;
                    found.push(Function { name, line, lines });
                }
                found.extend(functions(group.stream()));
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => open = None,
            _ => {}
        }
        after_fn = None;
    }
    found
}

#[test]
fn functions_are_found_with_their_lines_even_in_macros() {
    let text = "trait T {\n fn without();\n fn with() {\n  fn inner() {}\n }\n}\n\
                type F = fn(u8);\nproptest! {\n #[test]\n fn p(x in 0..9) {\n  x;\n\n }\n}\n";
    let file = TextFile {
        path: "example.rs".into(),
        text: text.into(),
    };
    let mut found: Vec<_> = functions(tokens(&file))
        .into_iter()
        .map(|function| (function.line, function.name, function.lines))
        .collect();
    found.sort();
    let expected = [(3, "with", 3), (4, "inner", 1), (10, "p", 4)];
    assert_eq!(
        found,
        expected.map(|(line, name, lines)| (line, name.to_owned(), lines))
    );
}
