//! Highlighting of JavaScript: which parts of a text are keywords, literals and comments. The text
//! may be incomplete.

use crate::engine::source::keywords::KEYWORDS;
use crate::engine::source::{End, TokenKind, scan, scan_on};

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it starts, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// What it is.
    pub kind: SpanKind,
}

/// What a part of a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpanKind {
    /// A keyword.
    Keyword,
    /// A string, a template or a regular expression.
    Literal,
    /// A number.
    Number,
    /// A comment.
    Comment,
}

/// The parts of a text that are no names, operators or brackets, in order. They do not overlap.
pub fn spans(source: &str) -> Vec<Span> {
    let scanned = scan(source);
    let comments = scanned.comments.into_iter().map(|(start, end)| Span {
        start,
        end,
        kind: SpanKind::Comment,
    });
    let tokens = scanned.tokens.into_iter().filter_map(|token| {
        let kind = match token.kind {
            TokenKind::Name if KEYWORDS.contains(&&source[token.start..token.end]) => {
                SpanKind::Keyword
            }
            TokenKind::Literal => SpanKind::Literal,
            TokenKind::Number => SpanKind::Number,
            TokenKind::Name | TokenKind::Sign(_) => return None,
        };
        Some(Span {
            start: token.start,
            end: token.end,
            kind,
        })
    });
    let open = match scanned.end {
        End::String(start) | End::Template(start) => Some(Span {
            start,
            end: source.len(),
            kind: SpanKind::Literal,
        }),
        End::Code | End::Comment => None,
    };
    let mut spans: Vec<_> = comments.chain(tokens).chain(open).collect();
    spans.sort_unstable_by_key(|span| span.start);
    // A template is one part, with the comments in its expressions.
    let mut end = 0;
    spans.retain(|span| {
        let is_next = span.start >= end;
        if is_next {
            end = span.end;
        }
        is_next
    });
    spans
}

/// The balance of the brackets of a text that arrives in parts. The balance can be wrong, because
/// only a parser can always distinguish a division from a regular expression.
#[derive(Debug, Default)]
pub struct Brackets {
    /// How many more brackets are opened than closed.
    open: isize,
    /// Whether the text so far ends with a value, after which a slash divides.
    after_value: bool,
}

impl Brackets {
    /// Counts the brackets of the next part and returns `true`. If the part ends within a template
    /// or a comment, it counts nothing and returns `false`: the caller passes the part again,
    /// together with the text that follows it.
    pub fn count(&mut self, part: &str) -> bool {
        let scanned = scan_on(part, self.after_value);
        if scanned.in_template || scanned.end == End::Comment {
            return false;
        }
        let sides = scanned.tokens.iter().map(|token| match token.kind {
            TokenKind::Sign('(' | '[' | '{') => 1,
            TokenKind::Sign(')' | ']' | '}') => -1,
            _ => 0,
        });
        self.open += sides.sum::<isize>();
        self.after_value = scanned.after_value;
        true
    }

    /// Whether every bracket that was opened is closed.
    pub fn are_closed(&self) -> bool {
        self.open <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_are_counted_where_they_are_code() {
        for (source, expected) in [
            ("", Some(0)),
            ("f(a[0], {", Some(2)),
            ("}) // {\n", Some(-2)),
            ("'(' + `[${ f(1) }` + /[(]/.source /* { */", Some(0)),
            ("f('(", Some(1)),
            ("`(", None),
            ("`${ f(", None),
            ("`a${ b }c", None),
            ("{ /* ", None),
        ] {
            let mut brackets = Brackets::default();
            let counted = brackets.count(source);
            assert_eq!(counted.then_some(brackets.open), expected, "{source:?}");
        }
    }

    #[test]
    fn a_slash_is_read_by_the_token_before_it_also_in_an_earlier_part() {
        let mut brackets = Brackets::default();
        for (part, is_closed) in [
            ("f(a\n", false),
            ("\n", false),
            ("  / 2)\n", true),
            ("f(\n", false),
            ("  /[)]/\n", false),
            (")\n", true),
        ] {
            assert!(brackets.count(part));
            assert_eq!(brackets.are_closed(), is_closed, "{part:?}");
        }
    }

    #[test]
    fn spans_are_found_in_an_incomplete_text() {
        let source = "let a = 'b' /* c */ + 1.5 // `d`\nreturn `e${ /* f */ g }` + `open";
        let found: Vec<_> = spans(source)
            .into_iter()
            .map(|span| (&source[span.start..span.end], span.kind))
            .collect();
        assert_eq!(
            found,
            [
                ("let", SpanKind::Keyword),
                ("'b'", SpanKind::Literal),
                ("/* c */", SpanKind::Comment),
                ("1.5", SpanKind::Number),
                ("// `d`", SpanKind::Comment),
                ("return", SpanKind::Keyword),
                ("`e${ /* f */ g }`", SpanKind::Literal),
                ("`open", SpanKind::Literal),
            ]
        );
    }
}
