//! The policy of a session: a snapshot of its template, taken when the session was made.

use serde::Serialize;
use uuid::Uuid;
use vmapi_types::{Capability, Limits, Resolver, RuntimeSettings, StartupFile, TemplateDetails};

use crate::Grants;
use crate::grants::effective_modules;
use crate::host_module::HostModuleInfo;

/// What one session may do. Later changes to the template do not change it. It is stored as the
/// session's `runtime_meta`.
#[derive(Clone, Debug, Serialize)]
pub struct Policy {
    /// The template that it was taken from.
    pub template_id: Uuid,
    /// The template's name at that time.
    pub template_name: String,
    /// The engine as the template names it.
    pub engine: String,
    /// The limits of one execution.
    pub limits: Limits,
    /// How module specifiers are resolved.
    pub resolver: Resolver,
    /// How scripts run.
    pub runtime: RuntimeSettings,
    /// The native modules that scripts may use, sorted: the template's own and those that
    /// capabilities allow, without those that capabilities deny.
    pub modules: Vec<String>,
    /// The libraries that are loaded first, in order.
    pub libraries: Vec<String>,
    /// The template's capabilities.
    pub capabilities: Vec<Capability>,
    /// The permissions that the capabilities give. They follow from them, and are not stored.
    #[serde(skip)]
    pub grants: Grants,
    /// The files that run when the session starts, in order.
    pub startup_files: Vec<StartupFile>,
}

impl Policy {
    /// The policy of a session that is made from a template as it is now. `modules` are those that
    /// the runtime has.
    pub fn of_template(details: TemplateDetails, modules: &[HostModuleInfo]) -> Self {
        let TemplateDetails {
            template,
            settings,
            capabilities,
            startup_files,
        } = details;
        Self {
            modules: effective_modules(&template.exposed_modules, &capabilities, modules),
            template_id: template.id,
            template_name: template.name,
            engine: template.engine,
            limits: settings.limits,
            resolver: settings.resolver,
            runtime: settings.runtime,
            libraries: template.libraries,
            grants: Grants::of_capabilities(&capabilities, modules),
            capabilities,
            startup_files,
        }
    }
}
