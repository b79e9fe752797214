//! Capabilities of kind `module`: native modules that are allowed or denied. One with the name of a
//! JavaScript built-in changes nothing, whatever is in it: existing scripts of clients add
//! `console`, which every session has.

use serde_json::{Map, Value};
use vmapi_types::Capability;

use super::config::{self, ConfigError};
use crate::catalog::is_built_in;
use crate::host_module::HostModuleInfo;

/// Checks the configuration of a module of the runtime's `modules`.
///
/// # Errors
/// Names the key that is unknown.
pub(super) fn check(
    name: &str,
    config: &Map<String, Value>,
    modules: &[HostModuleInfo],
) -> Result<(), ConfigError> {
    if is_built_in(name) {
        return Ok(());
    }
    let keys = HostModuleInfo::find(modules, name).map_or(&[][..], |module| module.config_keys);
    config::only(config, keys, &format!("module for {name}"))
}

/// The native modules of a session, sorted: a template's own and those that capabilities allow,
/// without those that capabilities deny. `modules` are those that the runtime has.
pub(crate) fn effective_modules(
    exposed: &[String],
    capabilities: &[Capability],
    modules: &[HostModuleInfo],
) -> Vec<String> {
    let of_kind = |enabled| {
        capabilities
            .iter()
            .filter(move |capability| capability.kind == "module" && capability.enabled == enabled)
    };
    let allowed = of_kind(true)
        .filter(|capability| {
            !is_built_in(&capability.name)
                && super::check(
                    "module",
                    &capability.name,
                    true,
                    &capability.config,
                    modules,
                )
                .is_ok()
        })
        .map(|capability| &capability.name);
    let mut effective: Vec<String> = exposed.iter().chain(allowed).cloned().collect();
    effective.retain(|module| of_kind(false).all(|denied| denied.name != *module));
    effective.sort();
    effective.dedup();
    effective
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MODULES;
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
            effective_modules(&exposed, &capabilities, MODULES),
            ["database", "fs"]
        );
    }

    #[test]
    fn a_built_in_changes_nothing_given_or_taken_away() {
        for name in crate::catalog::BUILT_INS {
            for enabled in [true, false] {
                let capabilities = [
                    capability(name, enabled, &json!({"level": 1})),
                    capability("fs", true, &json!({})),
                ];
                assert_eq!(
                    effective_modules(&["exec".into()], &capabilities, MODULES),
                    ["exec", "fs"]
                );
            }
        }
    }

    #[test]
    fn a_module_capability_that_can_not_be_parsed_gives_nothing() {
        let capabilities = [capability("exec", true, &json!({"commands": 1}))];
        assert!(effective_modules(&[], &capabilities, MODULES).is_empty());
    }
}
