//! Read, run, print, and again.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;
use vmapi_types::{Execution, ExecutionStatus, RawJson, ReplRequest, ValueView};
use vmclient::{Client, StreamItem};

use super::instruction::{self, Instruction};
use super::lines::{Lines, PROMPT, Piece};
use super::target::Target;
use super::terminal::Terminal;
use super::words::shown;
use crate::cli::Format;
use crate::commands::console::{self, Exception, Paints, Value};
use crate::commands::exec::interrupt::{self, Awaited};
use crate::failure::{Failure, say_error, verdict};
use crate::output::{Output, Paint};

/// A console at a session.
pub(crate) struct Console<'a> {
    client: &'a Client,
    session: Uuid,
    output: &'a mut Output,
    paint: Paint,
    /// What has run and did not fail, for `.save`.
    done: Vec<String>,
    has_failed: bool,
    timing: bool,
}

/// Whether to go on.
#[derive(PartialEq, Eq)]
enum Then {
    Next,
    Leave,
}

impl<'a> Console<'a> {
    /// At a session.
    pub(crate) fn new(target: &'a Target, output: &'a mut Output) -> Self {
        Self {
            client: &target.client,
            session: target.session,
            paint: output.paint(),
            output,
            done: Vec::new(),
            has_failed: false,
            timing: false,
        }
    }

    /// Until the input ends, or somebody wants to leave. Reads from the terminal if standard input
    /// is one. What is typed is kept in that file, if lines can be edited.
    ///
    /// # Errors
    /// When the terminal fails, when the session is gone, and when something failed that was piped.
    pub(crate) async fn run(
        mut self,
        history: Option<PathBuf>,
        terminal: Option<&Arc<Terminal>>,
    ) -> Result<(), Failure> {
        let client = self.client.clone();
        let mut lines = Lines::new(client, self.session, self.paint, history, terminal)?;
        let is_typed = terminal.is_some();
        let is_edited = matches!(lines, Lines::Edited(_));
        if is_typed {
            let text = format!("Session {}. .help explains, Ctrl-D leaves.", self.session);
            let text = self.paint.aside(&text).into_owned();
            self.say(&text)?;
        }
        let listen = || signal(SignalKind::interrupt()).context("cannot listen for SIGINT");
        let mut interrupts = listen()?;
        // Whether the last that was typed was Ctrl-C on an empty line.
        let mut wants_to_leave = false;
        loop {
            if let Some(terminal) = terminal
                && !is_edited
            {
                // The prompt says that Ctrl-C is a key of the line from here on.
                terminal.read()?;
                self.prompt()?;
            }
            let piece = tokio::select! {
                piece = lines.next() => piece?,
                // At a terminal, Ctrl-C is a key.
                _ = interrupts.recv(), if !is_edited => lines.interrupt(),
            };
            if let Some(terminal) = terminal {
                terminal.run()?;
            }
            match piece {
                Piece::Interrupt { .. } if !is_typed => return Err(Failure::ctrl_c()),
                Piece::End => return self.end(is_typed),
                // The second in a row leaves, as in other consoles.
                Piece::Interrupt { touched: false, .. } if wants_to_leave => return Ok(()),
                Piece::Interrupt { dropped, .. } => {
                    wants_to_leave = !dropped;
                    if !is_edited {
                        // What was typed stands there still.
                        self.say("")?;
                    }
                    let how = if dropped { "twice" } else { "again" };
                    self.say(&format!(
                        "(To leave, press Ctrl-C {how} or Ctrl-D, or type .exit)"
                    ))?;
                }
                Piece::Unreadable => {
                    wants_to_leave = false;
                    self.refuse("what was typed is no UTF-8: it is dropped");
                }
                Piece::Text(text) => {
                    wants_to_leave = false;
                    if self.take(&text).await? == Then::Leave {
                        return self.end(is_typed);
                    }
                    if is_typed {
                        // Those that came meanwhile were for what ran.
                        interrupts = listen()?;
                    }
                }
            }
        }
    }

    /// Whoever types has seen what failed; what is piped fails as a whole.
    fn end(&self, is_typed: bool) -> Result<(), Failure> {
        verdict(is_typed || !self.has_failed)
    }

    /// Does what a text says. What is refused is said, and the console goes on, unless the session is gone.
    async fn take(&mut self, text: &str) -> Result<Then, Failure> {
        let outcome = match instruction::parse(text) {
            _ if text.trim().is_empty() => Ok(Then::Next),
            Some(instruction) => self.obey(instruction).await,
            None => self.evaluate(text).await.map(|()| Then::Next),
        };
        match outcome {
            Err(Failure::Client(error @ vmclient::Error::Api { .. })) if !is_gone(&error) => {
                self.refuse(&error.to_string());
                Ok(Then::Next)
            }
            // What is piped is run to its last line, whoever reads.
            Err(Failure::OutputClosed) if !io::stdin().is_terminal() => Ok(Then::Next),
            // It was said already that it goes on.
            Err(Failure::Interrupted(_)) if io::stdin().is_terminal() => Ok(Then::Next),
            other => other,
        }
    }

