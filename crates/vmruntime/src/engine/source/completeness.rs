//! Whether a snippet is complete, by the judgement of Node's REPL where the language is the same.
//!
//! The parser is asked more than once: an error that changes or goes away when the text goes on was
//! found because the text ended. No rule about positions holds instead, since a parser tries
//! readings and takes them back.

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_semantic::SemanticBuilder;
use oxc_span::SourceType;
use vmapi_types::{Completeness, CompletenessStatus};

use super::tokens::{TokenKind, scan};

/// Possible next lines of a text. If one of them changes or removes the error of the text, the
/// error was found because the text ended; an error that stays with all of them can't be mended by
/// further lines. The first is an operand, and changes every error about the end; the parser misses
/// the others only after it has read on.
const NEXT_LINES: [&str; 5] = ["0", "= 0", "{}", "(0)", "catch {}"];

/// Makes parameters of the end of a text. The language lets no line begin with an arrow, but Node's
/// REPL waits for one.
const ARROW: &str = " => 0";

/// Words without which a text parses the same as a module and as a script.
const MODULE_WORDS: [&str; 2] = ["await", "import"];

/// Whether a snippet can be run, needs more lines, or has an error that no further line mends.
pub(crate) fn completeness(source: &str) -> Completeness {
    let trimmed = source.trim();
    let begins_with_brace = trimmed.starts_with('{');
    // In a console `{a: 1}` is an object.
    if begins_with_brace && !trimmed.ends_with(';') {
        let object = format!("({trimmed}\n)");
        if matches!(judge(&object), Judgement::Complete) {
            return said(CompletenessStatus::Complete, None);
        }
    }
    match judge(source) {
        Judgement::Complete => said(CompletenessStatus::Complete, None),
        Judgement::Incomplete => said(CompletenessStatus::Incomplete, None),
        Judgement::Invalid(error) => {
            let object = format!("({source}");
            if begins_with_brace && matches!(judge(&object), Judgement::Incomplete) {
                return said(CompletenessStatus::Incomplete, None);
            }
            said(CompletenessStatus::Invalid, Some(error.message))
        }
    }
}

fn said(status: CompletenessStatus, message: Option<String>) -> Completeness {
    Completeness {
        status,
        message,
        code: None,
    }
}

/// The judgement of a text.
enum Judgement {
    /// The text can be run.
    Complete,
    /// More lines may complete the text.
    Incomplete,
    /// The text has this error.
    Invalid(SyntaxError),
}

/// The first error of a text.
struct SyntaxError {
    /// Whether the parser gave up, and read nothing behind its last error.
    is_fatal: bool,
    /// Its start and end, in bytes; `None` if the parser gives none.
    place: Option<(usize, usize)>,
    message: String,
}

/// Judges a snippet as a script and, if it may have `await` or imports at the top level, as a
/// module.
fn judge(source: &str) -> Judgement {
    let script = judge_as(source, SourceType::script());
    if !MODULE_WORDS.iter().any(|word| source.contains(word)) {
        return script;
    }
    match (script, judge_as(source, SourceType::mjs())) {
        // `const a = await` is complete as a script, in which `await` is a name, but the user does
        // not mean that.
        (_, Judgement::Incomplete) => Judgement::Incomplete,
        (Judgement::Complete, _) | (_, Judgement::Complete) => Judgement::Complete,
        (Judgement::Incomplete, _) => Judgement::Incomplete,
        // The user means the reading whose error comes later.
        (Judgement::Invalid(script), Judgement::Invalid(module)) => {
            Judgement::Invalid(if module.place > script.place {
                module
            } else {
                script
            })
        }
    }
}

