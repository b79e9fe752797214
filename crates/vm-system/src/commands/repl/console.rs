//! The loop of the console: read, evaluate, print.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;
use vmapi_types::{Execution, ExecutionStatus, RawJson, ReplRequest, ValueView};
use vmclient::{Client, StreamItem};

use super::dot_command::{self, DotCommand};
use super::highlight::format_value;
use super::input::{Input, PROMPT};
use super::reader::InputReader;
use super::target::Target;
use super::terminal::Terminal;
use crate::commands::exec::interrupt::{self, Awaited};
use crate::commands::script_output::{self, Exception, StreamPaints, Value};
use crate::failure::{Failure, print_error, verdict};
use crate::output::{Format, Output, Paint};

/// The console of one session.
pub(crate) struct Console<'a> {
    client: &'a Client,
    session: Uuid,
    output: &'a mut Output,
    paint: Paint,
    /// The snippets that ran without failing, for `.save`.
    succeeded: Vec<String>,
    has_failed: bool,
    timing: bool,
}

impl<'a> Console<'a> {
    /// Creates the console of the target's session.
    pub(crate) fn new(target: &'a Target, output: &'a mut Output) -> Self {
        Self {
            client: &target.client,
            session: target.session,
            paint: output.paint(),
            output,
            succeeded: Vec::new(),
            has_failed: false,
            timing: false,
        }
    }

    /// Runs until the input ends or the user leaves. Input comes from the terminal if standard
    /// input is one. Lines that were edited there are appended to the history file, if one is
    /// given.
    ///
    /// # Errors
    /// When the terminal fails, when the session is gone, and at the end of piped input if
    /// something in it failed.
    pub(crate) async fn run(
        mut self,
        history: Option<PathBuf>,
        terminal: Option<&Arc<Terminal>>,
    ) -> Result<(), Failure> {
        let client = self.client.clone();
        let mut reader = InputReader::new(client, self.session, self.paint, history, terminal)?;
        let is_typed = terminal.is_some();
        let is_edited = matches!(reader, InputReader::Edited(_));
        if is_typed {
            let text = format!("Session {}. .help explains, Ctrl-D leaves.", self.session);
            let text = self.paint.secondary(&text).into_owned();
            self.print_line(&text)?;
        }
        let listen = || signal(SignalKind::interrupt()).context("cannot listen for SIGINT");
        let mut interrupts = listen()?;
        // Whether the last input was Ctrl-C on an empty line.
        let mut wants_to_leave = false;
        loop {
            if let Some(terminal) = terminal
                && !is_edited
            {
                // Once the prompt is visible, Ctrl-C must be a key of the line.
                terminal.enable_reading()?;
                self.prompt()?;
            }
            let input = tokio::select! {
                input = reader.next() => input?,
                // With line editing, Ctrl-C is a key and no signal.
                _ = interrupts.recv(), if !is_edited => reader.interrupt(),
            };
            if let Some(terminal) = terminal {
                terminal.enable_running()?;
            }
            match input {
                Input::Interrupt { .. } if !is_typed => return Err(Failure::ctrl_c()),
                Input::End => return self.end(is_typed),
                // The second Ctrl-C in a row leaves, as in other consoles.
                Input::Interrupt { touched: false, .. } if wants_to_leave => return Ok(()),
                Input::Interrupt { dropped, .. } => {
                    wants_to_leave = !dropped;
                    if !is_edited {
                        // The dropped line is still visible.
                        self.print_line("")?;
                    }
                    let how = if dropped { "twice" } else { "again" };
                    self.print_line(&format!(
                        "(To leave, press Ctrl-C {how} or Ctrl-D, or type .exit)"
                    ))?;
                }
                Input::InvalidUtf8 => {
                    wants_to_leave = false;
                    self.refuse("the input is no UTF-8 text and is dropped");
                }
                Input::Text(text) => {
                    wants_to_leave = false;
                    if self.process(&text).await?.is_break() {
                        return self.end(is_typed);
                    }
                    if is_typed {
                        // Signals that came during the evaluation concerned the execution.
                        interrupts = listen()?;
                    }
                }
            }
        }
    }

    /// The result of the command: a user at a terminal has seen each failure, but piped input fails
    /// as a whole.
    fn end(&self, is_typed: bool) -> Result<(), Failure> {
        verdict(is_typed || !self.has_failed)
    }

    /// Evaluates a snippet or runs a dot command. A refusal by the daemon is printed and the
    /// console continues, unless the session is gone.
    async fn process(&mut self, text: &str) -> Result<ControlFlow<()>, Failure> {
        let outcome = match dot_command::parse(text) {
            _ if text.trim().is_empty() => Ok(ControlFlow::Continue(())),
            Some(command) => self.run_dot_command(command).await,
            None => self.evaluate(text).await.map(ControlFlow::Continue),
        };
        match outcome {
            Err(Failure::Client(error @ vmclient::Error::Api { .. })) if !is_gone(&error) => {
                self.refuse(&error.to_string());
                Ok(ControlFlow::Continue(()))
            }
            // Piped input runs to its last line even if standard output is closed.
            Err(Failure::OutputClosed) if !io::stdin().is_terminal() => {
                Ok(ControlFlow::Continue(()))
            }
            // The note that the execution continues is printed already.
            Err(Failure::Interrupted(_)) if io::stdin().is_terminal() => {
                Ok(ControlFlow::Continue(()))
            }
            other => other,
        }
    }

