//! Reading the configuration of a capability.

use serde_json::{Map, Value};

/// The most entries that a list of a configuration can have.
const MAX_ENTRIES: usize = 256;

/// The longest entry of a list, in bytes.
const MAX_ENTRY_BYTES: usize = 1024;

/// What is wrong with a capability, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {problem}")]
pub(crate) struct ConfigError {
    path: String,
    problem: String,
}

impl ConfigError {
    pub(super) fn new(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

/// Refuses keys that a kind does not have.
pub(super) fn only(
    config: &Map<String, Value>,
    keys: &[&str],
    kind: &str,
) -> Result<(), ConfigError> {
    let Some(unknown) = config.keys().find(|key| !keys.contains(&key.as_str())) else {
        return Ok(());
    };
    let known = if keys.is_empty() {
        "it takes none".to_owned()
    } else {
        format!("use {}", keys.join(", "))
    };
    Err(ConfigError::new(
        format!("config.{unknown}"),
        format!("is not a key of a capability of kind {kind}: {known}"),
    ))
}

/// What each entry of a list means; nothing if the list is not there.
pub(super) fn list<T>(
    config: &Map<String, Value>,
    key: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<Vec<T>>, ConfigError> {
    let wrong = |problem: &str| ConfigError::new(format!("config.{key}"), problem);
    let entries = match config.get(key) {
        None => return Ok(None),
        Some(Value::Array(entries)) => entries,
        Some(_) => return Err(wrong("must be an array of strings")),
    };
    if entries.len() > MAX_ENTRIES {
        return Err(wrong(&format!("has more than {MAX_ENTRIES} entries")));
    }
    let parse = |(index, entry): (usize, &Value)| {
        let wrong = |problem: String| ConfigError::new(format!("config.{key}[{index}]"), problem);
        let text = entry
            .as_str()
            .ok_or_else(|| wrong("must be a string".into()))?;
        if text.len() > MAX_ENTRY_BYTES {
            return Err(wrong(format!("is longer than {MAX_ENTRY_BYTES} bytes")));
        }
        parse(text).map_err(wrong)
    };
    entries
        .iter()
        .enumerate()
        .map(parse)
        .collect::<Result<_, _>>()
        .map(Some)
}
/// What a list at `key` names; without such a list, the capability's own name is the one element.
pub(super) fn list_or_name<T>(
    config: &Map<String, Value>,
    key: &str,
    name: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Vec<T>, ConfigError> {
    match list(config, key, &read)? {
        Some(elements) => Ok(elements),
        None => match read(name) {
            Ok(element) => Ok(vec![element]),
            Err(problem) => Err(ConfigError::new(
                "name",
                format!("{problem}, when there are no config.{key}"),
            )),
        },
    }
}
