//! The console output of a script, on the stream of its level, and the value or the exception that
//! the script ends with.

use std::io::{self, Write};

use serde::Deserialize;
use vmapi_types::{ConsoleLevel, Event, EventType};

use crate::output::{Format, Paint};
use crate::screen::{self, Screen};

/// The payload of a console event.
#[derive(Deserialize)]
struct ConsoleLine {
    level: ConsoleLevel,
    text: String,
}

/// The colours of a script's output on each of the two streams.
#[derive(Clone, Copy)]
pub(crate) struct StreamPaints {
    /// The colours of standard output.
    pub stdout: Paint,
    /// The colours of standard error.
    pub stderr: Paint,
}

/// Prints a console event; other events are ignored. If the result is printed as JSON, standard
/// output is reserved for it and all console output goes to standard error.
pub(crate) fn print(event: &Event, format: Format, paints: StreamPaints) {
    if event.kind != EventType::Console {
        return;
    }
    if let Ok(ConsoleLine { level, text }) = serde_json::from_str(event.payload.get()) {
        let to_stderr = goes_to_stderr(level, format == Format::Json);
        let paint = if to_stderr {
            paints.stderr
        } else {
            paints.stdout
        };
        let text = match level {
            ConsoleLevel::Error => paint.error(&text),
            ConsoleLevel::Warn => paint.warning(&text),
            ConsoleLevel::Debug => paint.secondary(&text),
            ConsoleLevel::Log | ConsoleLevel::Info => text.as_str().into(),
        };
        // A closed stream does not stop the script.
        let _ = if to_stderr {
            print_line(screen::stderr(), &text)
        } else {
            print_line(screen::stdout(), &text)
        };
    }
}

/// Prints a line and flushes the stream.
fn print_line(mut stream: Screen<impl Write>, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\n").as_bytes())?;
    stream.flush()
}

/// The printed fields of an execution's result.
#[derive(Deserialize)]
pub(crate) struct Value {
    /// The JavaScript type of the value.
    #[serde(rename = "type")]
    pub kind: String,
    /// A short text of the value.
    pub preview: String,
    /// Whether the preview is shortened.
    #[serde(default)]
    pub truncated: bool,
}

impl Value {
    /// Whether the value is `undefined`, which is not printed.
    pub(crate) fn is_undefined(&self) -> bool {
        self.kind == "undefined"
    }
}

/// The printed fields of an execution's error.
#[derive(Deserialize)]
pub(crate) struct Exception {
    /// The message, with the position where the exception was thrown.
    pub message: String,
    stack: Option<String>,
}

impl Exception {
    /// Prints the message and the stack frames. Engines differ in whether a stack begins with the
    /// message.
    ///
    /// # Errors
    /// The errors of writing to `out`.
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
        writeln!(out, "{}", paint.secondary(frames.trim_end()))
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
