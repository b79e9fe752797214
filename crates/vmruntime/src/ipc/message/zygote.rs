//! Messages between the daemon and a zygote.

use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vmapi_types::Sandbox;

use super::text;
use crate::ipc::codec::{Message, no_attachment};
use crate::ipc::death::Death;

/// From the daemon to the zygote. A session is named by a number, because only the daemon knows its
/// id.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToZygote {
    /// Load a library into the engine, before the first session.
    Load {
        /// Its name.
        name: String,
        /// Its code, which is the attachment.
        #[serde(skip)]
        source: Arc<str>,
    },
    /// Fork a process for a session or for one query. The socket of the process is sent with the
    /// message, as a descriptor.
    Open {
        /// The number of the session, or of the query process.
        session: u64,
        /// Whether the process is forked before its session is known. Then it confines itself at
        /// once, and can have no more memory than the default limit.
        ahead: bool,
    },
    /// Kill the session process of a generation.
    Interrupt {
        /// The session's number.
        session: u64,
        /// The generation. If its process has died already, nothing happens.
        generation: u32,
    },
    /// Kill a fork of a checkpoint that answers a query about the session.
    EndQuery {
        /// The session's number.
        session: u64,
        /// The process id that the fork says it has. If the session has no process of that id,
        /// nothing happens.
        pid: u32,
    },
    /// Kill every process of the session, or the query process of that number.
    Close {
        /// The number.
        session: u64,
    },
    /// Answer with [`FromZygote::Pong`] when all messages before this one have been handled.
    Ping {
        /// The number of this ping.
        number: u64,
    },
}

/// Why a library was not loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LoadError {
    /// The library could not be loaded, or it threw an exception.
    Failed(String),
    /// The library is a module and not a script.
    NoScript(String),
}

/// From the zygote to the daemon.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromZygote {
    /// The zygote is warmed up.
    Hello {
        /// The version of the binary.
        binary: String,
        /// The sandbox of its session processes.
        sandbox: Sandbox,
    },
    /// A library was loaded, or could not be.
    Loaded {
        /// Why it was not loaded; `None` if it was. After an error the engine must not be used.
        error: Option<LoadError>,
        /// Whether the library used no nondeterministic input. Then another zygote that loads it
        /// has the same state.
        is_deterministic: bool,
    },
    /// A process could not be forked.
    OpenFailed {
        /// The number of the session or of the query process.
        session: u64,
        /// The system's error.
        reason: String,
    },
    /// A process of a session died that was not dismissed.
    Died {
        /// The session's number.
        session: u64,
        /// How it died.
        death: Death,
    },
    /// The last process of that number was reaped.
    Ended {
        /// The session's number.
        session: u64,
    },
    /// The answer to [`ToZygote::Ping`].
    Pong {
        /// The number of the ping.
        number: u64,
    },
}

impl Message for ToZygote {
    fn attachment(&self) -> &[u8] {
        match self {
            Self::Load { source, .. } => source.as_bytes(),
            _ => &[],
        }
    }

    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Load { source, .. } => *source = text(bytes)?.into(),
            _ => no_attachment(&bytes)?,
        }
        Ok(())
    }
}

impl Message for FromZygote {}
