use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The settings of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The template's id.
    pub vm_id: Uuid,
    /// What one execution may use.
    pub limits: Limits,
    /// How module specifiers are resolved.
    pub resolver: Resolver,
    /// How scripts run.
    pub runtime: RuntimeSettings,
}

/// What one execution may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// Time by the clock, in milliseconds.
    pub wall_ms: u64,
    /// The session's heap, in MiB.
    pub mem_mb: u64,
    /// The number of events.
    pub max_events: u64,
    /// The sum of the events' payloads, in KiB.
    pub max_output_kb: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            cpu_ms: 2000,
            wall_ms: 5000,
            mem_mb: 128,
            max_events: 50_000,
            max_output_kb: 256,
        }
    }
}

/// How module specifiers are resolved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolver {
    /// Folders of the worktree that bare specifiers are looked up in, in order.
    pub roots: Vec<String>,
    /// Endings that are tried, in order.
    pub extensions: Vec<String>,
    /// Whether `/x` means `x` in the worktree's root.
    pub allow_absolute_repo_imports: bool,
}

impl Default for Resolver {
    fn default() -> Self {
        Self {
            roots: vec![".".into()],
            extensions: vec![".js".into(), ".mjs".into()],
            allow_absolute_repo_imports: true,
        }
    }
}

/// How scripts run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeSettings {
    /// Whether ES modules may be used.
    pub esm: bool,
    /// Whether scripts run in strict mode.
    pub strict: bool,
    /// Whether `console` exists.
    pub console: bool,
}

impl Default for RuntimeSettings {
    fn default() -> Self {
        Self {
            esm: true,
            strict: false,
            console: true,
        }
    }
}
