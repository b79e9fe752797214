//! Templates and their parts, and the requests that change them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{LimitsPatch, ResolverPatch, RuntimePatch, Settings, Timestamp};

/// What the sessions that are created from it may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Template {
    /// The id of the template.
    pub id: Uuid,
    /// The name of the template, unique among templates.
    pub name: String,
    /// The JavaScript engine, under the name that the request gave.
    pub engine: String,
    /// Whether sessions can be created from the template.
    pub is_active: bool,
    /// The native modules that scripts may `require`, sorted.
    pub exposed_modules: Vec<String>,
    /// The libraries that sessions load before their startup files, in the order they were added.
    pub libraries: Vec<String>,
    /// When the template was created.
    pub created_at: Timestamp,
    /// When the template, or one of its parts, last changed.
    pub updated_at: Timestamp,
}

/// A template with its settings and parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TemplateDetails {
    /// The template.
    pub template: Template,
    /// The settings of the template.
    pub settings: Settings,
    /// The capabilities of the template, in the order they were added.
    pub capabilities: Vec<Capability>,
    /// The startup files of the template, in the order they run.
    pub startup_files: Vec<StartupFile>,
}

/// Something that a template grants or withdraws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capability {
    /// The id of the capability.
    pub id: Uuid,
    /// The id of the template.
    pub vm_id: Uuid,
    /// The kind of capability: `module`, `global`, `fs`, `net` or `env`.
    pub kind: String,
    /// The name of the module, global or rule, unique within the kind.
    pub name: String,
    /// Whether the capability grants (`true`) or withdraws (`false`).
    pub enabled: bool,
    /// The configuration of the capability, which depends on its kind.
    pub config: Map<String, Value>,
}

/// A file of the worktree that runs when a session starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StartupFile {
    /// The id of the startup file.
    pub id: Uuid,
    /// The id of the template.
    pub vm_id: Uuid,
    /// The path of the file, relative to the worktree.
    pub path: String,
    /// The position in the order of startup files: ascending, and equal ones in the order they were
    /// added.
    pub order_index: i64,
    /// How the file runs: `eval` as a script in the session's scope, `import` as an ES module.
    pub mode: String,
}

/// A template to create.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTemplateRequest {
    /// The name of the template, unique among templates, at most 256 bytes.
    #[schemars(required, length(min = 1, max = 256))]
    pub name: Option<String>,
    /// The JavaScript engine. Absent: the default engine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
}

/// A capability to add.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddCapabilityRequest {
    /// The kind of capability.
    #[schemars(required, extend("enum" = ["module", "global", "fs", "net", "env"]))]
    pub kind: Option<String>,
    /// The name of the module, global or rule, unique within the kind, at most 256 bytes.
    #[schemars(required, length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Whether the capability grants (`true`) or withdraws (`false`). Absent: `true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// The configuration, which depends on the kind. Absent: `{}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Map<String, Value>>,
}

/// A startup file to add.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddStartupFileRequest {
    /// The path of the file, relative to the worktree; it is stored normalised (`./a//b.js` is
    /// `a/b.js`).
    #[schemars(required, length(min = 1))]
    pub path: Option<String>,
    /// The position in the order of startup files. Absent: 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_index: Option<i64>,
    /// How the file runs: `eval` as a script in the session's scope, `import` as an ES module.
    /// Absent: `eval`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["eval", "import", null]))]
    pub mode: Option<String>,
}

/// A native module or a library to add.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AddNameRequest {
    /// The name of the module, or of the library with or without its version.
    #[schemars(required, length(min = 1))]
    pub name: Option<String>,
}

/// A module or a library that was added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NamedItem {
    /// The id of the template.
    pub template_id: Uuid,
    /// The name that was added; that of a library has its version.
    pub name: String,
}

/// A module or a library that was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedItem {
    /// Always `ok`.
    pub status: String,
    /// The id of the template.
    pub template_id: Uuid,
    /// The name that was removed; that of a library has its version.
    pub name: String,
}

/// A capability or a startup file that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RemovedPart {
    /// Always `ok`.
    pub status: String,
    /// The id of the template.
    pub template_id: Uuid,
    /// The id of the deleted capability or startup file.
    pub id: Uuid,
}

/// A template that was deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Deleted {
    /// Always `ok`.
    pub status: String,
    /// The id of the template.
    pub template_id: Uuid,
}

/// Changes to a template. A field that is absent or null changes nothing.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateTemplateRequest {
    /// The new name, unique among templates, at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Whether sessions can be created from the template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
    /// Limits to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsPatch>,
    /// Resolver settings to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<ResolverPatch>,
    /// Runtime settings to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<RuntimePatch>,
}
