//! A daemon inside this process, for a command that needs one and does not use a running one.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use tempfile::TempDir;
use vmclient::Client;
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;
use vmcontrol::{Retention, WriteLimits};
use vmdaemon::{DEFAULT_MAX_BODY_BYTES, Daemon, Listen};

use super::worker;
use crate::failure::Failure;

/// The name of the daemon's socket, in a directory that only this user can access.
const SOCKET: &str = "socket";

/// The maximum number of sessions: more than one command needs.
const MAX_SESSIONS: usize = 16;

/// A daemon with a temporary database.
pub(crate) struct PrivateDaemon {
    daemon: Daemon,
    /// A client of the daemon.
    pub client: Client,
    /// The directory of the socket and the database. It is removed on drop, after the daemon has
    /// stopped.
    _directory: TempDir,
}

impl PrivateDaemon {
    /// Starts the daemon.
    ///
    /// # Errors
    /// When its files or its worker process can't be created.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let directory = tempfile::tempdir().context("cannot create a temporary directory")?;
        let daemon = vmdaemon::start(vmdaemon::Options {
            db: directory.path().join("vm-system.db"),
            listen: Listen::Unix(directory.path().join(SOCKET)),
            token_file: None,
            log_file: None,
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            max_sessions: MAX_SESSIONS,
            session_idle_timeout: None,
            retention: Retention::default(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            // Only an interrupted execution can still run at the end, and it has to end.
            shutdown_timeout: Duration::ZERO,
            library_cache: PathBuf::from(DEFAULT_LIBRARY_CACHE),
            write_limits: WriteLimits::default(),
            require_sandbox: false,
            worker: worker::command()?,
        })
        .await
        .context("cannot start a daemon")?;
        let client = Client::new(&daemon.url())?;
        Ok(Self {
            daemon,
            client,
            _directory: directory,
        })
    }

    /// Stops the daemon and removes its files.
    pub(crate) async fn stop(self) {
        self.daemon.stop().await;
    }
}
