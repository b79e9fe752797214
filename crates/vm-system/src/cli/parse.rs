//! Parsers of flag values.

use serde_json::{Map, Value};

/// Reads a JSON object.
///
/// # Errors
/// What is wrong, with the position.
pub fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("expected a JSON object, not {}", kind(&other))),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::json_object;

    #[test]
    fn an_object_is_read() {
        assert_eq!(json_object("{}").unwrap().len(), 0);
        assert_eq!(json_object(r#" {"a": [1]} "#).unwrap()["a"][0], 1);
    }

    #[test]
    fn what_is_wrong_is_said_with_its_position() {
        for (text, expected) in [
            ("", "not JSON: EOF while parsing a value at line 1 column 0"),
            (
                "{a: 1}",
                "not JSON: key must be a string at line 1 column 2",
            ),
            (
                "{\"a\":\n1,}",
                "not JSON: trailing comma at line 2 column 3",
            ),
            ("{} {}", "not JSON: trailing characters at line 1 column 4"),
            ("[]", "expected a JSON object, not an array"),
            ("null", "expected a JSON object, not null"),
            ("\"{}\"", "expected a JSON object, not a string"),
        ] {
            assert_eq!(json_object(text).unwrap_err(), expected, "{text}");
        }
    }
}
