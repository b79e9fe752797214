use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Limits;

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

/// How module specifiers are resolved; fields that were not stored have their defaults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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

/// How scripts run; fields that were not stored have their defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
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

/// Changes to a [`Resolver`]: what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolverPatch {
    /// Folders of the worktree that bare specifiers are looked up in, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roots: Option<Vec<String>>,
    /// Endings that are tried, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extensions: Option<Vec<String>>,
    /// Whether `/x` means `x` in the worktree's root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_absolute_repo_imports: Option<bool>,
}

/// Changes to [`RuntimeSettings`]: what is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuntimePatch {
    /// Whether ES modules may be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub esm: Option<bool>,
    /// Whether scripts run in strict mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Whether `console` exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<bool>,
}
