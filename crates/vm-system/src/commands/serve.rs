//! `vm-system serve`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::worker;
use crate::cli::ServeArgs;
use crate::failure::Failure;

/// Runs the daemon until a signal ends it.
pub async fn run(args: ServeArgs, db: PathBuf, token_file: Option<PathBuf>) -> Result<(), Failure> {
    let (retention, write_limits) = (args.retention(), args.write_limits());
    let shown = db.display().to_string();
    let daemon = vmdaemon::start(vmdaemon::Options {
        db,
        listen: args.listen.into(),
        token_file,
        max_body_bytes: args.max_body,
        max_sessions: args.max_sessions,
        session_idle_timeout: args.session_idle_timeout,
        retention,
        write_limits,
        allowed_hosts: args.allowed_hosts,
        allowed_origins: args.allowed_origins,
        shutdown_timeout: Duration::from_secs(args.shutdown_timeout),
        library_cache: args.library_cache,
        require_sandbox: args.require_sandbox,
        worker: worker::command()?,
    })
    .await
    .context("cannot start the daemon")?;
    announce(&format!(
        "vm-system {} listening on {} (database {shown})",
        env!("CARGO_PKG_VERSION"),
        daemon.url(),
    ));
    daemon
        .serve_until_signal()
        .await
        .context("the daemon failed")?;
    Ok(())
}

/// Says that requests are welcome. A daemon without anybody at its standard output serves all the same.
fn announce(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
