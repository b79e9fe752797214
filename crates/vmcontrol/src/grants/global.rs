//! Capabilities of kind `global`: globals that a session starts with, or without.

use serde_json::{Map, Value};

use super::config::{self, ConfigError};

/// The globals that a session starts with, and those that are deleted.
#[derive(Clone, Debug, Default)]
pub(super) struct GlobalGrant {
    /// Names with their values, in the order of the capabilities.
    pub(super) values: Vec<(String, Value)>,
    pub(super) removed: Vec<String>,
}

impl GlobalGrant {
    pub(super) fn add(
        &mut self,
        name: &str,
        enabled: bool,
        config: &Map<String, Value>,
    ) -> Result<(), ConfigError> {
        config::only(config, &["value"], "global")?;
        if !is_identifier(name) {
            return Err(ConfigError::new(
                "name",
                "must be an identifier of JavaScript: letters, digits, `_` and `$`, not first a digit",
            ));
        }
        if !enabled {
            self.removed.push(name.to_owned());
            return Ok(());
        }
        let value = config.get("value").ok_or_else(|| {
            ConfigError::new("config.value", "is required: it is what the global holds")
        })?;
        self.values.push((name.to_owned(), value.clone()));
        Ok(())
    }
}

fn is_identifier(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$';
    name.bytes().all(is_part)
        && name
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_enabled_one_has_a_value_and_a_disabled_one_needs_none() {
        let mut grant = GlobalGrant::default();
        let value = json!({"value": {"a": [1, null]}});
        grant
            .add("settings", true, value.as_object().unwrap())
            .unwrap();
        grant.add("$x1", false, &Map::new()).unwrap();
        assert_eq!(grant.values, [("settings".into(), json!({"a": [1, null]}))]);
        assert_eq!(grant.removed, ["$x1"]);
        let null = json!({"value": null});
        grant.add("n", true, null.as_object().unwrap()).unwrap();
        assert!(grant.add("m", true, &Map::new()).is_err());
    }

    #[test]
    fn a_name_is_an_identifier() {
        for name in ["", "1a", "a-b", "a b", "a.b", "\u{e4}"] {
            assert!(!is_identifier(name), "{name:?}");
        }
        for name in ["a", "_", "$", "a1", "fetch", "__proto__"] {
            assert!(is_identifier(name), "{name:?}");
        }
    }
}
