//! The errors of starting a daemon and of serving.

use std::io;
use std::path::PathBuf;

use crate::token::TokenError;

/// Why the daemon could not start. Nothing of it runs after this error.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database can't be opened.
    #[error(transparent)]
    Database(#[from] vmstore_sqlite::OpenError),
    /// The records that an earlier daemon left unfinished could not be recovered.
    #[error("the database {} could not be recovered", path.display())]
    Recover {
        /// The path of the database.
        path: PathBuf,
        /// The cause.
        source: vmcontrol::Error,
    },
    /// The address can't be bound.
    #[error("can't listen on {address} (name another address with --listen)")]
    Listen {
        /// The address as it was given.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// The address is reachable from other machines, and no token is configured.
    #[error(
        "{address} lets other machines in: add --token-file PATH, so that callers need a token, or listen on 127.0.0.1"
    )]
    Exposed {
        /// The address as it was given.
        address: String,
    },
    /// The configured token file can't be used.
    #[error("the token file {} can't be used", path.display())]
    Token {
        /// The path of the token file.
        path: PathBuf,
        /// The cause.
        source: TokenError,
    },
    /// A worker process can't be started.
    #[error("can't start a worker process")]
    Worker(#[from] vmcontrol::runtime::OpenSessionError),
    /// The kernel does not confine session processes, and `require_sandbox` is set.
    #[error(
        "the kernel does not confine session processes (seccomp: {}, no_new_privs: {}, not_dumpable: {}); without --require-sandbox the daemon starts nevertheless",
        .0.seccomp, .0.no_new_privs, .0.not_dumpable
    )]
    Sandbox(vmapi_types::Sandbox),
    /// A system call failed that normally succeeds.
    #[error("the system refused something that a daemon needs")]
    System(#[from] io::Error),
}

/// Why the daemon stopped without an orderly shutdown.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listening socket failed.
    #[error("the listening socket failed")]
    Listen(#[source] io::Error),
    /// A second signal arrived before the end of the grace period.
    #[error("stopped at once by a second signal")]
    SecondSignal,
}
