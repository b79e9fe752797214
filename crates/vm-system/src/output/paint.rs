//! The colours of the output, by the role of a text.

use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// The capabilities of the output stream: whether it shows colours, and its width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
    width: Option<usize>,
}

impl Paint {
    /// A stream with or without colours, and of unlimited width.
    pub(crate) fn new(on: bool) -> Self {
        Self { on, width: None }
    }

    /// The colours of a stream: on if it is a terminal that wants them.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        Self::new(stream.is_terminal() && colours_are_welcome())
    }

    /// Whether colours are on.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// The same stream with this width in columns; `None` means unlimited.
    pub(crate) fn with_width(self, width: Option<usize>) -> Self {
        Self { width, ..self }
    }

    /// The maximum width of a line in columns; `None` means unlimited.
    pub(crate) fn width(self) -> Option<usize> {
        self.width
    }

    /// Secondary text, which is not the message itself.
    pub(crate) fn secondary(self, text: &str) -> Cow<'_, str> {
        self.with(DIM, text)
    }

    /// An error.
    pub(crate) fn error(self, text: &str) -> Cow<'_, str> {
        self.with(RED, text)
    }

    /// A warning.
    pub(crate) fn warning(self, text: &str) -> Cow<'_, str> {
        self.with(YELLOW, text)
    }

    /// A JavaScript string.
    pub(crate) fn literal(self, text: &str) -> Cow<'_, str> {
        self.with(GREEN, text)
    }

    /// A JavaScript number or another primitive that is not a string.
    pub(crate) fn number(self, text: &str) -> Cow<'_, str> {
        self.with(YELLOW, text)
    }

    /// A JavaScript keyword.
    pub(crate) fn keyword(self, text: &str) -> Cow<'_, str> {
        self.with(CYAN, text)
    }

    /// The heading of a table or of a section.
    pub(crate) fn heading(self, text: &str) -> Cow<'_, str> {
        self.with(BOLD, text)
    }

    /// The status of a session or an execution, in the colour of its meaning.
    pub(crate) fn status(self, text: &str) -> Cow<'_, str> {
        match text.trim_end() {
            "ok" | "ready" => self.with(GREEN, text),
            "error" | "crashed" => self.with(RED, text),
            "timeout" | "cancelled" | "starting" | "running" => self.with(YELLOW, text),
            "closed" => self.with(DIM, text),
            _ => text.into(),
        }
    }

    fn with<'a>(self, code: &str, text: &'a str) -> Cow<'a, str> {
        if self.on {
            format!("\u{1b}[{code}m{text}\u{1b}[0m").into()
        } else {
            text.into()
        }
    }
}

/// Whether terminals of this environment want colours: `NO_COLOR` is unset or empty, and `TERM` is
/// not `dumb`.
pub(crate) fn colours_are_welcome() -> bool {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !plain && !is_dumb()
}

/// Whether the terminal can only print lines and has no control sequences.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|value| value == "dumb")
}
