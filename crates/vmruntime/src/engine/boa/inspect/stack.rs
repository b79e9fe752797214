//! The name, message and frames of an error, read without running code of a script.

use boa_engine::{Context, JsObject, JsString, js_string};

use super::{Inspector, properties, text};
use crate::engine::source::{INTERNAL, original_of};

/// The start of each line of a stack.
const FRAME_START: &str = "    at ";

/// One call that was in progress when an error was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// `None` for the top level of a script, and for a function without a name.
    pub(crate) function: Option<String>,
    /// `repl:1:7`; `None` for a function of the engine.
    pub(crate) location: Option<String>,
}

impl Frame {
    /// Reads a line of the engine: `    at f (repl:1:21)`. Positions in rewritten scripts are
    /// mapped to the text of the user. `None` for a frame of the service's own scripts.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let call = line.strip_prefix(FRAME_START)?;
        let inner = call.strip_suffix(')');
        let Some((function, location)) = inner.and_then(|inner| inner.rsplit_once(" (")) else {
            return Some(Self {
                function: None,
                location: Some(user_place(call)?),
            });
        };
        let function = match function {
            "<main>" | "" => None,
            "<eval>" => Some("eval".to_owned()),
            name => Some(name.to_owned()),
        };
        let location = match location_text(location) {
            Some(location) => Some(user_place(&location)?),
            None => None,
        };
        // A frame with neither tells nothing.
        (function.is_some() || location.is_some()).then_some(Self { function, location })
    }

    /// The line as Node writes it, without its start.
    pub(crate) fn call(&self) -> String {
        match (&self.function, &self.location) {
            (Some(function), Some(location)) => format!("{function} ({location})"),
            (Some(function), None) => format!("{function} (native)"),
            (None, Some(location)) => location.clone(),
            (None, None) => "<anonymous>".to_owned(),
        }
    }
}

/// A position in the text of the user; `None` for one in a script of the service's own.
fn user_place(location: &str) -> Option<String> {
    if location.starts_with(INTERNAL) {
        return None;
    }
    let origin = original_of(location);
    if origin.is_hidden {
        return None;
    }
    Some(match origin.position {
        Some((line, column)) => format!("{}:{line}:{column}", origin.path),
        None => origin.path,
    })
}

/// A position in a source; `None` for a function of the engine.
fn location_text(location: &str) -> Option<String> {
    if location == "native" || location.starts_with("native at ") {
        return None;
    }
    let location = location.strip_suffix(":?:?").unwrap_or(location);
    // The engine names a source without a path by its origin: `eval at :1:7`.
    let named = [
        ("unknown at ", "<anonymous>"),
        ("eval at ", "eval"),
        ("json at ", "json"),
    ]
    .into_iter()
    .find_map(|(start, name)| Some((name, location.strip_prefix(start)?)));
    Some(match named {
        Some((name, rest)) => format!("{name}{rest}"),
        None => location.to_owned(),
    })
}

/// The parts of an error that are shown.
pub(super) struct ErrorParts {
    pub(super) name: String,
    pub(super) message: String,
    /// The value that a script assigned to `stack`; `None` if it assigned none.
    pub(super) own_stack: Option<String>,
    pub(super) frames: Vec<Frame>,
}

impl ErrorParts {
    pub(super) fn of(inspector: &Inspector, error: &JsObject, context: &mut Context) -> Self {
        let mut part = |name: JsString| {
            let value = properties::data(error, name, context)?;
            text::primitive(&value).filter(|_| !value.is_null_or_undefined())
        };
        let name = part(js_string!("name")).unwrap_or_else(|| "Error".to_owned());
        let message = part(js_string!("message")).unwrap_or_default();
        let overwritten = properties::own_data(error, js_string!("stack"), context);
        let (own_stack, recorded) = match overwritten {
            Some(stack) => (text::primitive(&stack).filter(|_| stack.to_boolean()), None),
            None => (None, inspector.intrinsics.error_stack(error, context)),
        };
        let lines = own_stack.as_ref().or(recorded.as_ref());
        let frames = lines.map_or_else(Vec::new, |lines| {
            lines.lines().filter_map(Frame::parse).collect()
        });
        Self {
            name,
            message,
            own_stack,
            frames,
        }
    }

    /// `TypeError: bad`
    pub(super) fn header(&self) -> String {
        match (self.name.as_str(), self.message.as_str()) {
            ("", message) => message.to_owned(),
            (name, "") => name.to_owned(),
            (name, message) => format!("{name}: {message}"),
        }
    }

    /// The header and the frames, or the text that a script assigned.
    pub(super) fn stack(&self) -> String {
        if let Some(own) = &self.own_stack {
            return own.clone();
        }
        lines(&self.header(), &self.frames)
    }
}

/// The calls in progress, innermost first, as an error made now would have them.
pub(super) fn here(inspector: &Inspector, context: &mut Context) -> Vec<Frame> {
    let constructor = context.intrinsics().constructors().error().constructor();
    let error = constructor.construct(&[], None, context);
    let recorded = error
        .ok()
        .and_then(|error| inspector.intrinsics.error_stack(&error, context));
    recorded.map_or_else(Vec::new, |lines| {
        lines.lines().filter_map(Frame::parse).collect()
    })
}

/// A header followed by one line for each frame.
pub(super) fn lines(header: &str, frames: &[Frame]) -> String {
    let mut text = header.to_owned();
    for frame in frames {
        text.push('\n');
        text.push_str(FRAME_START);
        text.push_str(&frame.call());
    }
    text
}