    async fn run_dot_command(
        &mut self,
        command: DotCommand<'_>,
    ) -> Result<ControlFlow<()>, Failure> {
        match command {
            DotCommand::Exit => return Ok(ControlFlow::Break(())),
            DotCommand::Help => self.help()?,
            DotCommand::Timing => {
                self.timing = !self.timing;
                let state = if self.timing { "on" } else { "off" };
                self.print_line(&format!("timing is {state}"))?;
            }
            DotCommand::Cancel => self.cancel().await?,
            DotCommand::Load(file) => match std::fs::read_to_string(file) {
                Ok(code) => self.evaluate(&code).await?,
                Err(error) => self.refuse(&format!("cannot read {file}: {error}")),
            },
            DotCommand::Save(file) => self.save(Path::new(file))?,
            DotCommand::Inspect(expression) => {
                self.inspect(expression, |_, text| text).await?;
            }
            DotCommand::Type(expression) => {
                self.inspect(expression, |value, _| value.r#type).await?;
            }
            DotCommand::Unknown(word) => self.refuse(&dot_command::error_message(word)),
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Inspects an expression and prints a text of its value.
    async fn inspect(
        &mut self,
        expression: &str,
        text_of: fn(ValueView, String) -> String,
    ) -> Result<(), Failure> {
        let inspection = self.client.inspect(self.session, expression).await?;
        match (inspection.value, inspection.error) {
            (Some(value), _) => {
                self.print_line(&text_of(value, inspection.text.unwrap_or_default()))
            }
            (None, Some(error)) => self.print_exception(&error),
            (None, None) => Ok(()),
        }
    }

    /// Runs code; prints its console output as it is written, and its value.
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
        let paints = StreamPaints {
            stdout: self.paint,
            stderr: Paint::of(&io::stderr()),
        };
        let following = async {
            client.repl(&request).await?;
            let mut stream = client.follow(id, 0);
            while let Some(item) = stream.next().await? {
                match item {
                    StreamItem::Event(event) => script_output::print(&event, Format::Text, paints),
                    StreamItem::End(execution) => return Ok(Some(execution)),
                }
            }
            Ok(None)
        };
        let Awaited {
            outcome,
            interrupted,
        } = interrupt::wait(following, id, client).await?;
        let Some(execution) = outcome else {
            return Ok(());
        };
        if execution.status == ExecutionStatus::Ok {
            self.succeeded.push(code.to_owned());
        } else {
            self.has_failed = true;
        }
        let reported = self.report(&execution);
        // With piped input, Ctrl-C ends the whole command.
        if interrupted && !io::stdin().is_terminal() {
            return self.output.conclude(reported, Err(Failure::ctrl_c()));
        }
        reported
    }

    fn report(&mut self, execution: &Execution) -> Result<(), Failure> {
        if let Some(result) = &execution.result {
            let value: Value = serde_json::from_str(result.get()).context("a value is unknown")?;
            let text = format_value(&value, self.paint);
            self.print_line(&text)?;
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
            let text = self.paint.secondary(&times.join(", ")).into_owned();
            self.print_line(&text)?;
        }
        Ok(())
    }

    /// Prints an error of an input that was not evaluated.
    fn refuse(&mut self, message: &str) {
        self.has_failed = true;
        print_error(message);
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
            for (name, argument, meaning) in dot_command::ALL {
                let usage = format!("{name} {argument}");
                writeln!(out, "{usage:22} {meaning}")?;
            }
            writeln!(
                out,
                "\nTab completes. Ctrl-C cancels the running code. Code that is cancelled, exceeds a limit or crashes leaves\n\
                 the session unchanged. _ is the last value, _error the last exception."
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
                self.print_line(&format!("cancelled execution {}", execution.id))
            }
            None => self.print_line("nothing runs"),
        }
    }

    fn save(&mut self, file: &Path) -> Result<(), Failure> {
        let mut text = self.succeeded.join("\n");
        text.push('\n');
        match std::fs::write(file, text) {
            Ok(()) => self.print_line(&format!("wrote {} snippets", self.succeeded.len())),
            Err(error) => {
                self.refuse(&format!("cannot write {}: {error}", file.display()));
                Ok(())
            }
        }
    }

    /// Prints the prompt, for input without line editing.
    fn prompt(&mut self) -> Result<(), Failure> {
        self.output.text(|out| write!(out, "{PROMPT}"))?;
        self.output.finish()
    }

    /// Prints a line and flushes the output.
    fn print_line(&mut self, text: &str) -> Result<(), Failure> {
        self.output.text(|out| writeln!(out, "{text}"))?;
        self.output.finish()
    }
}

/// Whether the error means that the session accepts no more code.
fn is_gone(error: &vmclient::Error) -> bool {
    matches!(error, vmclient::Error::Api { code, .. } if code == "SESSION_NOT_READY" || code == "SESSION_NOT_FOUND")
}
