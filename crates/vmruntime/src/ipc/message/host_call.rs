//! Host calls: the calls of scripts to host modules. A session process sends them to the daemon,
//! which sends those to the module `database` on to a database process.

use std::io;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use vmapi_types::RawJson;

use crate::ipc::codec::Message;

/// The largest JSON of a call's arguments, in bytes. Bytes and long texts are not part of it.
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
    /// The bytes and long texts whose parts the arguments name. They are the message's attachment.
    #[serde(skip)]
    pub(crate) body: Bytes,
}

/// A module that was found in the worktree. Its text is the answer's body.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoadedModule {
    /// Its path below the worktree.
    pub(crate) path: String,
    /// A stamp that changes when the file changes.
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
