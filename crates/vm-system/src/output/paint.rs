use std::borrow::Cow;
use std::env;

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";

/// Colours text, or leaves it alone.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    on: bool,
}

impl Paint {
    /// With colours, or without.
    pub fn new(on: bool) -> Self {
        Self { on }
    }

    /// The heading of a table or a paragraph.
    pub fn heading(self, text: &str) -> Cow<'_, str> {
        self.with(BOLD, text)
    }

    /// A status of a session or an execution, by what it means.
    pub fn status(self, text: &str) -> Cow<'_, str> {
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
pub fn colours_are_welcome() -> bool {
    let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_some_and(|value| value == "dumb");
    !plain && !dumb
}
