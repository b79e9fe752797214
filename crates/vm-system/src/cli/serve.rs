use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;
use vmcontrol::{Retention, WriteLimits};
use vmdaemon::DEFAULT_MAX_BODY_BYTES;

use super::parse::duration;

/// Run the daemon until SIGINT or SIGTERM
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  vm-system serve --db vm-system.db --listen 127.0.0.1:3210")]
pub(crate) struct ServeArgs {
    /// The address to listen on, or a socket's path after unix: (port 0 takes a free one)
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:3210")]
    pub listen: String,
    /// A host that requests may name, beside localhost and the address itself; can be repeated
    #[arg(long = "allow-host", value_name = "HOST:PORT")]
    pub allowed_hosts: Vec<String>,
    /// An origin whose web pages may call; can be repeated
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub allowed_origins: Vec<String>,
    /// How large the body of a request may be, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = DEFAULT_MAX_BODY_BYTES)]
    pub max_body: usize,
    /// How many sessions there may be at once
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub max_sessions: usize,
    /// Close sessions that have been idle for that long, like 30m or 12h [default: never]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub session_idle_timeout: Option<Duration>,
    /// How long executions are kept after their end, with their events, like 30d [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub retain_executions: Option<Duration>,
    /// How long sessions are kept after their end, with all of their executions [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub retain_sessions: Option<Duration>,
    /// How long running executions may take to end after a signal, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    pub shutdown_timeout: u64,
    /// Where the libraries are that templates name
    #[arg(long, value_name = "DIR", default_value = DEFAULT_LIBRARY_CACHE)]
    pub library_cache: PathBuf,
    /// How much one execution may write to files through host modules, in MB
    #[arg(long, value_name = "MB", default_value_t = 256)]
    pub max_write_mb: u64,
    /// How much of a disk host modules leave free, in MB
    #[arg(long, value_name = "MB", default_value_t = 512)]
    pub min_free_disk: u64,
    /// Refuse to start unless the kernel confines session processes
    #[arg(long)]
    pub require_sandbox: bool,
}

impl ServeArgs {
    /// What host modules may write.
    pub(crate) fn write_limits(&self) -> WriteLimits {
        const MB: u64 = 1024 * 1024;
        WriteLimits {
            max_write_bytes: self.max_write_mb.saturating_mul(MB),
            min_free_bytes: self.min_free_disk.saturating_mul(MB),
        }
    }

    /// What is kept of the past.
    pub(crate) fn retention(&self) -> Retention {
        Retention {
            executions: self.retain_executions,
            sessions: self.retain_sessions,
        }
    }
}
