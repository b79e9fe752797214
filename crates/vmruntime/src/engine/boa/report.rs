//! Reporting an exception: its headline, where it was thrown, and the stack.

use std::rc::Rc;

use boa_engine::{Context, JsError};
use serde::Serialize;
use vmcontrol::runtime::RunRequest;

use super::culprit::{Complaint, name_culprit};
use super::inspect::{Frame, Inspector, Thrown};
use super::source;

/// How long a message may be, in bytes.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// How long a stack may be, in bytes.
const MAX_STACK_BYTES: usize = 32 * 1024;

/// How many uses of a name are searched.
const MAX_USES: usize = 1000;

/// The payload of an `exception` event.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The headline, and where the exception was thrown.
    pub(super) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
}

/// Describes an exception without running code of a script. `source_of` gives the text of a file.
pub(super) fn describe(
    error: JsError,
    request: &RunRequest,
    inspector: &Inspector,
    source_of: &dyn Fn(&str) -> Option<Rc<str>>,
    context: &mut Context,
) -> Report {
    let mut thrown = if error.as_engine().is_some() {
        of_engine(&error)
    } else {
        of_value(error, inspector, context)
    };
    complete_location(&mut thrown, request, source_of);
    let message = match thrown
        .stack
        .iter()
        .find_map(|frame| frame.location.as_ref())
    {
        Some(location) => format!("{} at {location}", thrown.headline),
        None => thrown.headline.clone(),
    };
    let stack = text_of(&thrown);
    Report {
        message: cut(message, MAX_MESSAGE_BYTES),
        stack: (!thrown.stack.is_empty() || !thrown.causes.is_empty())
            .then(|| cut(stack, MAX_STACK_BYTES)),
    }
}

fn of_value(error: JsError, inspector: &Inspector, context: &mut Context) -> Thrown {
    // A primitive can hold no stack, but the text of the engine's error has it.
    let frames = match error.as_opaque() {
        Some(value) if !value.is_object() => frames_of(&error.to_string()),
        _ => Vec::new(),
    };
    match error.into_opaque(context) {
        Ok(value) => {
            let mut thrown = inspector.thrown(&value, context);
            if thrown.stack.is_empty() {
                thrown.stack = frames;
            }
            thrown
        }
        Err(error) => of_engine(&error),
    }
}

/// Describes an error of the engine: a limit, which scripts can't catch, or a failure of its own.
fn of_engine(error: &JsError) -> Thrown {
    let text = error.to_string();
    let headline = match error.as_engine() {
        Some(boa_engine::error::EngineError::RuntimeLimit(_)) => {
            "RangeError: Maximum call stack size exceeded".to_owned()
        }
        _ => text.lines().next().unwrap_or_default().to_owned(),
    };
    Thrown {
        headline,
        stack: frames_of(&text),
        causes: Vec::new(),
    }
}

/// The frames at the end of an error's text.
fn frames_of(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = text.lines().rev().map_while(Frame::parse).collect();
    frames.reverse();
    frames
}

/// Adds the position and the words that the engine leaves out. The position of a syntax error
/// stands in the message, or is the end of the source; that of a name that is not defined is
/// searched in the source; and a source of one line has one possible line.
fn complete_location(
    thrown: &mut Thrown,
    request: &RunRequest,
    source_of: &dyn Fn(&str) -> Option<Rc<str>>,
) {
    if thrown.stack.is_empty() && thrown.headline.starts_with("SyntaxError") {
        let name = &request.name;
        let place = |(line, column): (usize, usize)| Some(format!("{name}:{line}:{column}"));
        let location = match split_position(&thrown.headline) {
            Some((headline, position)) => {
                thrown.headline = headline;
                Some(format!("{name}:{position}"))
            }
            None => place(source::line_and_column(
                &request.source,
                request.source.len(),
            )),
        };
        thrown.stack.push(Frame {
            function: None,
            location,
        });
        return;
    }
    let undefined_name = thrown
        .headline
        .strip_prefix("ReferenceError: ")
        .and_then(|rest| rest.strip_suffix(" is not defined"))
        .map(str::to_owned);
    let undefined_name = undefined_name.as_deref();
    let Some(frame) = thrown.stack.first_mut() else {
        return;
    };
    let Some(location) = frame.location.clone() else {
        return;
    };
    let (path, known) = split_place(&location);
    let Some(source) = source_of(path) else {
        return;
    };
    let place = |(line, column): (usize, usize)| Some(format!("{path}:{line}:{column}"));
    if let Some(undefined) = undefined_name {
        if let Some(found) = find_name(&source, undefined, known) {
            frame.location = place(found);
        }
        if path != super::REPL && source::declares(&source, undefined) {
            // The engine says the same of a name that is not initialised yet.
            thrown.headline =
                format!("ReferenceError: Cannot access '{undefined}' before initialization");
        }
    } else if let (Some(known), Some(complaint)) = (known, complaint_of(&thrown.headline)) {
        if let Some(words) = name_culprit(&source, known, complaint) {
            thrown.headline = format!("TypeError: {words}");
        }
    } else if known.is_none() && source.trim_end().lines().count() == 1 {
        let start = source.len() - source.trim_start().len();
        frame.location = place(source::line_and_column(&source, start));
    }
}

