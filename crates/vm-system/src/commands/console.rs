//! What a script says, on the stream that fits it, and how it ends, for people.

use std::io::{self, Write};

use serde::Deserialize;
use vmapi_types::{ConsoleLevel, Event, EventType};

use crate::cli::Format;
use crate::output::{self, Paint, Screen};

/// The payload of a console event.
#[derive(Deserialize)]
struct Line {
    level: ConsoleLevel,
    text: String,
}

/// The colours of what a script says, on either stream.
#[derive(Clone, Copy)]
pub(crate) struct Paints {
    /// Those of standard output.
    pub stdout: Paint,
    /// Those of standard error.
    pub stderr: Paint,
}

/// Prints an event if it is one of the console. Standard output is left to the end, if the end is JSON.
pub(crate) fn print(event: &Event, format: Format, paints: Paints) {
    if event.kind != EventType::Console {
        return;
    }
    if let Ok(Line { level, text }) = serde_json::from_str(event.payload.get()) {
        let to_stderr = goes_to_stderr(level, format == Format::Json);
        let paint = if to_stderr {
            paints.stderr
        } else {
            paints.stdout
        };
        let text = match level {
            ConsoleLevel::Error => paint.error(&text),
            ConsoleLevel::Warn => paint.warning(&text),
            ConsoleLevel::Debug => paint.aside(&text),
            ConsoleLevel::Log | ConsoleLevel::Info => text.as_str().into(),
        };
        // A reader that went away does not stop the script.
        let _ = if to_stderr {
            say(output::stderr(), &text)
        } else {
            say(output::stdout(), &text)
        };
    }
}

/// Prints a line at once.
fn say(mut stream: Screen<impl Write>, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())?;
    stream.flush()
}

/// What is printed of an execution's result.
#[derive(Deserialize)]
pub(crate) struct Value {
    /// The kind of value.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short text of it.
    pub preview: String,
    /// Whether that is not all.
    #[serde(default)]
    pub truncated: bool,
}

impl Value {
    /// Whether there is nothing to print.
    pub(crate) fn is_undefined(&self) -> bool {
        self.kind == "undefined"
    }
}

/// What is printed of an execution's error.
#[derive(Deserialize)]
pub(crate) struct Exception {
    /// The message.
    pub message: String,
    stack: Option<String>,
}

impl Exception {
    /// Prints the message and then where it came from. Engines differ in whether the stack begins with the message.
    ///
    /// # Errors
    /// Those of writing.
    pub(crate) fn print(&self, out: &mut dyn Write, paint: Paint) -> io::Result<()> {
        writeln!(out, "{}", paint.error(&self.message))?;
        let stack = self.stack.as_deref().unwrap_or_default();
        let frames = match stack.split_once('\n') {
            Some((first, frames)) if self.message.starts_with(first) => frames,
            None if self.message.starts_with(stack) => "",
            _ => stack,
        };
        if frames.trim().is_empty() {
            return Ok(());
        }
        writeln!(out, "{}", paint.aside(frames.trim_end()))
    }
}

fn goes_to_stderr(level: ConsoleLevel, stdout_is_taken: bool) -> bool {
    match level {
        ConsoleLevel::Warn | ConsoleLevel::Error => true,
        ConsoleLevel::Log | ConsoleLevel::Info | ConsoleLevel::Debug => stdout_is_taken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::printed;

    #[test]
    fn warnings_and_errors_go_to_standard_error_and_all_does_beside_json() {
        assert!(goes_to_stderr(ConsoleLevel::Warn, false));
        assert!(goes_to_stderr(ConsoleLevel::Error, false));
        assert!(!goes_to_stderr(ConsoleLevel::Log, false));
        assert!(!goes_to_stderr(ConsoleLevel::Info, false));
        assert!(!goes_to_stderr(ConsoleLevel::Debug, false));
        assert!(goes_to_stderr(ConsoleLevel::Log, true));
    }

    fn exception(message: &str, stack: Option<&str>) -> String {
        let exception = Exception {
            message: message.into(),
            stack: stack.map(String::from),
        };
        printed(|out| exception.print(out, Paint::new(false)))
    }

    #[test]
    fn an_exception_is_its_message_once_and_its_stack() {
        let message = "Error: no at a.js:1:7";
        let expected = "Error: no at a.js:1:7\n    at f (a.js:1:7)\n";
        assert_eq!(exception(message, None), "Error: no at a.js:1:7\n");
        assert_eq!(exception(message, Some("")), "Error: no at a.js:1:7\n");
        assert_eq!(
            exception(message, Some("Error: no")),
            "Error: no at a.js:1:7\n"
        );
        assert_eq!(exception(message, Some("    at f (a.js:1:7)")), expected);
        assert_eq!(exception(message, Some("    at f (a.js:1:7)\n")), expected);
        assert_eq!(
            exception(message, Some("Error: no\n    at f (a.js:1:7)")),
            expected
        );
    }
}
