use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The answer to `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// The answer to `GET /runtime/sandbox`: what the kernel keeps session processes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// A filter lets only listed system calls pass.
    pub seccomp: bool,
    /// The calls that it lets pass, some of them with certain arguments alone.
    pub system_calls: Vec<String>,
    /// No program can give them new privileges.
    pub no_new_privs: bool,
    /// Other processes of the user can't look into their memory, and they leave no core dumps.
    pub not_dumpable: bool,
    /// What Landlock takes away, as far as the kernel knows it.
    pub landlock: LandlockLevel,
}

/// What Landlock takes away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LandlockLevel {
    /// Nothing: the kernel does not have it.
    None,
    /// Files.
    Files,
    /// Files, and TCP.
    FilesAndTcp,
    /// Files, TCP, and signals and abstract sockets to processes outside.
    FilesTcpAndSignals,
}

impl Sandbox {
    /// Whether everything is in force that the promises of the service rest on. Landlock is a second fence behind the
    /// filter, and may be missing.
    pub fn is_complete(&self) -> bool {
        self.seccomp && self.no_new_privs && self.not_dumpable
    }
}

/// The answer to `GET /runtime/summary`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeSummary {
    /// How many sessions are live.
    pub active_sessions: usize,
    /// Their ids, sorted.
    pub active_session_ids: Vec<Uuid>,
}
