//! `vm-system run`: a daemon of its own for one file.

mod console;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow};
use serde::Deserialize;
use tokio::signal::unix::{SignalKind, signal};
use vmapi_types::{
    CreateSessionRequest, CreateTemplateRequest, Execution, RawJson, RunFileRequest,
};
use vmclient::{Client, StreamItem};
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;
use vmdaemon::{DEFAULT_MAX_BODY_BYTES, Listen};

use super::exec::has_failed;
use super::worker;
use crate::cli::{Format, RunArgs};
use crate::failure::Failure;
use crate::output::Output;

/// The name of the template and the workspace that the file runs in.
const NAME: &str = "run";

/// The name of the socket that the daemon listens on, in a directory that nobody else can enter.
const SOCKET: &str = "socket";

/// Runs the file, prints its console output as it comes and its value at the end.
pub async fn run(args: RunArgs, output: &mut Output) -> Result<(), Failure> {
    let script = Script::find(&args.file)?;
    let interrupted = interruption()?;
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let daemon = vmdaemon::start(vmdaemon::Options {
        db: directory.path().join("vm-system.db"),
        listen: Listen::Unix(directory.path().join(SOCKET)),
        token_file: None,
        max_body_bytes: DEFAULT_MAX_BODY_BYTES,
        max_sessions: 1,
        session_idle_timeout: None,
        allowed_hosts: Vec::new(),
        allowed_origins: Vec::new(),
        // Nothing is left running but what an interruption leaves, and that is to end.
        shutdown_timeout: Duration::ZERO,
        library_cache: PathBuf::from(DEFAULT_LIBRARY_CACHE),
        require_sandbox: false,
        worker: worker::command()?,
    })
    .await
    .context("cannot start a daemon")?;
    let url = daemon.url();
    let outcome = tokio::select! {
        outcome = execute(&url, script, args, output.format()) => Some(outcome),
        () = interrupted => None,
    };
    daemon.stop().await;
    let Some(outcome) = outcome else {
        return Err(anyhow!("interrupted").into());
    };
    report(&outcome?, output)
}

/// A file, as a session knows it.
struct Script {
    /// Its directory.
    worktree: String,
    /// Its name in there.
    name: String,
}

impl Script {
    fn find(file: &Path) -> Result<Self, Failure> {
        let running = || format!("cannot run {}", file.display());
        let path = fs::canonicalize(file).with_context(running)?;
        if path.is_dir() {
            return Err(anyhow!("{}: it is a directory", running()).into());
        }
        let text = |path: Option<&Path>| Some(path?.to_str()?.to_owned());
        let worktree = text(path.parent());
        let name = text(path.file_name().map(Path::new));
        match (worktree, name) {
            (Some(worktree), Some(name)) => Ok(Self { worktree, name }),
            _ => Err(anyhow!("{}: its path is not UTF-8", running()).into()),
        }
    }
}

/// Ends at SIGINT or SIGTERM, which no longer end the process from here on.
fn interruption() -> Result<impl Future<Output = ()>, Failure> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Runs the file and prints what it says as it says it; gives the execution when it has ended.
async fn execute(
    url: &str,
    script: Script,
    args: RunArgs,
    format: Format,
) -> Result<RawJson, Failure> {
    let client = Client::new(url)?;
    let template = client
        .create_template(&CreateTemplateRequest {
            name: Some(NAME.into()),
            engine: None,
        })
        .await?;
    let session = client
        .create_session(&CreateSessionRequest {
            template_id: Some(template.id.to_string()),
            workspace_id: Some(NAME.into()),
            base_commit_oid: Some(NAME.into()),
            worktree_path: Some(script.worktree),
        })
        .await?;
    let started = client
        .run_file(&RunFileRequest {
            session_id: Some(session.id.to_string()),
            path: Some(script.name),
            args: args.args,
            env: args.env,
            wait_ms: Some(0),
            ..RunFileRequest::default()
        })
        .await?;
    let mut stream = client.follow(started.id, 0);
    while let Some(StreamItem::Event(event)) = stream.next().await? {
        console::print(&event, format);
    }
    Ok(client.execution(started.id).raw().await?)
}

/// What is printed of an execution's result.
#[derive(Deserialize)]
struct Value {
    #[serde(rename = "type")]
    kind: String,
    preview: String,
}

/// What is printed of an execution's error.
#[derive(Deserialize)]
struct Exception {
    message: String,
    stack: Option<String>,
}

fn report(json: &RawJson, output: &mut Output) -> Result<(), Failure> {
    let unknown = "the daemon answers with an execution of another kind";
    let execution: Execution = serde_json::from_str(json.get()).context(unknown)?;
    if output.format() == Format::Json {
        output.raw(json)?;
    } else if let Some(result) = &execution.result {
        let value: Value = serde_json::from_str(result.get()).context(unknown)?;
        output.text(|out| print_value(out, &value))?;
    }
    output.finish()?;
    if let Some(error) = &execution.error {
        let exception: Exception = serde_json::from_str(error.get()).context(unknown)?;
        // There is nobody to tell when standard error is gone.
        let _ = print_exception(&mut io::stderr().lock(), &exception);
    }
    if has_failed(execution.status) {
        return Err(Failure::Unsuccessful);
    }
    Ok(())
}

fn print_value(out: &mut dyn Write, value: &Value) -> io::Result<()> {
    if value.kind == "undefined" {
        return Ok(());
    }
    writeln!(out, "{}", value.preview)
}

/// Prints the message and then where it came from. Engines differ in whether the stack begins with the message.
fn print_exception(out: &mut dyn Write, exception: &Exception) -> io::Result<()> {
    writeln!(out, "{}", exception.message)?;
    let stack = exception.stack.as_deref().unwrap_or_default();
    let frames = match stack.split_once('\n') {
        Some((first, frames)) if exception.message.starts_with(first) => frames,
        None if exception.message.starts_with(stack) => "",
        _ => stack,
    };
    if frames.trim().is_empty() {
        return Ok(());
    }
    writeln!(out, "{}", frames.trim_end())
}

#[cfg(test)]
mod tests;
