//! A daemon inside this process, for a command that needs one and finds none.

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

/// The name of the socket that the daemon listens on, in a directory that nobody else can enter.
const SOCKET: &str = "socket";

/// How many sessions it has room for: more than one command needs.
const MAX_SESSIONS: usize = 16;

/// A daemon with a database that goes away with it.
pub(crate) struct PrivateDaemon {
    daemon: Daemon,
    /// Its client.
    pub client: Client,
    /// Removed once the daemon has stopped.
    _directory: TempDir,
}

impl PrivateDaemon {
    /// Starts it.
    ///
    /// # Errors
    /// When the system has no room for its files or processes.
    pub(crate) async fn start() -> Result<Self, Failure> {
        let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
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
            // Nothing is left running but what an interruption leaves, and that is to end.
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

    /// Stops it, and removes what it kept.
    pub(crate) async fn stop(self) {
        self.daemon.stop().await;
    }
}