    async fn obey(&mut self, instruction: Instruction<'_>) -> Result<Then, Failure> {
        match instruction {
            Instruction::Exit => return Ok(Then::Leave),
            Instruction::Help => self.help()?,
            Instruction::Timing => {
                self.timing = !self.timing;
                let state = if self.timing { "on" } else { "off" };
                self.say(&format!("timing is {state}"))?;
            }
            Instruction::Cancel => self.cancel().await?,
            Instruction::Load(file) => match std::fs::read_to_string(file) {
                Ok(code) => self.evaluate(&code).await?,
                Err(error) => self.refuse(&format!("cannot read {file}: {error}")),
            },
            Instruction::Save(file) => self.save(Path::new(file))?,
            Instruction::Inspect(expression) => {
                self.look(expression, |_, text| text).await?;
            }
            Instruction::Type(expression) => {
                self.look(expression, |value, _| value.r#type).await?;
            }
            Instruction::Unknown(word) => self.refuse(&instruction::correction(word)),
        }
        Ok(Then::Next)
    }

    /// Looks at an expression and prints something of its value.
    async fn look(
        &mut self,
        expression: &str,
        of_value: fn(ValueView, String) -> String,
    ) -> Result<(), Failure> {
        let seen = self.client.inspect(self.session, expression).await?;
        match (seen.value, seen.error) {
            (Some(value), _) => self.say(&of_value(value, seen.text.unwrap_or_default())),
            (None, Some(error)) => self.print_exception(&error),
            (None, None) => Ok(()),
        }
    }

    /// Runs code and prints what it says as it says it, and its value.
    async fn evaluate(&mut self, code: &str) -> Result<(), Failure> {
        let id = Uuid::new_v4();
        let request = ReplRequest {
            session_id: Some(self.session.to_string()),
            input: Some(code.to_owned()),
            execution_id: Some(id.to_string()),
            wait_ms: Some(0),
            ..ReplRequest::default()
        };
        let client = self.client;
        let paints = Paints {
            stdout: self.paint,
            stderr: Paint::of(&io::stderr()),
        };
        let watching = async {
            client.repl(&request).await?;
            let mut stream = client.follow(id, 0);
            while let Some(item) = stream.next().await? {
                match item {
                    StreamItem::Event(event) => console::print(&event, Format::Text, paints),
                    StreamItem::End(execution) => return Ok(Some(execution)),
                }
            }
            Ok(None)
        };
        let Awaited {
            outcome,
            interrupted,
        } = interrupt::wait(watching, id, client).await?;
        let Some(execution) = outcome else {
            return Ok(());
        };
        if execution.status == ExecutionStatus::Ok {
            self.done.push(code.to_owned());
        } else {
            self.has_failed = true;
        }
        let reported = self.report(&execution);
        // Whoever presses Ctrl-C while a program writes wants all of it to end.
        if interrupted && !io::stdin().is_terminal() {
            return self.output.conclude(reported, Err(Failure::ctrl_c()));
        }
        reported
    }

    fn report(&mut self, execution: &Execution) -> Result<(), Failure> {
        if let Some(result) = &execution.result {
            let value: Value = serde_json::from_str(result.get()).context("a value is unknown")?;
            let text = shown(&value, self.paint);
            self.say(&text)?;
        }
        if let Some(error) = &execution.error {
            self.print_exception(error)?;
        }
        if self.timing {
            let metrics = execution.metrics;
            let times = [(metrics.wall_ms, "ms"), (metrics.cpu_ms, "ms of CPU time")];
            let times: Vec<_> = times
                .into_iter()
                .filter_map(|(time, unit)| Some(format!("{:.1} {unit}", time?)))
                .collect();
            let text = self.paint.aside(&times.join(", ")).into_owned();
            self.say(&text)?;
        }
        Ok(())
    }

    /// Says what could not be done.
    fn refuse(&mut self, message: &str) {
        self.has_failed = true;
        say_error(message);
    }

    fn print_exception(&mut self, error: &RawJson) -> Result<(), Failure> {
        self.has_failed = true;
        let exception: Exception =
            serde_json::from_str(error.get()).context("an exception is unknown")?;
        let paint = self.paint;
        self.output.text(|out| exception.print(out, paint))?;
        self.output.finish()
    }

    fn help(&mut self) -> Result<(), Failure> {
        self.output.text(|out| {
            for (name, argument, meaning) in instruction::ALL {
                let usage = format!("{name} {argument}");
                writeln!(out, "{usage:22} {meaning}")?;
            }
            writeln!(
                out,
                "\nTab completes. Ctrl-C cancels what runs; what is cancelled, fails a limit or crashes leaves no trace in\n\
                 the session. _ is the last value, _error the last exception."
            )
        })?;
        self.output.finish()
    }

    async fn cancel(&mut self) -> Result<(), Failure> {
        let newest = self.client.executions(self.session, Some(1)).all().await?;
        let is_running = |execution: &&Execution| execution.status == ExecutionStatus::Running;
        match newest.iter().find(is_running) {
            Some(execution) => {
                self.client.cancel(execution.id).await?;
                self.say(&format!("cancelled execution {}", execution.id))
            }
            None => self.say("nothing runs"),
        }
    }

    fn save(&mut self, file: &Path) -> Result<(), Failure> {
        let mut text = self.done.join("\n");
        text.push('\n');
        match std::fs::write(file, text) {
            Ok(()) => self.say(&format!("wrote {} snippets", self.done.len())),
            Err(error) => {
                self.refuse(&format!("cannot write {}: {error}", file.display()));
                Ok(())
            }
        }
    }

    /// Asks for a line, where nothing else does.
    fn prompt(&mut self) -> Result<(), Failure> {
        self.output.text(|out| write!(out, "{PROMPT}"))?;
        self.output.finish()
    }

    /// Prints a line at once.
    fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.output.text(|out| writeln!(out, "{text}"))?;
        self.output.finish()
    }
}

/// Whether the session takes nothing any more.
fn is_gone(error: &vmclient::Error) -> bool {
    matches!(error, vmclient::Error::Api { code, .. } if code == "SESSION_NOT_READY" || code == "SESSION_NOT_FOUND")
}
