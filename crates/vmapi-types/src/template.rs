use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{LimitsPatch, ResolverPatch, RuntimePatch, Settings, Timestamp};

/// What a runtime may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template {
    /// Its id.
    pub id: Uuid,
    /// Its name, unique among templates.
    pub name: String,
    /// The engine as it was asked for.
    pub engine: String,
    /// Whether sessions can be made from it.
    pub is_active: bool,
    /// Native modules that scripts may `require`, sorted.
    pub exposed_modules: Vec<String>,
    /// Libraries that are loaded before the startup files, in the order they were added.
    pub libraries: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it or what belongs to it last changed.
    pub updated_at: Timestamp,
}

/// A template with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateDetails {
    /// The template itself.
    pub template: Template,
    /// Its settings.
    pub settings: Settings,
    /// Its capabilities, in the order they were added.
    pub capabilities: Vec<Capability>,
    /// Its startup files, in the order they run.
    pub startup_files: Vec<StartupFile>,
}

/// Something that a template gives or takes away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// Its id.
    pub id: Uuid,
    /// The template's id.
    pub vm_id: Uuid,
    /// `module`, `global`, `fs`, `net` or `env`.
    pub kind: String,
    /// What it is about, unique within the kind.
    pub name: String,
    /// Whether it gives (or takes away).
    pub enabled: bool,
    /// Its configuration, by kind.
    pub config: Map<String, Value>,
}

/// A file of the worktree that runs when a session starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartupFile {
    /// Its id.
    pub id: Uuid,
    /// The template's id.
    pub vm_id: Uuid,
    /// The path in the worktree.
    pub path: String,
    /// Files run in ascending order; equal ones in the order they were added.
    pub order_index: i64,
    /// How it runs: `eval` or `import`.
    pub mode: String,
}

/// The body of `POST /templates`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateTemplateRequest {
    /// The template's name; required.
    pub name: Option<String>,
    /// The engine; the default engine when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// The body of `POST /templates/{id}/capabilities`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddCapabilityRequest {
    /// The kind; required.
    pub kind: Option<String>,
    /// The name; required.
    pub name: Option<String>,
    /// Whether it gives; `true` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The configuration; `{}` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
}

/// The body of `POST /templates/{id}/startup-files`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddStartupFileRequest {
    /// The path in the worktree; required.
    pub path: Option<String>,
    /// The place in the order; 0 when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_index: Option<i64>,
    /// The mode; `eval` when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,
}

/// The body of `POST /templates/{id}/modules` and `…/libraries`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddNameRequest {
    /// The module's or library's name; required.
    pub name: Option<String>,
}

/// The answer to adding a module or a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedItem {
    /// The template's id.
    pub template_id: Uuid,
    /// The name that was added.
    pub name: String,
}

/// The answer to removing a module or a library.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedItem {
    /// Always `ok`.
    pub status: String,
    /// The template's id.
    pub template_id: Uuid,
    /// The name that is gone.
    pub name: String,
}

/// The answer to deleting a capability or a startup file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedPart {
    /// Always `ok`.
    pub status: String,
    /// The template's id.
    pub template_id: Uuid,
    /// The id of what is gone.
    pub id: Uuid,
}

/// The answer to deleting a template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deleted {
    /// Always `ok`.
    pub status: String,
    /// The template's id.
    pub template_id: Uuid,
}

/// The body of `PATCH /templates/{id}`: what is left out stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateTemplateRequest {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether sessions can be made from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// New limits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPatch>,
    /// How module specifiers are resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<ResolverPatch>,
    /// How scripts run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimePatch>,
}
