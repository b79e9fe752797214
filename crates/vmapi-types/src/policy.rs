//! The schema of a session's policy. The domain makes the policy, and the API passes on its JSON.

use schemars::{JsonSchema, Schema};
use serde::Serialize;
use uuid::Uuid;

use crate::{Capability, Limits, Resolver, RuntimeSettings, StartupFile};

/// What a session may do: the template as it was when the session was created. Later changes to the
/// template do not change it. A session that was imported from another service may have other
/// fields.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "SessionPolicy", transform = without_required)]
pub(crate) struct PolicyShape {
    /// The id of the template.
    template_id: Uuid,
    /// The name of the template at that time.
    template_name: String,
    /// The JavaScript engine, under the name that the template gives it.
    engine: String,
    /// The limits of one execution.
    limits: Limits,
    /// How module specifiers are resolved.
    resolver: Resolver,
    /// How scripts run.
    runtime: RuntimeSettings,
    /// The native modules that scripts may use, sorted: the template's, with the changes that its
    /// capabilities make.
    modules: Vec<String>,
    /// The libraries that are loaded first, in order.
    libraries: Vec<String>,
    /// The capabilities of the template.
    capabilities: Vec<Capability>,
    /// The files that run when the session starts, in order.
    startup_files: Vec<StartupFile>,
}

/// Records of other versions may lack any of the fields.
fn without_required(schema: &mut Schema) {
    schema.remove("required");
}
