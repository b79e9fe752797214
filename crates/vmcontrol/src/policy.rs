//! What a session may do: a snapshot of its template, taken when the session was made.

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use vmapi_types::{Capability, Limits, Resolver, RuntimeSettings, StartupFile, TemplateDetails};

/// The policy of one session. Later changes to the template don't reach it. It is stored as the session's
/// `runtime_meta`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Policy {
    /// The template that it was taken from.
    pub template_id: Uuid,
    /// The template's name at that time.
    pub template_name: String,
    /// The engine as the template names it.
    pub engine: String,
    /// What one execution may use.
    pub limits: Limits,
    /// How module specifiers are resolved.
    pub resolver: Resolver,
    /// How scripts run.
    pub runtime: RuntimeSettings,
    /// The native modules that scripts may use, sorted: the template's own and those that capabilities give, without
    /// those that capabilities take away.
    pub modules: Vec<String>,
    /// The libraries that are loaded first, in order.
    pub libraries: Vec<String>,
    /// The template's capabilities.
    pub capabilities: Vec<Capability>,
    /// The files that run when the session starts, in order.
    pub startup_files: Vec<StartupFile>,
}

impl Policy {
    /// The policy that a template gives now.
    pub fn of_template(details: TemplateDetails) -> Self {
        let TemplateDetails {
            template,
            settings,
            capabilities,
            startup_files,
        } = details;
        Self {
            modules: effective_modules(&template.exposed_modules, &capabilities),
            template_id: template.id,
            template_name: template.name,
            engine: template.engine,
            limits: settings.limits,
            resolver: settings.resolver,
            runtime: settings.runtime,
            libraries: template.libraries,
            capabilities,
            startup_files,
        }
    }
}

fn effective_modules(exposed: &[String], capabilities: &[Capability]) -> Vec<String> {
    let of_kind = |enabled| {
        capabilities
            .iter()
            .filter(move |capability| capability.kind == "module" && capability.enabled == enabled)
            .map(|capability| &capability.name)
    };
    let mut modules: Vec<String> = exposed.iter().chain(of_kind(true)).cloned().collect();
    modules.retain(|module| of_kind(false).all(|taken| taken != module));
    modules.sort();
    modules.dedup();
    modules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capability(name: &str, enabled: bool) -> Capability {
        Capability {
            id: Uuid::nil(),
            vm_id: Uuid::nil(),
            kind: "module".into(),
            name: name.into(),
            enabled,
            config: serde_json::Map::new(),
        }
    }

    #[test]
    fn a_module_capability_gives_and_a_disabled_one_takes_away() {
        let exposed = ["fs".to_owned(), "exec".to_owned()];
        let capabilities = [capability("database", true), capability("exec", false)];
        assert_eq!(
            effective_modules(&exposed, &capabilities),
            ["database", "fs"]
        );
    }
}
