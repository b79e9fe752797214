use std::io::{self, Write};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use serde::Deserialize;
use uuid::Uuid;
use vmapi_types::{ConsoleLevel, Event, EventType};
use vmcontrol::EventListener;

use crate::cli::Format;

/// Prints console events as they come, on a thread of its own: a slow reader must not hold up the daemon. What waits
/// there is bounded by the output limit of the execution.
pub struct Console {
    printer: Sender<Message>,
}

enum Message {
    Print(Line),
    /// All before it is printed when the sender is dropped.
    Drain(Sender<()>),
}

/// The payload of a console event.
#[derive(Deserialize)]
struct Line {
    level: ConsoleLevel,
    text: String,
}

impl Console {
    /// Starts one that leaves standard output to the end, if the end is JSON.
    ///
    /// # Errors
    /// When there can't be another thread.
    pub fn start(format: Format) -> io::Result<Self> {
        let stdout_is_taken = format == Format::Json;
        let (printer, messages) = mpsc::channel();
        thread::Builder::new()
            .name("console".into())
            .spawn(move || print(&messages, stdout_is_taken))?;
        Ok(Self { printer })
    }

    /// Waits until everything that came so far is printed.
    pub fn drain(&self) {
        let (done, wait) = mpsc::channel();
        if self.printer.send(Message::Drain(done)).is_ok() {
            // Nothing is ever sent: the end of the channel is the message.
            let _ = wait.recv();
        }
    }
}

impl EventListener for Console {
    fn event(&self, _session_id: Uuid, event: &Event) {
        if event.kind != EventType::Console {
            return;
        }
        if let Ok(line) = serde_json::from_str(event.payload.get()) {
            // The printer lives as long as this sender.
            let _ = self.printer.send(Message::Print(line));
        }
    }
}

fn print(messages: &Receiver<Message>, stdout_is_taken: bool) {
    for message in messages {
        match message {
            // A reader that went away does not stop the script.
            Message::Print(Line { level, text }) => {
                let _ = if goes_to_stderr(level, stdout_is_taken) {
                    writeln!(io::stderr().lock(), "{text}")
                } else {
                    writeln!(io::stdout().lock(), "{text}")
                };
            }
            Message::Drain(done) => drop(done),
        }
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

    #[test]
    fn draining_waits_for_what_came_before() {
        let console = Console::start(Format::Json).unwrap();
        let (done, wait) = mpsc::channel();
        console.printer.send(Message::Drain(done)).unwrap();
        console.drain();
        assert_eq!(wait.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
