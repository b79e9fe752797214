use std::io;
use std::path::PathBuf;

use crate::token::TokenError;

/// Why the daemon could not start. Nothing of it runs then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database can't be used.
    #[error(transparent)]
    Database(#[from] vmstore_sqlite::OpenError),
    /// What an earlier daemon left in the database could not be settled.
    #[error("the database {} could not be taken over", path.display())]
    Recover {
        /// The database.
        path: PathBuf,
        /// Why.
        source: vmcontrol::Error,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address} (name another address with --listen)")]
    Listen {
        /// The address as it was given.
        address: String,
        /// Why.
        source: io::Error,
    },
    /// Others than this machine's could call, and need not know anything.
    #[error(
        "{address} lets other machines in: add --token-file PATH, so that callers need a token, or listen on 127.0.0.1"
    )]
    Exposed {
        /// The address.
        address: String,
    },
    /// There is no token in the file that was named.
    #[error("the token file {} can't be used", path.display())]
    Token {
        /// The file.
        path: PathBuf,
        /// Why.
        source: TokenError,
    },
    /// No worker can be started.
    #[error("can't start a worker process")]
    Worker(#[from] vmcontrol::runtime::OpenSessionError),
    /// The kernel does not confine sessions, and that was asked for.
    #[error(
        "the kernel does not confine session processes (seccomp: {}, no_new_privs: {}, not_dumpable: {}); without --require-sandbox the daemon starts all the same",
        .0.seccomp, .0.no_new_privs, .0.not_dumpable
    )]
    Sandbox(vmapi_types::Sandbox),
    /// The system refused something that it always grants.
    #[error("the system refused something that a daemon needs")]
    System(#[from] io::Error),
}

/// Why the daemon stopped though nobody asked for it.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listening socket failed.
    #[error("the listening socket failed")]
    Listen(#[source] io::Error),
    /// A second signal came before the end of the grace period.
    #[error("stopped at once, as a second signal asked for")]
    Impatient,
}