/// What a headline of the engine says, if it names no expression; `None` if it says something else.
fn complaint_of(headline: &str) -> Option<Complaint> {
    match headline {
        "TypeError: not a callable function" => Some(Complaint::NotCallable),
        "TypeError: not a constructor" => Some(Complaint::NotConstructor),
        "TypeError: cannot convert 'null' or 'undefined' to object" => Some(Complaint::Nothing),
        _ => None,
    }
}

/// A path, and the line and column behind it; `None` if there are none.
fn split_place(location: &str) -> (&str, Option<(usize, usize)>) {
    let mut parts = location.rsplitn(3, ':');
    let (column, line, path) = (parts.next(), parts.next(), parts.next());
    let number = |part: Option<&str>| part.and_then(|part| part.parse().ok());
    match (path, number(line), number(column)) {
        (Some(path), Some(line), Some(column)) => (path, Some((line, column))),
        _ => (location, None),
    }
}

/// A message without `at line 1, col 9` at its end, and that as `1:9`; `None` if it has no such
/// end.
pub(super) fn split_position(headline: &str) -> Option<(String, String)> {
    let (before, position) = headline.rsplit_once(" at line ")?;
    let (line, column) = position.split_once(", col ")?;
    let column: String = column.chars().take_while(char::is_ascii_digit).collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(line) && is_number(&column)).then(|| (before.to_owned(), format!("{line}:{column}")))
}

/// The line and column, from 1, of a use of a variable. `near` is a position that the engine gives:
/// the use is the last one up to it on its line, else the first one behind it, else the first of
/// all.
fn find_name(source: &str, name: &str, near: Option<(usize, usize)>) -> Option<(usize, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let uses = source.match_indices(name).filter(|(at, _)| {
        let before = source[..*at].chars().next_back();
        let after = source[at + name.len()..].chars().next();
        let line = source[..*at].rsplit('\n').next().unwrap_or_default();
        !before.is_some_and(|c| is_part(c) || matches!(c, '.' | '"' | '\'' | '`'))
            && !after.is_some_and(is_part)
            && !line.trim_start().starts_with("import ")
    });
    let uses: Vec<(usize, usize)> = uses
        .take(MAX_USES)
        .map(|(at, _)| source::line_and_column(source, at))
        .collect();
    let near = near.unwrap_or((0, 0));
    uses.iter()
        .rfind(|found| found.0 == near.0 && **found <= near)
        .or_else(|| uses.iter().find(|found| **found > near))
        .or_else(|| uses.first())
        .copied()
}

/// A text cut to `max_bytes`, with a mark if anything was cut off.
fn cut(mut text: String, max_bytes: usize) -> String {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes));
        text.push_str("...");
    }
    text
}

/// The headline, the frames, and the causes below.
fn text_of(thrown: &Thrown) -> String {
    let mut text = thrown.headline.clone();
    for frame in &thrown.stack {
        text.push_str("\n    at ");
        text.push_str(&frame.call());
    }
    for cause in &thrown.causes {
        let cause = text_of(cause);
        text.push_str("\n  [cause]: ");
        text.push_str(&cause.replace('\n', "\n  "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_use_of_a_name_is_found_and_properties_are_passed_over() {
        assert_eq!(find_name("x", "x", None), Some((1, 1)));
        assert_eq!(find_name("a.x;\nax; 'x'; ++x", "x", None), Some((2, 12)));
        assert_eq!(find_name("a.x", "x", None), None);
        assert_eq!(find_name("x; x.y; x", "x", Some((1, 6))), Some((1, 4)));
        assert_eq!(find_name("f();\n\nx", "x", Some((1, 2))), Some((3, 1)));
    }

    #[test]
    fn the_position_of_a_syntax_error_is_taken_off_its_message() {
        assert_eq!(
            split_position("SyntaxError: bad at line 2, col 14"),
            Some(("SyntaxError: bad".into(), "2:14".into()))
        );
        assert_eq!(split_position("SyntaxError: bad"), None);
    }
}
