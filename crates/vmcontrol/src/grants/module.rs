//! Capabilities of kind `module`: native modules that are given or taken away.

use serde_json::{Map, Value};
use vmapi_types::Capability;

use super::config::{self, ConfigError};

pub(super) fn check(name: &str, config: &Map<String, Value>) -> Result<(), ConfigError> {
    let keys: &[&str] = if name == "exec" { &["commands"] } else { &[] };
    config::only(config, keys, &format!("module for {name}"))
}

/// The modules of a session, sorted: a template's own and those that capabilities give, without those that capabilities
/// take away.
pub(crate) fn effective_modules(exposed: &[String], capabilities: &[Capability]) -> Vec<String> {
    let of_kind = |enabled| {
        capabilities
            .iter()
            .filter(move |capability| capability.kind == "module" && capability.enabled == enabled)
    };
    let given = of_kind(true)
        .filter(|capability| {
            super::check("module", &capability.name, true, &capability.config).is_ok()
        })
        .map(|capability| &capability.name);
    let mut modules: Vec<String> = exposed.iter().chain(given).cloned().collect();
    modules.retain(|module| of_kind(false).all(|taken| taken.name != *module));
    modules.sort();
    modules.dedup();
    modules
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use uuid::Uuid;

    fn capability(name: &str, enabled: bool, config: &Value) -> Capability {
        Capability {
            id: Uuid::nil(),
            vm_id: Uuid::nil(),
            kind: "module".into(),
            name: name.into(),
            enabled,
            config: config.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_module_capability_gives_and_a_disabled_one_takes_away() {
        let exposed = ["fs".to_owned(), "exec".to_owned()];
        let capabilities = [
            capability("database", true, &json!({})),
            capability("exec", false, &json!({})),
        ];
        assert_eq!(
            effective_modules(&exposed, &capabilities),
            ["database", "fs"]
        );
    }

    #[test]
    fn a_module_capability_that_makes_no_sense_gives_nothing() {
        let capabilities = [capability("exec", true, &json!({"commands": 1}))];
        assert!(effective_modules(&[], &capabilities).is_empty());
    }
}
