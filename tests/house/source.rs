//! Rust code as tokens: the parts of a file that are code, literals and comments.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::repository::TextFile;

/// The part of a file that a byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Code,
    /// A text, a character or a number.
    Literal,
    /// A comment, a doc comment, or white space.
    Comment,
}

/// The tokens of a file.
///
/// # Panics
/// If the file is not Rust.
#[track_caller]
pub(crate) fn tokens(file: &TextFile) -> TokenStream {
    let tokens = file.text.parse();
    tokens.unwrap_or_else(|error| panic!("{} has no tokens: {error}", file.path))
}

/// The syntax tree of a file.
///
/// # Panics
/// If the file is not Rust.
#[track_caller]
pub(crate) fn syntax(file: &TextFile) -> syn::File {
    let syntax = syn::parse_file(&file.text);
    syntax.unwrap_or_else(|error| panic!("{} can't be parsed: {error}", file.path))
}

/// The part of each byte of a file.
pub(crate) fn parts(file: &TextFile) -> Vec<Part> {
    let mut parts = vec![Part::Comment; file.text.len()];
    mark(tokens(file), &file.text, &mut parts);
    parts
}

/// The text of a file in which all bytes outside the part `kept` are replaced by spaces; line feeds
/// stay.
pub(crate) fn only(file: &TextFile, kept: Part) -> String {
    let bytes = file.text.bytes().zip(parts(file));
    let blanked = bytes.map(|(byte, part)| {
        if part == kept || byte == b'\n' {
            byte
        } else {
            b' '
        }
    });
    String::from_utf8(blanked.collect()).expect("whole characters are blanked")
}

fn mark(tokens: TokenStream, text: &str, parts: &mut [Part]) {
    for token in tokens {
        // A doc comment is parsed to the tokens of an attribute, each with the span of the comment.
        let range = token.span().byte_range();
        if text[range.clone()].starts_with("//") || text[range.clone()].starts_with("/*") {
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                if group.delimiter() != Delimiter::None {
                    parts[group.span_open().byte_range()].fill(Part::Code);
                    parts[group.span_close().byte_range()].fill(Part::Code);
                }
                mark(group.stream(), text, parts);
            }
            TokenTree::Literal(_) => parts[range].fill(Part::Literal),
            _ => parts[range].fill(Part::Code),
        }
    }
}

#[test]
fn comments_and_literals_are_distinguished_from_code() {
    let text = "/// Über `x`.\nfn f() { g(\"// no comment\", 'ü'); } // one\n/* two */\n";
    let file = TextFile {
        path: "example.rs".into(),
        text: text.into(),
    };
    let code = only(&file, Part::Code);
    assert_eq!(
        code.lines().nth(1).unwrap().trim_end(),
        "fn f() { g(               ,     ); }"
    );
    let comments = only(&file, Part::Comment);
    assert!(comments.starts_with("/// Über `x`.\n"), "{comments}");
    assert!(comments.contains("// one\n/* two */"), "{comments}");
    assert!(!comments.contains("no comment"), "{comments}");
}
