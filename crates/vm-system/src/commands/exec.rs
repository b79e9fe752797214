//! `vm-system exec`.

pub(crate) mod interrupt;

use std::borrow::Cow;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;
use serde_json::value::to_raw_value;
use uuid::Uuid;
use vmapi_types::{
    Event, Execution, ExecutionStatus, JsonObject, RawJson, ReplRequest, RunFileRequest,
};
use vmclient::{Call, Client, Error, EventStream, Portions, StreamItem};

use self::interrupt::Awaited;
use crate::cli::{ExecCommand, Format};
use crate::failure::{Failure, say_note, verdict};
use crate::output::{Output, Paint, Table, instant, moment, one_line};

/// How much of an id is enough for people, in characters.
const SHORT_ID_CHARS: usize = 8;

/// How much of a snippet or a path is shown in a list, in columns of a terminal.
const SOURCE_COLUMNS: usize = 48;

/// After all events: what is followed from there is the end alone.
const NO_EVENTS: u64 = i64::MAX as u64;

/// Runs one of the commands.
pub(crate) async fn run(
    command: ExecCommand,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    match command {
        ExecCommand::Repl {
            session,
            code,
            file,
            no_wait,
            limits,
            check,
        } => {
            let code = Code::Snippet(ReplRequest {
                session_id: Some(session),
                input: Some(read_code(code, file)?),
                limits: limits.patch(),
                ..ReplRequest::default()
            });
            run_code(code, no_wait, check, client, output).await
        }
        ExecCommand::RunFile {
            session,
            path,
            args,
            env,
            no_wait,
            limits,
            check,
        } => {
            let code = Code::File(RunFileRequest {
                session_id: Some(session),
                path: Some(path),
                args: args.map(JsonObject::from),
                env: env.map(JsonObject::from),
                limits: limits.patch(),
                ..RunFileRequest::default()
            });
            run_code(code, no_wait, check, client, output).await
        }
        ExecCommand::Wait { execution, check } => {
            let mut stream = client.follow(&execution, NO_EVENTS);
            while stream.next().await?.is_some() {}
            let json = client.execution(execution).raw().await?;
            show(&json, summary, check, false, client, output).await
        }
        ExecCommand::Get { execution, check } => {
            let json = client.execution(execution).raw().await?;
            show(&json, record, check, false, client, output).await
        }
        ExecCommand::Cancel { execution } => {
            let json = client.cancel(execution).raw().await?;
            show(&json, summary, false, false, client, output).await
        }
        ExecCommand::List { session, limit } => {
            let paint = output.paint();
            let executions = client.executions(session, usize::try_from(limit).ok());
            match output.format() {
                Format::Json => output.raw_list(executions.raw()).await,
                Format::Text => {
                    let executions = executions.all().await?;
                    output.text(|out| list(out, paint, &executions))
                }
            }
        }
        ExecCommand::Events {
            execution,
            after_seq,
            follow: true,
        } => follow(client.follow(execution, after_seq), output).await,
        ExecCommand::Events {
            execution,
            after_seq,
            follow: false,
        } => {
            let events = client.events(execution, after_seq);
            match output.format() {
                Format::Json => output.raw_list(events.raw()).await,
                Format::Text => print_events(events, "No events.", output).await,
            }
        }
    }
}

/// The code of a snippet, wherever it stands.
fn read_code(code: Option<String>, file: Option<PathBuf>) -> Result<String, Failure> {
    match (code, file) {
        (_, Some(path)) => Ok(std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?),
        (Some(code), None) if code == "-" => {
            Ok(io::read_to_string(io::stdin()).context("cannot read standard input")?)
        }
        (code, None) => Ok(code.unwrap_or_default()),
    }
}

/// Prints the id of an execution that goes on; as JSON the execution.
async fn show_id(call: Call<Execution>, output: &mut Output) -> Result<(), Failure> {
    output
        .answer(call, |out, execution| {
            writeln!(out, "Execution ID: {}", execution.id)
        })
        .await
}

