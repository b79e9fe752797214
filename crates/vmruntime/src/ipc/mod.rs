//! What the daemon and its worker processes say to each other.
//!
//! Both channels are `SOCK_SEQPACKET` sockets: a message is cut into datagrams of bounded size ([`frame`]), so that a
//! process that dies in the middle of one leaves nothing that could be taken for the start of another. Each datagram
//! carries the protocol's version and the generation of the session process that it is from or for. A message is JSON with
//! an attachment: bytes, and texts that may be long, which travel as they are ([`codec`]).
//!
//! The answer to a host call comes in pieces of one datagram each ([`HostAnswer`]), so that the daemon holds no more of it at
//! a time than that; the session process, whose memory is limited, puts it together.

mod answer;
pub(crate) mod child;
pub(crate) mod codec;
pub(crate) mod daemon_end;
pub(crate) mod frame;
mod launch;
mod message;
pub(crate) mod value;
pub(crate) mod worker_end;

use std::time::Duration;

/// The host module behind `import`, which every session has.
pub(crate) const LOADER: &str = "loader";

pub(crate) use answer::{Answered, HostAnswer, HostReply, PIECE_BYTES, Pieces, WHOLE};
pub(crate) use codec::Message;
pub use launch::WorkerCommand;
pub(crate) use launch::{detach, prepare_worker};
pub(crate) use message::{
    Death, DeathCause, FromQuery, FromSession, FromZygote, HostCall, HostError, LoadError,
    LoadedModule, LoggedRun, MAX_ARGS_JSON_BYTES, QueryRequest, SessionSetup, ToSession, ToZygote,
    Trace,
};

/// Changes with every change of a message or a frame. Both sides are the same binary unless it was replaced while a
/// daemon ran; then the zygote says so in its greeting.
pub(crate) const VERSION: u8 = 9;

/// How long a helper process may take to answer before it is killed and replaced.
pub(crate) const HELPER_TIMEOUT: Duration = Duration::from_secs(3);

/// The file descriptor on which a zygote finds its channel to the daemon.
pub(crate) const CONTROL_FD: i32 = 3;

/// How many numbers from outside an execution may learn that is to be run once more.
pub(crate) const MAX_INPUTS: usize = 64;

/// The largest message to a session process: a script of 16 MiB with arguments of
/// 8 MiB, which can grow sixfold as JSON text.
pub(crate) const MAX_TO_SESSION_BYTES: u32 = 256 * 1024 * 1024;

/// The largest message from a session process: an event.
pub(crate) const MAX_FROM_SESSION_BYTES: u32 = 64 * 1024 * 1024;

/// The largest answer to a question about a session: a text, a tree of values or a list of names, all of them bounded.
pub(crate) const MAX_FROM_QUERY_BYTES: u32 = 4 * 1024 * 1024;

/// The largest message to a zygote: a library of 64 MiB with its name.
pub(crate) const MAX_TO_ZYGOTE_BYTES: u32 = 65 * 1024 * 1024;

/// The largest message from a zygote.
pub(crate) const MAX_FROM_ZYGOTE_BYTES: u32 = 64 * 1024;
