//! `vm-system serve`.

use std::io::Write;
use std::time::Duration;

use anyhow::Context;

use super::worker;
use crate::cli::{DEFAULT_DB, Global, ServeArgs};
use crate::failure::Failure;
use crate::output;

/// Runs the daemon until a signal ends it.
pub(crate) async fn run(args: ServeArgs, global: &Global) -> Result<(), Failure> {
    let (retention, write_limits) = (args.retention(), args.write_limits());
    let db = global.db.clone().unwrap_or_else(|| DEFAULT_DB.into());
    let shown = db.display().to_string();
    let daemon = vmdaemon::start(vmdaemon::Options {
        db,
        listen: args.listen.into(),
        token_file: global.token_file.clone(),
        log_file: global.log_file().map(Into::into),
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
    let mut stdout = output::stdout();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
