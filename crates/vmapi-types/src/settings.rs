//! The settings of a template, and changes to them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Limits;

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

/// How module specifiers are resolved; fields that were not stored have their defaults.
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

/// Changes to a [`Resolver`]: what is left out stays as it is.
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
