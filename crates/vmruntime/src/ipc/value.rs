//! The encoding of values that JSON does not have, between scripts and host modules.
//!
//! Bytes and long texts are in a body beside the JSON, which names their span: `{"$bytes":[body,
//! start, end]}`, `{"$text":[body, start, end]}`. The arguments of a call have one body, with the
//! number 0; an answer may have several. A folder's entries are `{"$entries":body}`, each of them a
//! letter for its kind, its name and a NUL. A bigint is `{"$bigint":"123"}`, and an object of the
//! user's that has exactly one key, which begins with `$`, is `{"$object":{…}}`, so that it can't
//! be taken for one of these. `undefined` is `null`.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};

/// The largest magnitude up to which every integer is a number of JavaScript:
/// `Number.MAX_SAFE_INTEGER`.
const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The length up to which a text is sent as a string of JSON, in bytes. In JSON, an escape makes
/// six bytes of one.
pub(crate) const SHORT_BYTES: usize = 64;

/// The tag of bytes in a body.
pub(crate) const BYTES: &str = "$bytes";
/// The tag of a long text in a body.
pub(crate) const TEXT: &str = "$text";
/// The tag of a folder's entries in a body.
pub(crate) const ENTRIES: &str = "$entries";
/// The tag of a bigint.
pub(crate) const BIGINT: &str = "$bigint";
/// The tag of a user's object that would otherwise be taken for a tagged value.
pub(crate) const OBJECT: &str = "$object";

/// A part of a body: the body's number, and the offsets of the part's start and end, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span(pub(crate) u8, pub(crate) usize, pub(crate) usize);

impl Span {
    /// The part, of the one body that a call has; `None` if there is no such part.
    fn of<'a>(&self, body: &'a [u8]) -> Option<&'a [u8]> {
        let Self(number, start, end) = *self;
        body.get(start..end).filter(|_| number == 0)
    }
}

/// The JSON that names bytes of a body.
pub(crate) fn bytes_at(span: Span) -> Value {
    json!({ BYTES: span })
}

/// The JSON that names a text of a body.
pub(crate) fn text_at(span: Span) -> Value {
    json!({ TEXT: span })
}

/// The JSON that names the folder entries in a body.
pub(crate) fn entries_in(body: u8) -> Value {
    json!({ ENTRIES: body })
}

/// Appends bytes to the body with the number 0. Returns the JSON that names them.
pub(crate) fn bytes(bytes: &[u8], body: &mut Vec<u8>) -> Value {
    let start = body.len();
    body.extend_from_slice(bytes);
    bytes_at(Span(0, start, body.len()))
}

/// Encodes a text. A long text is appended to the body with the number 0.
pub(crate) fn text(text: Cow<'_, str>, body: &mut Vec<u8>) -> Value {
    if text.len() <= SHORT_BYTES {
        return Value::String(text.into_owned());
    }
    let start = body.len();
    body.extend_from_slice(text.as_bytes());
    text_at(Span(0, start, body.len()))
}

/// Encodes an integer: as a bigint where a number would lose digits.
pub(crate) fn integer(integer: i64) -> Value {
    if integer.unsigned_abs() <= MAX_SAFE_INTEGER {
        Value::from(integer)
    } else {
        tagged(BIGINT, Value::String(integer.to_string()))
    }
}

/// Encodes an object of the user's, with any keys.
pub(crate) fn object(object: Map<String, Value>) -> Value {
    if is_ambiguous(&object) {
        tagged(OBJECT, Value::Object(object))
    } else {
        Value::Object(object)
    }
}

/// A value that came from a script, decoded at its top level.
#[derive(Debug, PartialEq)]
pub(crate) enum Wire<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// A long text.
    Text(&'a str),
    /// A bigint's digits.
    Bigint(&'a str),
    /// An object; its values are still encoded.
    Object(&'a Map<String, Value>),
    /// A value that JSON has.
    Plain(&'a Value),
    /// A tag with a value of another shape than the tag has.
    Malformed,
}

impl<'a> Wire<'a> {
    /// The text; `None` for any other value.
    pub(crate) fn text(&self) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Plain(Value::String(text)) => Some(text),
            _ => None,
        }
    }
}

/// Decodes the top level of a value from a script. `body` is the body of the call.
pub(crate) fn decode<'a>(value: &'a Value, body: &'a [u8]) -> Wire<'a> {
    let Value::Object(object) = value else {
        return Wire::Plain(value);
    };
    if !is_ambiguous(object) {
        return Wire::Object(object);
    }
    let part = |tag| Span::deserialize(object.get(tag)?).ok()?.of(body);
    let text = |part| std::str::from_utf8(part).ok();
    match object.keys().next().map(String::as_str) {
        Some(BYTES) => part(BYTES).map_or(Wire::Malformed, Wire::Bytes),
        Some(TEXT) => part(TEXT)
            .and_then(text)
            .map_or(Wire::Malformed, Wire::Text),
        _ => match (object.get(BIGINT), object.get(OBJECT)) {
            (Some(Value::String(digits)), _) => Wire::Bigint(digits),
            (_, Some(Value::Object(inner))) => Wire::Object(inner),
            _ => Wire::Malformed,
        },
    }
}

/// A text or bytes, as an argument names them. Parsing one takes no more memory than its JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// A short text.
    Short(String),
    /// A long text.
    Text(Span),
    /// Bytes.
    Bytes(Span),
}

