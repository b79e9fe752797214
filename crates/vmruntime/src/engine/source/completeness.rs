//! Whether what somebody typed is all of it.

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_span::SourceType;
use vmapi_types::{Completeness, CompletenessStatus};

use super::tokens::{End, scan};

/// Whether a snippet can be run, needs more lines, or is wrong whatever comes.
pub(crate) fn completeness(source: &str) -> Completeness {
    let status = |status| Completeness {
        status,
        message: None,
        code: None,
    };
    let trimmed = source.trim();
    // `{a: 1}` alone is an object in a console.
    if trimmed.starts_with('{') && errors_of(&format!("({trimmed}\n)")).is_none() {
        return status(CompletenessStatus::Complete);
    }
    let Some(error) = errors_of(source) else {
        return status(CompletenessStatus::Complete);
    };
    // What is wrong is that something is missing where the text ends.
    let is_open = match scan(source).end {
        End::Template(_) => true,
        End::Comment => error.end >= trimmed.len(),
        End::Code | End::String(_) => false,
    };
    if is_open || error.start >= source.trim_end().len() {
        return status(CompletenessStatus::Incomplete);
    }
    Completeness {
        status: CompletenessStatus::Invalid,
        message: Some(error.message),
        code: None,
    }
}

struct SyntaxError {
    /// Where it was found, in bytes.
    start: usize,
    end: usize,
    message: String,
}

/// The first error of a text that is neither a script nor a module; `await` may stand at the top of both.
fn errors_of(source: &str) -> Option<SyntaxError> {
    let errors = [SourceType::script(), SourceType::mjs()].map(|kind| {
        let allocator = Allocator::default();
        let parsed = Parser::new(&allocator, source, kind).parse();
        let error = parsed.diagnostics.into_iter().next()?;
        let label = error.labels.iter().next();
        Some(SyntaxError {
            start: label.map_or(0, |label| label.offset() as usize),
            end: label.map_or(0, |label| label.offset() as usize + label.len() as usize),
            message: error.message.to_string(),
        })
    });
    let [Some(script), Some(module)] = errors else {
        return None;
    };
    // Whichever got further is what was meant.
    Some(if module.start > script.start {
        module
    } else {
        script
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
