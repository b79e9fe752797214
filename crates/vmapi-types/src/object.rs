//! JSON objects that are passed on as text.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::RawJson;

/// How deeply values may be nested, as in every other JSON of the API.
const MAX_DEPTH: usize = 127;

/// A JSON object that is passed on as text, without white space between its tokens. As a tree it
/// could take a hundred times the memory.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct JsonObject(RawJson);

impl JsonObject {
    /// The JSON text.
    pub fn get(&self) -> &str {
        self.0.get()
    }

    /// The object as JSON of any shape.
    pub fn into_raw(self) -> RawJson {
        self.0
    }
}

impl JsonSchema for JsonObject {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "JsonObject".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object"})
    }
}

impl Default for JsonObject {
    fn default() -> Self {
        Self::from(Map::new())
    }
}

impl From<Map<String, Value>> for JsonObject {
    fn from(map: Map<String, Value>) -> Self {
        let text = Value::Object(map).to_string();
        Self(RawValue::from_string(text).expect("a map is written as JSON"))
    }
}

impl fmt::Debug for JsonObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get())
    }
}

impl<'de> Deserialize<'de> for JsonObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = RawJson::deserialize(deserializer)?;
        if !raw.get().starts_with('{') {
            return Err(D::Error::custom("a JSON object is expected"));
        }
        match compact(raw.get()) {
            Some(text) => RawValue::from_string(text)
                .map(Self)
                .map_err(D::Error::custom),
            None => Err(D::Error::custom("recursion limit exceeded")),
        }
    }
}

/// JSON text without the white space between its tokens; `None` if it is nested too deeply.
fn compact(json: &str) -> Option<String> {
    let mut text = String::with_capacity(json.len());
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    for c in json.chars() {
        if in_string {
            in_string = c != '"' || is_escaped;
            is_escaped = c == '\\' && !is_escaped;
        } else {
            match c {
                ' ' | '\t' | '\r' | '\n' => continue,
                '{' | '[' => depth += 1,
                '}' | ']' => depth = depth.saturating_sub(1),
                '"' => in_string = true,
                _ => {}
            }
            if depth > MAX_DEPTH {
                return None;
            }
        }
        text.push(c);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<String, String> {
        serde_json::from_str::<JsonObject>(json)
            .map(|object| object.get().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn white_space_between_tokens_is_removed_and_in_strings_kept() {
        let json = " {\"a b\" :\n [1,\t2 , \"\\\" x \\\\\" ] , \"é\\n\": { }\r\n} ";
        let text = "{\"a b\":[1,2,\"\\\" x \\\\\"],\"é\\n\":{}}";
        assert_eq!(read(json).as_deref(), Ok(text));
        assert_eq!(
            serde_json::from_str::<Value>(text).unwrap(),
            serde_json::from_str::<Value>(json).unwrap()
        );
    }

    #[test]
    fn only_an_object_that_is_not_nested_too_deeply_is_accepted() {
        for json in ["[]", "1", "\"{}\"", "null", "true"] {
            assert!(read(json).unwrap_err().contains("a JSON object"), "{json}");
        }
        let nested = |depth| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(MAX_DEPTH - 1)).is_ok());
        assert!(read(&nested(MAX_DEPTH)).unwrap_err().contains("recursion"));
    }
}
