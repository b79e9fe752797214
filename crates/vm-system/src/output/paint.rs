use std::borrow::Cow;
use std::env;
use std::io::IsTerminal;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";

/// What the reader can see: colours, and so many columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Paint {
    on: bool,
    width: Option<usize>,
}

impl Paint {
    /// With colours, or without.
    pub(crate) fn new(on: bool) -> Self {
        Self { on, width: None }
    }

    /// With colours if the stream is a terminal that wants them.
    pub(crate) fn of(stream: &impl IsTerminal) -> Self {
        Self::new(stream.is_terminal() && colours_are_welcome())
    }

    /// Whether there are colours.
    pub(crate) fn is_on(self) -> bool {
        self.on
    }

    /// With so many columns, or as many as it takes.
    pub(crate) fn with_width(self, width: Option<usize>) -> Self {
        Self { width, ..self }
    }

    /// How many columns a line may take, if there is a bound.
    pub(crate) fn width(self) -> Option<usize> {
        self.width
    }

    /// What is no part of the message itself.
    pub(crate) fn aside(self, text: &str) -> Cow<'_, str> {
        self.with(DIM, text)
    }

    /// What went wrong.
    pub(crate) fn error(self, text: &str) -> Cow<'_, str> {
        self.with(RED, text)
    }

    /// What may go wrong.
    pub(crate) fn warning(self, text: &str) -> Cow<'_, str> {
        self.with(YELLOW, text)
    }

    /// A text of the language: a string.
    pub(crate) fn literal(self, text: &str) -> Cow<'_, str> {
        self.with(GREEN, text)
    }

    /// A number of the language, and what else is neither text nor structure.
    pub(crate) fn number(self, text: &str) -> Cow<'_, str> {
        self.with(YELLOW, text)
    }

    /// A word of the language.
    pub(crate) fn keyword(self, text: &str) -> Cow<'_, str> {
        self.with(CYAN, text)
    }

    /// The heading of a table or a paragraph.
    pub(crate) fn heading(self, text: &str) -> Cow<'_, str> {
        self.with(BOLD, text)
    }

    /// A status of a session or an execution, by what it means.
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

/// Whether a terminal wants colours: `NO_COLOR` is unset and it is not a dumb one.
pub(crate) fn colours_are_welcome() -> bool {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !plain && !is_dumb()
}

/// Whether the terminal can only show one line after the other.
pub(crate) fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|value| value == "dumb")
}
