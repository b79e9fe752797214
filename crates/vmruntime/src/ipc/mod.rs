//! The protocol between the daemon and its worker processes.
//!
//! All channels are `SOCK_SEQPACKET` sockets. A message is cut into datagrams of bounded size
//! ([`frame`]), so that a process that dies in the middle of a message leaves nothing that could be
//! taken for the start of another one. Each datagram carries the protocol's version and the
//! generation of the session process that it is from or for. A message is JSON with an attachment:
//! bytes and long texts, which are sent as they are ([`codec`]).
//!
//! The answer to a host call is sent in pieces of one datagram each ([`HostAnswer`]), so that the
//! daemon never holds more of it than one piece. The session process, whose memory is limited,
//! joins the pieces.
//!
//! This module is at the bottom of the crate: it imports neither the supervisor nor the worker nor
//! an engine nor a host module.

mod answer;
pub(crate) mod child;
pub(crate) mod codec;
pub(crate) mod daemon_end;
mod death;
pub(crate) mod frame;
mod launch;
mod message;
pub(crate) mod value;
pub(crate) mod worker_end;

use std::time::Duration;

/// The host module behind `import`, which every session has.
pub(crate) const LOADER: &str = "loader";

pub(crate) use answer::{Answered, HostAnswer, HostError, HostReply, PIECE_BYTES, Pieces, WHOLE};
pub(crate) use codec::Message;
pub(crate) use death::{Death, DeathCause, DeathNote, ExitCause, exit_text, zygote_gone};
pub use launch::WorkerCommand;
pub(crate) use launch::{detach, prepare_worker};
pub(crate) use message::{
    FromQuery, FromSession, FromZygote, HostCall, LoadError, LoadedModule, LoggedRun,
    MAX_ARGS_JSON_BYTES, QueryRequest, SessionSetup, ToSession, ToZygote, Trace,
};

/// The version of the protocol. It changes with every change of a message or a frame. Both sides
/// are the same binary, unless the binary was replaced while the daemon ran; the zygote's greeting
/// shows that.
pub(crate) const VERSION: u8 = 10;

/// How long a helper process may take to answer before it is killed and replaced, and how long a
/// process may be stopped.
pub(crate) const HELPER_TIMEOUT: Duration = Duration::from_secs(3);

/// The file descriptor at which a worker finds its channel to the daemon.
pub(crate) const CONTROL_FD: i32 = 3;

/// The largest number of nondeterministic inputs of an execution that goes to the replay log.
pub(crate) const MAX_INPUTS: usize = 64;

/// The largest message to a session process, in bytes: a script of 16 MiB with arguments of 8 MiB,
/// which can grow sixfold as JSON text.
pub(crate) const MAX_TO_SESSION_BYTES: u32 = 256 * 1024 * 1024;

/// The largest message from a session process, in bytes: an event.
pub(crate) const MAX_FROM_SESSION_BYTES: u32 = 64 * 1024 * 1024;

/// The largest answer to a query about a session, in bytes: a text, a tree of values or a list of
/// names, all of them bounded.
pub(crate) const MAX_FROM_QUERY_BYTES: u32 = 4 * 1024 * 1024;

/// The largest message to a zygote, in bytes: a library of 64 MiB with its name.
pub(crate) const MAX_TO_ZYGOTE_BYTES: u32 = 65 * 1024 * 1024;

/// The largest message from a zygote, in bytes.
pub(crate) const MAX_FROM_ZYGOTE_BYTES: u32 = 64 * 1024;
