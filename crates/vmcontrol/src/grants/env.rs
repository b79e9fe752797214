//! Capabilities of kind `env`: which of the daemon's environment variables a session sees.

use serde_json::{Map, Value};

use super::config::{self, ConfigError, Problem};

/// The environment variables that a session sees.
#[derive(Clone, Debug, Default)]
pub(super) struct EnvGrant {
    allowed: Vec<String>,
    denied: Vec<String>,
    /// Whether a capability that could not be parsed denies all.
    closed: bool,
}

impl EnvGrant {
    pub(super) fn add(
        &mut self,
        name: &str,
        enabled: bool,
        config: &Map<String, Value>,
    ) -> Result<(), ConfigError> {
        config::only(config, &["names"], "env")?;
        let names = config::list_or_name(config, "names", name, variable)?;
        let list = if enabled {
            &mut self.allowed
        } else {
            &mut self.denied
        };
        list.extend(names);
        Ok(())
    }

    /// Denies every variable, in place of a disabled capability that can't be parsed.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// The names, sorted. No name is empty or contains `=` or a NUL.
    pub(super) fn names(&self) -> Vec<String> {
        if self.closed {
            return Vec::new();
        }
        let mut names = self.allowed.clone();
        names.retain(|name| !self.denied.contains(name));
        names.sort();
        names.dedup();
        names
    }
}

fn variable(name: &str) -> Result<String, Problem> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err("must be the name of a variable, without `=` and NUL".into());
    }
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn add(grant: &mut EnvGrant, name: &str, enabled: bool, config: &Value) -> bool {
        grant
            .add(name, enabled, config.as_object().unwrap())
            .is_ok()
    }

    #[test]
    fn a_name_or_a_list_gives_and_a_disabled_one_takes_away() {
        let mut grant = EnvGrant::default();
        assert!(add(&mut grant, "HOME", true, &json!({})));
        assert!(add(
            &mut grant,
            "other",
            true,
            &json!({"names": ["TOKEN", "LANG", "HOME"]})
        ));
        assert!(add(&mut grant, "TOKEN", false, &json!({})));
        assert_eq!(grant.names(), ["HOME", "LANG"]);
    }

    proptest! {
        #[test]
        fn no_name_is_passed_that_the_system_would_take_for_something_else(name in "[A=\\x00]{0,4}") {
            let mut grant = EnvGrant::default();
            add(&mut grant, &name, true, &json!({}));
            for name in grant.names() {
                prop_assert!(!name.is_empty() && !name.contains(['=', '\0']));
            }
        }
    }
}
