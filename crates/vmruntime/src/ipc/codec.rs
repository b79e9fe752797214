//! The layout of a message: its attachment as it is, its JSON, and the length of the JSON in four
//! bytes, little-endian.
//!
//! The attachment comes first, so that it stays in the memory in which it arrived when the rest is
//! cut off.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::Parts;

/// The size of the length behind the JSON, in bytes.
const TRAILER_BYTES: usize = 4;

/// A message. Its attachment is no part of its JSON.
pub(crate) trait Message: Serialize + DeserializeOwned {
    /// The bytes that are sent as they are, outside the JSON.
    fn attachment(&self) -> &[u8] {
        &[]
    }

    /// Takes the attachment that arrived.
    ///
    /// # Errors
    /// When this message can't have an attachment, or not one of this form.
    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        no_attachment(&bytes)
    }

    /// Whether its receiver may drop it for want of memory.
    fn is_refusable(&self) -> bool {
        false
    }

    /// How much memory a message takes in total, in bytes, from its arrival until it has been
    /// handled. When the first datagram arrives, only the length of the message and whether it may
    /// be dropped are known.
    fn memory(bytes: usize, _is_refusable: bool) -> usize {
        bytes
    }

    /// What the receiver gets in place of a message that was dropped; `None` if no message of this
    /// type may be dropped.
    fn refused() -> Option<Self> {
        None
    }
}

/// Refuses an attachment to a message that has none.
///
/// # Errors
/// When there is an attachment.
pub(crate) fn no_attachment(bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    Err(io::Error::other(
        "a message has an attachment that is not its own",
    ))
}

/// A message's JSON, and the length that follows it.
pub(crate) struct Encoded {
    json: Vec<u8>,
    trailer: [u8; TRAILER_BYTES],
}

impl Encoded {
    /// The JSON of a message.
    ///
    /// # Errors
    /// When the message can't be written as JSON.
    pub(crate) fn of(message: &impl Message) -> io::Result<Self> {
        let json = serde_json::to_vec(message)?;
        let length = u32::try_from(json.len()).map_err(io::Error::other)?;
        Ok(Self {
            json,
            trailer: length.to_le_bytes(),
        })
    }

    /// The parts in the order in which they are sent.
    pub(crate) fn parts<'a>(&'a self, message: &'a impl Message) -> Parts<'a> {
        [message.attachment(), &self.json, &self.trailer]
    }
}

/// Reads a message.
///
/// # Errors
/// When the bytes are no message of this type.
pub(crate) fn decode<T: Message>(mut bytes: Vec<u8>) -> io::Result<T> {
    let malformed = || io::Error::other("a message is shorter than its length says");
    let (rest, trailer) = bytes
        .split_last_chunk::<TRAILER_BYTES>()
        .ok_or_else(malformed)?;
    let length = u32::from_le_bytes(*trailer) as usize;
    let start = rest.len().checked_sub(length).ok_or_else(malformed)?;
    let mut message: T = serde_json::from_slice(&rest[start..])?;
    bytes.truncate(start);
    message.attach(bytes)?;
    Ok(message)
}
