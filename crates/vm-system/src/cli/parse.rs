//! Parsers of flag values.

use std::time::Duration;

use serde_json::{Map, Value};

/// Reads a JSON object.
///
/// # Errors
/// What is wrong, with the position.
pub(crate) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match serde_json::from_str(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(format!("expected a JSON object, not {}", kind(&other))),
        Err(error) => Err(format!("not JSON: {error}")),
    }
}

/// Reads a time: a number with `s`, `m`, `h` or `d`.
///
/// # Errors
/// What a time looks like.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let unknown = || format!("{text:?} is no time: write it like 90s, 30m, 12h or 30d");
    let unit = text.chars().last().ok_or_else(unknown)?;
    let seconds: u64 = match unit {
        's' => 1,
        'm' => 60,
        'h' => 60 * 60,
        'd' => 24 * 60 * 60,
        _ => return Err(unknown()),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    let number: u64 = number.parse().map_err(|_| unknown())?;
    match number.checked_mul(seconds) {
        None | Some(0) => Err(unknown()),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
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
    use std::time::Duration;

    use super::{duration, json_object};

    #[test]
    fn a_time_has_a_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("30m", 1800),
            ("12h", 43_200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_secs(seconds)));
        }
        for text in [
            "",
            "s",
            "30",
            "0s",
            "-1s",
            "1.5h",
            "1w",
            "1 h",
            "99999999999999999999d",
            "9999999999999999d",
            "1é",
        ] {
            let error = duration(text).unwrap_err();
            assert!(error.contains("like 90s"), "{error}");
        }
    }

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