/// Prints events as they come; as JSON one in a line.
async fn follow(mut stream: EventStream, output: &mut Output) -> Result<(), Failure> {
    while let Some(item) = stream.next().await? {
        let StreamItem::Event(event) = item else {
            break;
        };
        match output.format() {
            Format::Text => output.text(|out| event_lines(out, &[event]))?,
            Format::Json => {
                let json = to_raw_value(&event).context("an event is not JSON")?;
                output.raw(&json)?;
            }
        }
        output.finish()?;
    }
    Ok(())
}

/// Something to run.
enum Code {
    Snippet(ReplRequest),
    File(RunFileRequest),
}

impl Code {
    /// The request to run it under that id, which is never run twice; answered when it ends, or after `wait_ms`.
    fn call(&mut self, id: Uuid, wait_ms: Option<u64>, client: &Client) -> Call<Execution> {
        match self {
            Self::Snippet(request) => {
                request.execution_id = Some(id.to_string());
                request.wait_ms = wait_ms;
                client.repl(request)
            }
            Self::File(request) => {
                request.execution_id = Some(id.to_string());
                request.wait_ms = wait_ms;
                client.run_file(request)
            }
        }
    }
}

/// Runs something and prints how it ended; on a terminal events are printed as they come. Ctrl-C cancels it.
async fn run_code(
    code: Code,
    no_wait: bool,
    check: bool,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let id = Uuid::new_v4();
    let ran = run_as(id, code, no_wait, check, client, output).await;
    if let Err(Failure::Client(Error::Interrupted { .. } | Error::BrokeOff { .. })) = &ran {
        say_note(&format!("What became of it: vm-system exec get {id}"));
    }
    ran
}

async fn run_as(
    id: Uuid,
    mut code: Code,
    no_wait: bool,
    check: bool,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    if no_wait {
        return show_id(code.call(id, Some(0), client), output).await;
    }
    if output.is_watched() {
        let started = code.call(id, Some(0), client);
        let watching = watch(started, client, output);
        let interrupted = interrupt::wait(watching, id, client).await?.interrupted;
        // The same request again: its answer is the end.
        let ended = code.call(id, None, client).await;
        return conclude(&ended?, check, interrupted, output);
    }
    let ended = code.call(id, None, client).raw();
    let ended = async { Ok(ended.await?) };
    let Awaited {
        outcome,
        interrupted,
    } = interrupt::wait(ended, id, client).await?;
    show(&outcome, summary, check, interrupted, client, output).await
}

/// Prints the events of what has just been started, as they come.
async fn watch(
    started: Call<Execution>,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let execution = started.await?;
    let paint = output.paint();
    output.text(|out| {
        writeln!(out, "Execution ID: {}", execution.id)?;
        writeln!(out, "\n{}", paint.heading("Events:"))
    })?;
    output.finish()?;
    follow(client.follow(execution.id, 0), output).await
}

/// Prints how an execution ended whose events were printed.
fn conclude(
    execution: &Execution,
    check: bool,
    interrupted: bool,
    output: &mut Output,
) -> Result<(), Failure> {
    let paint = output.paint();
    let printed = output.text(|out| {
        writeln!(out)?;
        outcome(out, paint, execution)
    });
    output.conclude(printed, judged(execution, check, interrupted))
}

/// What the end of an execution means for the command.
fn judged(execution: &Execution, check: bool, interrupted: bool) -> Result<(), Failure> {
    if interrupted {
        return Err(Failure::ctrl_c());
    }
    verdict(!check || !has_failed(execution.status))
}

/// Prints what stands before the events.
type Head = fn(&mut dyn Write, Paint, &Execution) -> io::Result<()>;

/// Prints an execution with its events, and says what it means for the command.
async fn show(
    json: &RawJson,
    head: Head,
    check: bool,
    interrupted: bool,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let execution: Execution = serde_json::from_str(json.get()).with_context(|| {
        format!(
            "{} answers with an execution of another kind",
            client.base_url()
        )
    })?;
    let printed = match output.format() {
        Format::Json => output.raw(json),
        Format::Text => print(&execution, head, client, output).await,
    };
    output.conclude(printed, judged(&execution, check, interrupted))
}

