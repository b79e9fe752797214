//! Reading the configuration of a capability.

use serde_json::{Map, Value};

/// The largest number of entries in a list of a configuration.
const MAX_ENTRIES: usize = 256;

/// The longest entry of a list, in bytes.
const MAX_ENTRY_BYTES: usize = 1024;

/// What is wrong with a capability: the path of the key, and the problem with its value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path} {problem}")]
pub(crate) struct ConfigError {
    path: String,
    problem: Problem,
}

/// What is wrong with a value: the end of a sentence that begins with its path, as in `must be a
/// string`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct Problem(String);

impl<T: Into<String>> From<T> for Problem {
    fn from(problem: T) -> Self {
        Self(problem.into())
    }
}

impl ConfigError {
    pub(super) fn new(path: impl Into<String>, problem: impl Into<Problem>) -> Self {
        Self {
            path: path.into(),
            problem: problem.into(),
        }
    }
}

/// Refuses keys of a configuration that a kind of capability does not have.
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

/// The parsed entries of the list at `key`; `None` without such a key.
pub(super) fn list<T>(
    config: &Map<String, Value>,
    key: &str,
    parse: impl Fn(&str) -> Result<T, Problem>,
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
        let wrong = |problem: Problem| ConfigError::new(format!("config.{key}[{index}]"), problem);
        let text = entry
            .as_str()
            .ok_or_else(|| wrong("must be a string".into()))?;
        if text.len() > MAX_ENTRY_BYTES {
            return Err(wrong(
                format!("is longer than {MAX_ENTRY_BYTES} bytes").into(),
            ));
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

/// The parsed entries of the list at `key`; without such a key, the capability's own name as the
/// one entry.
pub(super) fn list_or_name<T>(
    config: &Map<String, Value>,
    key: &str,
    name: &str,
    parse: impl Fn(&str) -> Result<T, Problem>,
) -> Result<Vec<T>, ConfigError> {
    match list(config, key, &parse)? {
        Some(entries) => Ok(entries),
        None => match parse(name) {
            Ok(entry) => Ok(vec![entry]),
            Err(problem) => Err(ConfigError::new(
                "name",
                format!("{problem}, when there are no config.{key}"),
            )),
        },
    }
}
