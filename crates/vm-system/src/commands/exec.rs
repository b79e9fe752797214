//! `vm-system exec`: runs code in a session, and shows executions and their events.

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
use vmclient::{Call, Client, Error, EventStream, Pages, StreamItem};

use self::interrupt::Awaited;
use crate::cli::ExecCommand;
use crate::failure::{Failure, print_note, verdict};
use crate::output::{Format, Output, Paint, Table, label_time, one_line, table_time};

/// The length of an abbreviated id in a log line, in characters.
const SHORT_ID_CHARS: usize = 8;

/// The maximum width of a snippet or a path in a table, in terminal columns.
const SOURCE_COLUMNS: usize = 48;

/// A sequence number above that of every event: a stream from there has only the end of the
/// execution.
const NO_EVENTS: u64 = i64::MAX as u64;

/// Runs one of the subcommands.
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
            let code = Submission::Snippet(ReplRequest {
                session_id: Some(session),
                input: Some(read_code(code, file)?),
                limits: limits.patch(),
                ..ReplRequest::default()
            });
            submit(code, no_wait, check, client, output).await
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
            let code = Submission::File(RunFileRequest {
                session_id: Some(session),
                path: Some(path),
                args: args.map(JsonObject::from),
                env: env.map(JsonObject::from),
                limits: limits.patch(),
                ..RunFileRequest::default()
            });
            submit(code, no_wait, check, client, output).await
        }
        ExecCommand::Wait { execution, check } => {
            let mut stream = client.follow(&execution, NO_EVENTS);
            while stream.next().await?.is_some() {}
            let json = client.execution(execution).raw().await?;
            show(&json, summary, check, false, client, output).await
        }
        ExecCommand::Get { execution, check } => {
            let json = client.execution(execution).raw().await?;
            show(&json, full_record, check, false, client, output).await
        }
        ExecCommand::Cancel { execution } => {
            let json = client.cancel(execution).raw().await?;
            show(&json, summary, false, false, client, output).await
        }
        ExecCommand::List { session, limit } => {
            list_executions(session, limit, client, output).await
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
        } => list_events(client.events(execution, after_seq), output).await,
    }
}