impl Content {
    /// The text; `None` for bytes, and if the body has no such text.
    pub(crate) fn text<'a>(&'a self, body: &'a [u8]) -> Option<&'a str> {
        match self {
            Self::Short(text) => Some(text),
            Self::Text(span) => std::str::from_utf8(span.of(body)?).ok(),
            Self::Bytes(_) => None,
        }
    }

    /// The bytes, or the text in UTF-8; `None` if the body has no such part.
    pub(crate) fn bytes(&self, body: &Bytes) -> Option<Bytes> {
        match self {
            Self::Short(text) => Some(Bytes::copy_from_slice(text.as_bytes())),
            Self::Text(span) | Self::Bytes(span) => span.of(body).map(|part| body.slice_ref(part)),
        }
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Content;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a string or bytes")
            }

            fn visit_str<E>(self, text: &str) -> Result<Content, E> {
                Ok(Content::Short(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Content, A::Error> {
                let content = match map.next_key::<Cow<'de, str>>()?.as_deref() {
                    Some(TEXT) => Content::Text(map.next_value()?),
                    Some(BYTES) => Content::Bytes(map.next_value()?),
                    _ => return Err(A::Error::custom("an object is no string and no bytes")),
                };
                match map.next_key::<Cow<'de, str>>()? {
                    None => Ok(content),
                    Some(_) => Err(A::Error::custom("an object is no string and no bytes")),
                }
            }
        }

        deserializer.deserialize_any(Reader)
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

    #[test]
    fn values_have_the_shapes_that_both_sides_know() {
        let mut body = Vec::new();
        assert_eq!(bytes(b"\x00\xff", &mut body), json!({"$bytes": [0, 0, 2]}));
        assert_eq!(text("short".into(), &mut body), json!("short"));
        let long = "\u{1}".repeat(SHORT_BYTES + 1);
        assert_eq!(
            text(long.as_str().into(), &mut body),
            json!({"$text": [0, 2, 2 + SHORT_BYTES + 1]})
        );
        assert_eq!(body, [b"\x00\xff".as_slice(), long.as_bytes()].concat());
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
        let own = json!({"$bytes": [0, 0, 1]});
        let travels = object(own.as_object().unwrap().clone());
        assert_eq!(travels, json!({"$object": {"$bytes": [0, 0, 1]}}));
        assert_eq!(
            decode(&travels, b"a"),
            Wire::Object(own.as_object().unwrap())
        );
        for plain in [json!({}), json!({"a": 1}), json!({"$a": 1, "$b": 2})] {
            assert_eq!(object(plain.as_object().unwrap().clone()), plain);
        }
    }

    #[test]
    fn a_tag_with_a_value_of_another_shape_is_malformed() {
        for value in [
            json!({"$bytes": "text"}),
            json!({"$bytes": 1}),
            json!({"$bytes": [0, 0, 3]}),
            json!({"$bytes": [1, 0, 1]}),
            json!({"$bytes": [0, 2, 1]}),
            json!({"$text": [0, 0, 3]}),
            json!({"$text": [0, 0, 1]}),
            json!({"$bigint": 1}),
            json!({"$object": []}),
            json!({"$what": 1}),
        ] {
            assert_eq!(decode(&value, b"\xff\xff"), Wire::Malformed, "{value}");
            let content = serde_json::from_value::<Content>(value.clone());
            let body = Bytes::from_static(b"\xff\xff");
            assert!(
                content.is_err() || content.is_ok_and(|content| content.text(&body).is_none()),
                "{value}"
            );
        }
    }

    proptest! {
        #[test]
        fn bytes_and_texts_come_back(before in 0..9_usize, given in "\\PC{0,100}") {
            let mut body = vec![7; before];
            let travels = [bytes(given.as_bytes(), &mut body), text(given.as_str().into(), &mut body)];
            let body = Bytes::from(body);
            prop_assert_eq!(decode(&travels[0], &body), Wire::Bytes(given.as_bytes()));
            prop_assert_eq!(decode(&travels[1], &body).text(), Some(given.as_str()));
            for value in travels {
                let content: Content = serde_json::from_str(&value.to_string()).unwrap();
                prop_assert_eq!(content.bytes(&body), Some(Bytes::copy_from_slice(given.as_bytes())));
            }
        }

        #[test]
        fn an_object_comes_back_whatever_its_keys_are(keys in proptest::collection::vec("\\$?(bytes|object|a)?", 0..3)) {
            let own: Map<_, _> = keys.into_iter().map(|key| (key, json!("AA=="))).collect();
            let travels = object(own.clone());
            prop_assert_eq!(decode(&travels, b""), Wire::Object(&own));
        }
    }
}
