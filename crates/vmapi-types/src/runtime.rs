//! What the daemon reports about itself: health, version, sandbox, ready sessions.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The health of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// Always `ok`.
    pub status: String,
}

/// Which program the daemon is, and what it has built in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Version {
    /// The version of the program, such as `0.1.0`.
    pub version: String,
    /// The git commit that the program was built from, as hexadecimal digits; absent when it was
    /// unknown at build time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// How the program was compiled: `release` with optimisations, `debug` without.
    pub profile: String,
    /// The version of the API, as in its base path: `v1`.
    pub api: String,
    /// The JavaScript engines that are built in.
    pub engines: Vec<String>,
    /// The engine of templates that name none; one of `engines`.
    pub default_engine: String,
    /// The platform that the program was compiled for.
    pub platform: Platform,
}

/// An operating system and a processor architecture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Platform {
    /// The operating system, such as `linux`.
    pub os: String,
    /// The processor architecture, such as `x86_64` or `aarch64`.
    pub arch: String,
}

/// How the kernel confines session processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sandbox {
    /// Whether a seccomp filter refuses every system call that is not listed.
    pub seccomp: bool,
    /// The system calls that the filter allows, some of them with certain arguments only.
    pub system_calls: Vec<String>,
    /// Whether session processes and their programs cannot gain privileges.
    pub no_new_privs: bool,
    /// Whether other processes of the same user cannot read the memory of session processes, and no
    /// core dumps are written.
    pub not_dumpable: bool,
    /// What Landlock restricts; this depends on the kernel.
    pub landlock: LandlockLevel,
}

/// What Landlock restricts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LandlockLevel {
    /// Nothing: the kernel has no Landlock.
    None,
    /// Access to files.
    Files,
    /// Access to files, and TCP.
    FilesAndTcp,
    /// Access to files, TCP, and signals and abstract sockets to processes outside.
    FilesTcpAndSignals,
}

impl Sandbox {
    /// Whether everything is in force that the service's isolation promises depend on. Landlock is
    /// a second barrier behind the filter, and may be missing.
    pub fn is_complete(&self) -> bool {
        self.seccomp && self.no_new_privs && self.not_dumpable
    }
}

/// The sessions that are ready.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuntimeSummary {
    /// The number of ready sessions.
    pub active_sessions: usize,
    /// The ids of the ready sessions, sorted.
    pub active_session_ids: Vec<Uuid>,
}