/// Prints the newest executions of a session, at most `limit` of them.
async fn list_executions(
    session: String,
    limit: u32,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
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

/// Prints the recorded events of an execution.
async fn list_events(events: Pages<Event>, output: &mut Output) -> Result<(), Failure> {
    match output.format() {
        Format::Json => output.raw_list(events.raw()).await,
        Format::Text => print_events(events, "No events.", output).await,
    }
}

/// Reads the code of a snippet: from the file, from standard input for `-`, or from the argument
/// itself.
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

/// Starts an execution and prints its id, or in JSON format the execution.
async fn show_id(call: Call<Execution>, output: &mut Output) -> Result<(), Failure> {
    output
        .answer(call, |out, execution| {
            writeln!(out, "Execution ID: {}", execution.id)
        })
        .await
}

/// Prints the events of a stream as they arrive; in JSON format one event per line.
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

/// The request to run a snippet or a file.
enum Submission {
    Snippet(ReplRequest),
    File(RunFileRequest),
}

impl Submission {
    /// The call that runs the code under this execution id, which the daemon never runs twice. The
    /// answer comes when the execution ends, or after `wait_ms` if it is given.
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

/// Runs the code and prints the outcome; on a terminal, events are printed as they arrive. Ctrl-C
/// cancels the execution.
async fn submit(
    submission: Submission,
    no_wait: bool,
    check: bool,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let id = Uuid::new_v4();
    let ran = submit_as(id, submission, no_wait, check, client, output).await;
    if let Err(Failure::Client(Error::Interrupted { .. } | Error::UnexpectedEnd { .. })) = &ran {
        print_note(&format!("What became of it: vm-system exec get {id}"));
    }
    ran
}

async fn submit_as(
    id: Uuid,
    mut submission: Submission,
    no_wait: bool,
    check: bool,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    if no_wait {
        return show_id(submission.call(id, Some(0), client), output).await;
    }
    if output.is_interactive() {
        let started = submission.call(id, Some(0), client);
        let following = start_and_follow(started, client, output);
        let interrupted = interrupt::wait(following, id, client).await?.interrupted;
        // The same request with the same id is answered with the ended execution.
        let ended = submission.call(id, None, client).await;
        return conclude(&ended?, check, interrupted, output);
    }
    let ended = submission.call(id, None, client).raw();
    let ended = async { Ok(ended.await?) };
    let Awaited {
        outcome,
        interrupted,
    } = interrupt::wait(ended, id, client).await?;
    show(&outcome, summary, check, interrupted, client, output).await
}

/// Starts an execution and prints its events as they arrive.
async fn start_and_follow(
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

/// Prints the outcome of an execution whose events are printed already.
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
    output.conclude(printed, result_of(execution, check, interrupted))
}

/// The result of the command for the outcome of an execution.
fn result_of(execution: &Execution, check: bool, interrupted: bool) -> Result<(), Failure> {
    if interrupted {
        return Err(Failure::ctrl_c());
    }
    verdict(!check || !has_failed(execution.status))
}

/// A printer of the lines before the events.
type SummaryPrinter = fn(&mut dyn Write, Paint, &Execution) -> io::Result<()>;

/// Prints an execution with its events, and returns the result of the command.
async fn show(
    json: &RawJson,
    print_summary: SummaryPrinter,
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
        Format::Text => print(&execution, print_summary, client, output).await,
    };
    output.conclude(printed, result_of(&execution, check, interrupted))
}

/// Prints an execution with its events as text.
async fn print(
    execution: &Execution,
    print_summary: SummaryPrinter,
    client: &Client,
    output: &mut Output,
) -> Result<(), Failure> {
    let paint = output.paint();
    output.text(|out| print_summary(out, paint, execution))?;
    let mut events = client.events(execution.id, 0);
    // The first page is requested before the heading is printed, so that an error replaces the
    // heading.
    let first = events.next().await?.unwrap_or_default();
    output.text(|out| {
        writeln!(out, "\n{}", paint.heading("Events:"))?;
        event_lines(out, &first)
    })?;
    while let Some(page) = events.next().await? {
        output.text(|out| event_lines(out, &page))?;
    }
    Ok(())
}

/// Prints events page by page; `when_empty` if there are none.
async fn print_events(
    mut events: Pages<Event>,
    when_empty: &str,
    output: &mut Output,
) -> Result<(), Failure> {
    let mut count = 0;
    while let Some(page) = events.next().await? {
        count += page.len();
        output.text(|out| event_lines(out, &page))?;
    }
    if count == 0 {
        output.text(|out| writeln!(out, "{when_empty}"))?;
    }
    Ok(())
}

/// Whether the execution ended without a value: by an exception, at a limit, or cancelled.
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

/// The summary and the other fields of the record, under the labels of the Go service.
fn full_record(out: &mut dyn Write, paint: Paint, execution: &Execution) -> io::Result<()> {
    summary(out, paint, execution)?;
    writeln!(out, "Session ID: {}", execution.session_id)?;
    writeln!(out, "Kind: {}", execution.kind)?;
    writeln!(out, "Started: {}", label_time(execution.started_at))?;
    if let Some(ended_at) = execution.ended_at {
        writeln!(out, "Ended: {}", label_time(ended_at))?;
    }
    if let Some(input) = &execution.input {
        writeln!(out, "Input: {}", on_one_line(input))?;
    }
    if let Some(path) = &execution.path {
        writeln!(out, "Path: {}", on_one_line(path))?;
    }
    Ok(())
}

/// A text after a label: unchanged if it is one line, otherwise as a JSON string, so that scripts
/// find the next label.
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

/// Prints the events of a session's executions, each with the beginning of its execution's id.
pub(crate) fn log_lines(out: &mut dyn Write, events: &[Event]) -> io::Result<()> {
    for event in events {
        let execution = event.execution_id.to_string();
        let (short, at) = (&execution[..SHORT_ID_CHARS], table_time(event.ts));
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
        let source = execution.path.as_deref().or(execution.input.as_deref());
        [
            execution.id.to_string(),
            execution.kind.to_string(),
            execution.status.to_string(),
            table_time(execution.started_at),
            one_line(source.unwrap_or_default(), SOURCE_COLUMNS),
        ]
    });
    let headings = ["ID", "KIND", "STATUS", "STARTED (UTC)", "CODE OR FILE"];
    Table::new(headings, rows).write_or(out, paint, "No executions.")
}

#[cfg(test)]
mod tests;
