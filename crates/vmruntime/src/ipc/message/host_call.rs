//! Calls of scripts to host modules. They travel from a session process to the daemon, and from
//! there to a database process.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vmapi_types::RawJson;

use crate::ipc::codec::Message;

/// The most JSON that a call's arguments may be, in bytes. Bytes and long texts are not part of it.
pub(crate) const MAX_ARGS_JSON_BYTES: usize = 2 * 1024 * 1024;

/// A call to a host module.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HostCall {
    /// The module, like `fs`.
    pub(crate) module: String,
    /// The function, like `readFileSync`.
    pub(crate) function: String,
    /// The arguments, a JSON array.
    pub(crate) args: RawJson,
    /// The bytes and long texts that the arguments name parts of; they are the attachment.
    #[serde(skip)]
    pub(crate) body: Bytes,
}

/// A module that was found in the worktree. Its text is the answer's body.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoadedModule {
    /// Its path below the worktree.
    pub(crate) path: String,
    /// Changes when the file does.
    pub(crate) stamp: String,
}

impl Message for HostCall {
    fn attachment(&self) -> &[u8] {
        &self.body
    }

    fn attach(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        self.body = bytes.into();
        Ok(())
    }
}
