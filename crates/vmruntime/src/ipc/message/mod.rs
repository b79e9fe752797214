//! The messages, by the pair of processes that exchange them.

mod host_call;
mod query;
mod replay;
mod session;
mod zygote;

pub(crate) use host_call::{HostCall, LoadedModule, MAX_ARGS_JSON_BYTES};
pub(crate) use query::{FromQuery, QueryRequest};
pub(crate) use replay::{LoggedRun, Trace};
pub(crate) use session::{FromSession, SessionSetup, ToSession};
pub(crate) use zygote::{FromZygote, LoadError, ToZygote};

use std::io;

use super::codec::Message;

/// The empty message, for a datagram that only carries a descriptor.
impl Message for () {}

/// An attachment that is a text.
///
/// # Errors
/// When it is not UTF-8.
fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}
