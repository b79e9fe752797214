//! What a script says, on the stream that fits it.

use std::io::{self, Write};

use serde::Deserialize;
use vmapi_types::{ConsoleLevel, Event, EventType};

use crate::cli::Format;

/// The payload of a console event.
#[derive(Deserialize)]
struct Line {
    level: ConsoleLevel,
    text: String,
}

/// Prints an event if it is one of the console. Standard output is left to the end, if the end is JSON.
pub fn print(event: &Event, format: Format) {
    if event.kind != EventType::Console {
        return;
    }
    if let Ok(Line { level, text }) = serde_json::from_str(event.payload.get()) {
        // A reader that went away does not stop the script.
        let _ = if goes_to_stderr(level, format == Format::Json) {
            writeln!(io::stderr().lock(), "{text}")
        } else {
            writeln!(io::stdout().lock(), "{text}")
        };
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

    #[test]
    fn warnings_and_errors_go_to_standard_error_and_all_does_beside_json() {
        assert!(goes_to_stderr(ConsoleLevel::Warn, false));
        assert!(goes_to_stderr(ConsoleLevel::Error, false));
        assert!(!goes_to_stderr(ConsoleLevel::Log, false));
        assert!(!goes_to_stderr(ConsoleLevel::Info, false));
        assert!(!goes_to_stderr(ConsoleLevel::Debug, false));
        assert!(goes_to_stderr(ConsoleLevel::Log, true));
    }
}
