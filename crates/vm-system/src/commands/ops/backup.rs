//! `vm-system ops backup`: writes a copy of the database to a file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, anyhow};
use serde_json::json;
use tokio::signal::unix::SignalKind;
use vmclient::Client;

use crate::commands::signals;
use crate::failure::Failure;
use crate::output::{Output, Progress};

/// Writes the copy. An existing file is never overwritten, and an incomplete copy is removed.
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
    let ended = signals::first_of(&[
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ])?;
    let written = tokio::select! {
        written = copy(client, &mut target, output) => written,
        signal = ended => Err(Failure::Interrupted(signal)),
    };
    if written.is_err() {
        // An incomplete copy is not a usable database.
        let _ = std::fs::remove_file(file);
    }
    let bytes = written?;
    // The path may not be valid UTF-8.
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
    bar.start(0, backup.remaining_bytes());
    let mut bytes = 0;
    while let Some(chunk) = backup.chunk().await? {
        target.write_all(&chunk).context("cannot write the copy")?;
        bytes += chunk.len() as u64;
        bar.advance(chunk.len() as u64);
    }
    target.sync_all().context("cannot write the copy")?;
    Ok(bytes)
}
