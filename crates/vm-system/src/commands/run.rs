//! `vm-system run`: a daemon of its own for one file.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, anyhow};
use tokio::signal::unix::SignalKind;
use vmapi_types::{
    CreateSessionRequest, CreateTemplateRequest, Execution, JsonObject, RawJson, RunFileRequest,
};
use vmclient::{Client, StreamItem};

use super::console::{self, Exception, Paints, Value};
use super::ending;
use super::exec::has_failed;
use super::private_daemon::PrivateDaemon;
use crate::cli::{Format, RunArgs};
use crate::failure::{Failure, verdict};
use crate::output::{self, Output, Paint};

/// The name of the template and the workspace that the file runs in.
const NAME: &str = "run";

/// Runs the file, prints its console output as it comes and its value at the end.
pub(crate) async fn run(args: RunArgs, output: &mut Output) -> Result<(), Failure> {
    let script = Script::find(&args.file)?;
    let interrupted = ending::asked_for(&[
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ])?;
    let daemon = PrivateDaemon::start().await?;
    let outcome = tokio::select! {
        outcome = execute(&daemon.client, script, args, output.format()) => outcome,
        signal = interrupted => Err(Failure::Interrupted(signal)),
    };
    daemon.stop().await;
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

/// Runs the file and prints what it says as it says it; gives the execution when it has ended.
async fn execute(
    client: &Client,
    script: Script,
    args: RunArgs,
    format: Format,
) -> Result<RawJson, Failure> {
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
            unwatched_timeout_ms: None,
        })
        .await?;
    let started = client
        .run_file(&RunFileRequest {
            session_id: Some(session.id.to_string()),
            path: Some(script.name),
            args: args.args.map(JsonObject::from),
            env: args.env.map(JsonObject::from),
            wait_ms: Some(0),
            ..RunFileRequest::default()
        })
        .await?;
    let plain = Paint::new(false);
    let paints = Paints {
        stdout: plain,
        stderr: plain,
    };
    let mut stream = client.follow(started.id, 0);
    while let Some(StreamItem::Event(event)) = stream.next().await? {
        console::print(&event, format, paints);
    }
    Ok(client.execution(started.id).raw().await?)
}

fn report(json: &RawJson, output: &mut Output) -> Result<(), Failure> {
    let unknown = "the daemon answers with an execution of another kind";
    let execution: Execution = serde_json::from_str(json.get()).context(unknown)?;
    let mut printed = Ok(());
    if output.format() == Format::Json {
        printed = output.raw(json);
    } else if let Some(result) = &execution.result {
        let value: Value = serde_json::from_str(result.get()).context(unknown)?;
        if !value.is_undefined() {
            printed = output.text(|out| writeln!(out, "{}", value.preview));
        }
    }
    if let Some(error) = &execution.error {
        let exception: Exception = serde_json::from_str(error.get()).context(unknown)?;
        // There is nobody to tell when standard error is gone.
        let mut stderr = BufWriter::new(output::stderr());
        let _ = exception.print(&mut stderr, Paint::new(false));
        let _ = stderr.flush();
    }
    output.conclude(printed, verdict(!has_failed(execution.status)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_its_directory_and_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.js");
        fs::write(&file, "").unwrap();
        let script = Script::find(&file).unwrap();
        let canonical = directory.path().canonicalize().unwrap();
        assert_eq!(script.worktree, canonical.to_str().unwrap());
        assert_eq!(script.name, "a.js");
    }

    #[test]
    fn what_is_no_file_is_named() {
        let directory = tempfile::tempdir().unwrap();
        for file in [
            directory.path().join("missing.js"),
            directory.path().to_owned(),
        ] {
            let Err(Failure::Other(error)) = Script::find(&file) else {
                panic!("{} is no script", file.display());
            };
            let expected = format!("cannot run {}: ", file.display());
            assert!(format!("{error:#}").starts_with(&expected), "{error:#}");
        }
    }
}