fn judge_as(source: &str, kind: SourceType) -> Judgement {
    // The line has ended, so that no token goes on in the next one.
    let line = format!("{source}\n");
    let Some(error) = first_error(&line, kind) else {
        return Judgement::Complete;
    };
    let mut next_lines = NEXT_LINES
        .iter()
        .map(|next| first_error(&format!("{line}{next}\n"), kind));
    let is_of_the_end = next_lines.any(|other| match other {
        None => true,
        Some(other) if error.is_fatal => !other.is_same_as(&error),
        // The parser has read everything, so the next line may cause another error. But a token
        // without an end covers the end of the line, and the next line as well.
        Some(other) => {
            let covers_end = error.place.is_some_and(|(_, end)| end >= line.len());
            covers_end && other.is_longer_than(&error)
        }
    });
    let may_go_on = is_of_the_end || error.is_continued_string(&line) || takes_arrow(source, kind);
    if may_go_on && !has_wrong_token(source) {
        Judgement::Incomplete
    } else {
        Judgement::Invalid(error)
    }
}

/// Whether the end of a text can be the parameters of an arrow function.
fn takes_arrow(source: &str, kind: SourceType) -> bool {
    let longer = format!("{source}{ARROW}");
    first_error(&format!("{longer}\n"), kind)
        .is_none_or(|error| error.place.is_some_and(|(start, _)| start >= longer.len()))
}

/// Whether a text has a token that is wrong whatever follows, although the parser's error depends
/// on what follows: the sign of a decorator, which no engine here supports, or a number with a
/// separator that separates no digits.
fn has_wrong_token(source: &str) -> bool {
    scan(source).tokens.iter().any(|token| match token.kind {
        TokenKind::Sign('@') => true,
        TokenKind::Number => {
            let number = &source[token.start..token.end];
            let is_no_digit =
                |part: &str| part.is_empty() || part.starts_with('.') || part.ends_with('.');
            number.contains('_') && number.split('_').any(is_no_digit)
        }
        _ => false,
    })
}

impl SyntaxError {
    fn is_same_as(&self, other: &Self) -> bool {
        self.place == other.place && self.message == other.message
    }

    /// Whether it is the same error with the same start, of a token that ends later.
    fn is_longer_than(&self, other: &Self) -> bool {
        let both = self.place.zip(other.place);
        self.message == other.message
            && both.is_some_and(|((start, end), before)| start == before.0 && end > before.1)
    }

    /// Whether it is about a string that ends with the text, in a backslash that continues it in
    /// the next line.
    fn is_continued_string(&self, source: &str) -> bool {
        let string = self
            .place
            .and_then(|(start, end)| source.get(start..end))
            // The range of the error includes the line break that ends the string.
            .map(|text| text.strip_suffix('\n').unwrap_or(text))
            .filter(|text| text.starts_with(['\'', '"']));
        string.is_some_and(|text| {
            let continued = ["\\\n", "\\\r", "\\\r\n", "\\\u{2028}", "\\\u{2029}"];
            continued.iter().any(|end| text.ends_with(end))
        })
    }
}

