//! What travels between scripts and host modules, beyond what JSON has.
//!
//! Bytes are `{"$bytes":"<base64>"}`, a bigint is `{"$bigint":"123"}`, and an object of the user's that has exactly one
//! key, which begins with `$`, is `{"$object":{…}}`, so that it can't be taken for one of these. `undefined` is `null`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// The largest magnitude below which every integer is a number of JavaScript: `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

const BYTES: &str = "$bytes";
const BIGINT: &str = "$bigint";
const OBJECT: &str = "$object";

/// Bytes, as they travel.
pub(crate) fn bytes(bytes: &[u8]) -> Value {
    tagged(BYTES, Value::String(STANDARD.encode(bytes)))
}

/// An integer, as it travels: a bigint where a number would lose digits.
pub(crate) fn integer(integer: i64) -> Value {
    if integer.unsigned_abs() <= MAX_SAFE_INTEGER {
        Value::from(integer)
    } else {
        tagged(BIGINT, Value::String(integer.to_string()))
    }
}

/// An object whose keys are anybody's, as it travels.
pub(crate) fn object(object: Map<String, Value>) -> Value {
    if is_ambiguous(&object) {
        tagged(OBJECT, Value::Object(object))
    } else {
        Value::Object(object)
    }
}

/// A value that came from a script, looked at from the top.
#[derive(Debug, PartialEq)]
pub(crate) enum Wire<'a> {
    /// Bytes.
    Bytes(Vec<u8>),
    /// A bigint's digits.
    Bigint(&'a str),
    /// An object; its values are still as they travel.
    Object(&'a Map<String, Value>),
    /// What JSON has.
    Plain(&'a Value),
    /// A tag with something else than it should have.
    Malformed,
}

/// Reads a value that came from a script.
pub(crate) fn decode(value: &Value) -> Wire<'_> {
    let Value::Object(object) = value else {
        return Wire::Plain(value);
    };
    if !is_ambiguous(object) {
        return Wire::Object(object);
    }
    let tagged = |tag| object.get(tag);
    if let Some(Value::String(text)) = tagged(BYTES) {
        STANDARD.decode(text).map_or(Wire::Malformed, Wire::Bytes)
    } else if let Some(Value::String(digits)) = tagged(BIGINT) {
        Wire::Bigint(digits)
    } else if let Some(Value::Object(inner)) = tagged(OBJECT) {
        Wire::Object(inner)
    } else {
        Wire::Malformed
    }
}

/// What is to be written somewhere: a string's UTF-8, or bytes.
pub(crate) fn content(value: &Value) -> Option<Vec<u8>> {
    match decode(value) {
        Wire::Bytes(bytes) => Some(bytes),
        Wire::Plain(Value::String(text)) => Some(text.as_bytes().to_vec()),
        _ => None,
    }
}

fn is_ambiguous(object: &Map<String, Value>) -> bool {
    object.len() == 1 && object.keys().all(|key| key.starts_with('$'))
}

fn tagged(tag: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(tag.to_owned(), value)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn values_have_the_shapes_that_both_sides_know() {
        assert_eq!(bytes(b"\x00\xff"), json!({"$bytes": "AP8="}));
        assert_eq!(
            integer(9_007_199_254_740_991),
            json!(9_007_199_254_740_991_i64)
        );
        assert_eq!(
            integer(-9_007_199_254_740_992),
            json!({"$bigint": "-9007199254740992"})
        );
        assert_eq!(
            integer(i64::MIN),
            json!({"$bigint": "-9223372036854775808"})
        );
        let own = json!({"$bytes": "AP8="});
        let travels = object(own.as_object().unwrap().clone());
        assert_eq!(travels, json!({"$object": {"$bytes": "AP8="}}));
        assert_eq!(decode(&travels), Wire::Object(own.as_object().unwrap()));
        for plain in [json!({}), json!({"a": 1}), json!({"$a": 1, "$b": 2})] {
            assert_eq!(object(plain.as_object().unwrap().clone()), plain);
        }
    }

    #[test]
    fn a_tag_that_holds_something_else_is_malformed() {
        for value in [
            json!({"$bytes": "not base64"}),
            json!({"$bytes": 1}),
            json!({"$bigint": 1}),
            json!({"$object": []}),
            json!({"$what": 1}),
        ] {
            assert_eq!(decode(&value), Wire::Malformed, "{value}");
        }
    }

    proptest! {
        #[test]
        fn bytes_come_back(given in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert_eq!(content(&bytes(&given)), Some(given));
        }

        #[test]
        fn an_object_comes_back_whatever_its_keys_are(keys in proptest::collection::vec("\\$?(bytes|object|a)?", 0..3)) {
            let own: Map<_, _> = keys.into_iter().map(|key| (key, json!("AA=="))).collect();
            let travels = object(own.clone());
            prop_assert_eq!(decode(&travels), Wire::Object(&own));
        }
    }
}