/// Prints an execution with its events for people.
async fn print(
    execution: &Execution,
    head: Head,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let paint = output.paint();
    output.text(|out| head(out, paint, execution))?;
    let mut events = client.events(execution.id, 0);
    // What can't be had is said instead of the heading.
    let first = events.next().await?.unwrap_or_default();
    output.text(|out| {
        writeln!(out, "\n{}", paint.heading("Events:"))?;
        event_lines(out, &first)
    })?;
    while let Some(portion) = events.next().await? {
        output.text(|out| event_lines(out, &portion))?;
    }
    Ok(())
}

/// Prints events portion by portion; `nothing` if there are none.
async fn print_events(
    mut events: Portions<Event>,
    nothing: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut count = 0;
    while let Some(portion) = events.next().await? {
        count += portion.len();
        output.text(|out| event_lines(out, &portion))?;
    }
    if count == 0 {
        output.text(|out| writeln!(out, "{nothing}"))?;
    }
    Ok(())
}

/// Whether the code did not get to its end.
pub(crate) fn has_failed(status: ExecutionStatus) -> bool {
    match status {
        ExecutionStatus::Running | ExecutionStatus::Ok => false,
        ExecutionStatus::Error | ExecutionStatus::Timeout | ExecutionStatus::Cancelled => true,
    }
}

fn summary(out: &mut dyn Write, paint: Paint, execution: &Execution) -> io::Result<()> {
    writeln!(out, "Execution ID: {}", execution.id)?;
    outcome(out, paint, execution)
}

/// The summary, and what the record says beside that, under the labels of the Go service.
fn record(out: &mut dyn Write, paint: Paint, execution: &Execution) -> io::Result<()> {
    summary(out, paint, execution)?;
    writeln!(out, "Session ID: {}", execution.session_id)?;
    writeln!(out, "Kind: {}", execution.kind)?;
    writeln!(out, "Started: {}", instant(execution.started_at))?;
    if let Some(ended_at) = execution.ended_at {
        writeln!(out, "Ended: {}", instant(ended_at))?;
    }
    if let Some(input) = &execution.input {
        writeln!(out, "Input: {}", on_one_line(input))?;
    }
    if let Some(path) = &execution.path {
        writeln!(out, "Path: {}", on_one_line(path))?;
    }
    Ok(())
}

/// A text behind a label: as it is if it has one line, and else as a string of JSON, so that the next label is found.
fn on_one_line(text: &str) -> Cow<'_, str> {
    if text.contains(['\n', '\r']) {
        serde_json::Value::from(text).to_string().into()
    } else {
        text.into()
    }
}

fn outcome(out: &mut dyn Write, paint: Paint, execution: &Execution) -> io::Result<()> {
    writeln!(out, "Status: {}", paint.status(execution.status.as_str()))?;
    if let Some(result) = &execution.result {
        writeln!(out, "Result: {result}")?;
    }
    if let Some(error) = &execution.error {
        writeln!(out, "Error: {error}")?;
    }
    Ok(())
}

/// Prints the events of executions of a session, each with the start of its execution's id.
pub(crate) fn log_lines(out: &mut dyn Write, events: &[Event]) -> io::Result<()> {
    for event in events {
        let execution = event.execution_id.to_string();
        let (short, at) = (&execution[..SHORT_ID_CHARS], moment(event.ts));
        writeln!(
            out,
            "{at} {short} [{}] {}: {}",
            event.seq, event.kind, event.payload
        )?;
    }
    Ok(())
}

fn event_lines(out: &mut dyn Write, events: &[Event]) -> io::Result<()> {
    for event in events {
        writeln!(out, "[{}] {}: {}", event.seq, event.kind, event.payload)?;
    }
    Ok(())
}

fn list(out: &mut dyn Write, paint: Paint, executions: &[Execution]) -> io::Result<()> {
    let rows = executions.iter().map(|execution| {
        let source = execution.path.as_ref().or(execution.input.as_ref());
        [
            execution.id.to_string(),
            execution.kind.to_string(),
            execution.status.to_string(),
            moment(execution.started_at),
            one_line(source.map_or("", String::as_str), SOURCE_COLUMNS),
        ]
    });
    let headings = ["ID", "KIND", "STATUS", "STARTED (UTC)", "CODE OR FILE"];
    Table::new(headings, rows).write_or(out, paint, "No executions.")
}

#[cfg(test)]
mod tests;
