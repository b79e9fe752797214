use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The settings of a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Settings {
    /// The id of the template.
    pub vm_id: Uuid,
    /// The limits of one execution.
    pub limits: Limits,
    /// How module specifiers are resolved.
    pub resolver: Resolver,
    /// How scripts run.
    pub runtime: RuntimeSettings,
}

/// The limits of one execution.
// A record of an older version may lack fields: those have their defaults. So it is with the other
// settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Limits {
    /// The CPU time, in milliseconds.
    pub cpu_ms: u64,
    /// The elapsed time, in milliseconds.
    pub wall_ms: u64,
    /// The size of the session's heap, in MiB.
    pub mem_mb: u64,
    /// The number of events that the script makes.
    pub max_events: u64,
    /// The total size of the payloads of `console`, `stdout` and `stderr` events, in KiB.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Resolver {
    /// The folders of the worktree that bare specifiers are looked up in, in order.
    pub roots: Vec<String>,
    /// The file name extensions that are tried, in order.
    pub extensions: Vec<String>,
    /// Whether the specifier `/x` means `x` in the root of the worktree.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RuntimeSettings {
    /// Whether ES modules may be used.
    pub esm: bool,
    /// Whether scripts run in strict mode.
    pub strict: bool,
    /// Whether scripts have `console`.
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

/// Limits to change. A field that is absent or null changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LimitsPatch {
    /// The CPU time, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub cpu_ms: Option<u64>,
    /// The elapsed time, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3_600_000))]
    pub wall_ms: Option<u64>,
    /// The size of the session's heap, in MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 8, max = 65_536))]
    pub mem_mb: Option<u64>,
    /// The number of events that the script makes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub max_events: Option<u64>,
    /// The total size of the payloads of `console`, `stdout` and `stderr` events, in KiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_048_576))]
    pub max_output_kb: Option<u64>,
}

/// Resolver settings to change. A field that is absent or null changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ResolverPatch {
    /// The folders of the worktree that bare specifiers are looked up in, in order, without `..`;
    /// they replace all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub roots: Option<Vec<String>>,
    /// The file name extensions that are tried, in order, such as `.js`; they replace all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub extensions: Option<Vec<String>>,
    /// Whether the specifier `/x` means `x` in the root of the worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_absolute_repo_imports: Option<bool>,
}

/// Runtime settings to change. A field that is absent or null changes nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RuntimePatch {
    /// Whether ES modules may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub esm: Option<bool>,
    /// Whether scripts run in strict mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Whether scripts have `console`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<bool>,
}
