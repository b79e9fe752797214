//! What an execution says of an exception: its headline, where it was thrown, and the stack.

use boa_engine::{Context, JsError};
use serde::Serialize;
use vmcontrol::runtime::RunRequest;

use super::inspect::{Frame, Inspector, Thrown};

/// The payload of an `exception` event.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<String>,
}

/// Describes an exception without running any of the script's code.
pub(super) fn describe(
    error: JsError,
    request: &RunRequest,
    inspector: &Inspector,
    context: &mut Context,
) -> Report {
    let mut thrown = if error.as_engine().is_some() {
        of_engine(&error)
    } else {
        of_value(error, inspector, context)
    };
    complete_location(&mut thrown, request);
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
        message,
        stack: (!thrown.stack.is_empty()).then_some(stack),
    }
}

fn of_value(error: JsError, inspector: &Inspector, context: &mut Context) -> Thrown {
    // A primitive has no place for a stack, which then stands in the error's own text alone.
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

/// A limit of the engine, which scripts can't catch, or a failure of its own.
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

/// The engine leaves some positions out: those of syntax errors stand in the message, and that of a name that is not
/// defined is found again in the source.
fn complete_location(thrown: &mut Thrown, request: &RunRequest) {
    if thrown.stack.is_empty()
        && thrown.headline.starts_with("SyntaxError")
        && let Some((headline, position)) = split_position(&thrown.headline)
    {
        let location = format!("{}:{position}", request.name);
        thrown.headline = headline;
        thrown.stack.push(Frame {
            function: None,
            location: Some(location),
        });
        return;
    }
    let undefined_name = thrown
        .headline
        .strip_prefix("ReferenceError: ")
        .and_then(|rest| rest.strip_suffix(" is not defined"));
    if let (Some(name), Some(frame)) = (undefined_name, thrown.stack.first_mut())
        && frame.location.as_deref() == Some(&request.name)
        && let Some((line, column)) = find_name(&request.source, name)
    {
        frame.location = Some(format!("{}:{line}:{column}", request.name));
    }
}

/// Takes `at line 1, col 9` off the end of a message, as `1:9`.
fn split_position(headline: &str) -> Option<(String, String)> {
    let (before, position) = headline.rsplit_once(" at line ")?;
    let (line, column) = position.split_once(", col ")?;
    let column: String = column.chars().take_while(char::is_ascii_digit).collect();
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    (is_number(line) && is_number(&column)).then(|| (before.to_owned(), format!("{line}:{column}")))
}

/// The line and column, from 1, of the first use of a name in a source that is not a property's.
fn find_name(source: &str, name: &str) -> Option<(usize, usize)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let (at, _) = source.match_indices(name).find(|(at, _)| {
        let before = source[..*at].chars().next_back();
        let after = source[at + name.len()..].chars().next();
        !before.is_some_and(|c| is_part(c) || matches!(c, '.' | '"' | '\'' | '`'))
            && !after.is_some_and(is_part)
    })?;
    let line = source[..at].matches('\n').count() + 1;
    let start = source[..at].rfind('\n').map_or(0, |newline| newline + 1);
    Some((line, source[start..at].chars().count() + 1))
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
        assert_eq!(find_name("x", "x"), Some((1, 1)));
        assert_eq!(find_name("a.x;\nax; 'x'; ++x", "x"), Some((2, 12)));
        assert_eq!(find_name("a.x", "x"), None);
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
