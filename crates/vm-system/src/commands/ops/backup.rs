//! `vm-system ops backup`.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::json;
use tokio::signal::unix::SignalKind;
use vmclient::Client;

use crate::commands::ending;
use crate::failure::Failure;
use crate::output::{Output, Progress};

/// Writes the copy; a file that is there already stays, and nothing is left of a copy that is not whole.
pub(crate) async fn run(file: &Path, client: &Client, output: &mut Output) -> Result<(), Failure> {
    let writing = || format!("cannot write {}", file.display());
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => anyhow!("{}: the file is there already", writing()),
            _ => anyhow::Error::new(error).context(writing()),
        })?;
    let ended = ending::asked_for(&[
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ])?;
    let written = tokio::select! {
        written = copy(client, &mut target, output) => written,
        signal = ended => Err(Failure::Interrupted(signal)),
    };
    if written.is_err() {
        // What it holds is no database.
        let _ = std::fs::remove_file(file);
    }
    let bytes = written?;
    // A path need not be UTF-8.
    let file = file.display().to_string();
    output.print(&json!({"file": file, "bytes": bytes}), |out, _| {
        writeln!(out, "Wrote {bytes} bytes to {file}")
    })
}

async fn copy(
    client: &Client,
    target: &mut std::fs::File,
    output: &Output,
) -> Result<u64, Failure> {
    let mut backup = client.backup().await?;
    let progress = Progress::new(output.format());
    let bar = progress.bar("backup");
    bar.start(0, backup.bytes());
    let mut bytes = 0;
    while let Some(chunk) = backup.chunk().await? {
        target.write_all(&chunk).context("cannot write the copy")?;
        bytes += chunk.len() as u64;
        bar.advance(chunk.len() as u64);
    }
    target.sync_all().context("cannot write the copy")?;
    Ok(bytes)
}