/// The first error of a text, of its syntax or of early checks; `None` if it has none.
fn first_error(source: &str, kind: SourceType) -> Option<SyntaxError> {
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, source, kind).parse();
    let is_fatal = parsed.panicked;
    let error = if let Some(error) = parsed.diagnostics.into_iter().next() {
        error
    } else {
        let analysed = SemanticBuilder::new()
            .with_check_syntax_error(true)
            .with_build_nodes(true)
            .build(allocator.alloc(parsed.program));
        analysed.diagnostics.into_iter().next()?
    };
    let label = error.labels.iter().next();
    Some(SyntaxError {
        is_fatal,
        place: label.map(|label| {
            let start = label.offset() as usize;
            (start, start + label.len() as usize)
        }),
        message: error.message.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Fixture {
        programs: Vec<Program>,
        codes: Vec<Code>,
        differences: Vec<Difference>,
    }

    /// A text with a judgement for each length, in UTF-16 code units: complete, incomplete or
    /// invalid (`x`).
    #[derive(Deserialize)]
    struct Program {
        code: String,
        lengths: String,
    }

    #[derive(Deserialize)]
    struct Code {
        code: String,
        status: CompletenessStatus,
    }

    /// A text that this console judges in another way than Node's, and why.
    #[derive(Deserialize)]
    struct Difference {
        code: String,
        here: CompletenessStatus,
        node: CompletenessStatus,
        because: String,
    }

    /// What Node's REPL says: see `fixtures/generate.js`.
    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("fixtures/completeness.json")).unwrap()
    }

    /// What is judged in another way than it should be.
    fn wrong(cases: impl IntoIterator<Item = (String, CompletenessStatus)>) -> Vec<String> {
        let judged = cases.into_iter().map(|(code, expected)| {
            let found = completeness(&code);
            let is_right = found.status == expected;
            (!is_right).then(|| {
                format!(
                    "{code:?} is {expected:?}, not {:?}: {:?}",
                    found.status, found.message
                )
            })
        });
        judged.flatten().collect()
    }

    #[test]
    fn texts_are_judged_as_node_judges_them() {
        let codes = fixture().codes.into_iter();
        let wrong = wrong(codes.map(|case| (case.code, case.status)));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn programs_are_judged_as_node_judges_them_wherever_a_line_breaks_off() {
        let fixture = fixture();
        let differs: HashMap<_, _> = fixture
            .differences
            .into_iter()
            .map(|difference| (difference.code, difference.here))
            .collect();
        let cases = fixture.programs.iter().flat_map(|program| {
            let units: Vec<_> = program.code.encode_utf16().collect();
            let lengths = program.lengths.chars().enumerate();
            let cases = lengths.filter_map(move |(length, letter)| {
                // Half a character has no text.
                let code = String::from_utf16(&units[..length]).ok()?;
                let node = match letter {
                    'c' => CompletenessStatus::Complete,
                    'i' => CompletenessStatus::Incomplete,
                    _ => CompletenessStatus::Invalid,
                };
                Some((code, node))
            });
            cases.collect::<Vec<_>>()
        });
        let cases = cases.map(|(code, node)| {
            let expected = differs.get(&code).copied().unwrap_or(node);
            (code, expected)
        });
        let wrong = wrong(cases);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn what_is_judged_in_another_way_than_node_does_is_told_with_the_reason() {
        let differences = fixture().differences;
        for difference in &differences {
            assert_ne!(difference.here, difference.node, "{:?}", difference.code);
            assert!(!difference.because.is_empty(), "{:?}", difference.code);
        }
        let wrong = wrong(differences.into_iter().map(|case| (case.code, case.here)));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[track_caller]
    fn assert_status(status: CompletenessStatus, sources: &[&str]) {
        for source in sources {
            let found = completeness(source);
            assert_eq!(found.status, status, "{source:?}: {:?}", found.message);
        }
    }

    #[test]
    fn what_can_run_is_complete() {
        assert_status(
            CompletenessStatus::Complete,
            &[
                "",
                "1 + 1",
                "a",
                "{ a: 1, b: 2 }",
                "{ a; b }",
                "await f()",
                "import fs from 'fs'",
                "if (a) b",
                "`a${b}`",
                "// a comment",
                "for await (const a of b) {}",
            ],
        );
    }

    #[test]
    fn what_lacks_an_end_is_incomplete() {
        assert_status(
            CompletenessStatus::Incomplete,
            &[
                "{",
                "{ a: 1,",
                "function f() {",
                "f(1,",
                "[1, 2",
                "`a",
                "`a${",
                "`a\nb",
                "/* a",
                "a +",
                "a.",
                "if (a)",
                "if (a) {\n  b\n} else",
                "const a =",
                "class A {\n  m() {",
                "await f(",
                "async () => {",
                "import fs from",
                "x = {\n",
            ],
        );
    }

    #[test]
    fn what_no_more_lines_mend_is_invalid() {
        assert_status(
            CompletenessStatus::Invalid,
            &["a b", ")", "let 1", "f(]", "'abc", "if a {", "x = }\n"],
        );
        assert!(completeness("a b").message.is_some());
    }
}
