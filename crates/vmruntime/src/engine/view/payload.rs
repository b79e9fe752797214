//! The payloads of the events about values and output.

use serde::Serialize;
use serde_json::value::to_raw_value;
use vmapi_types::{ConsoleLevel, RawJson};

/// How long the preview of a value may be, in bytes.
pub(crate) const MAX_PREVIEW_BYTES: usize = 8 * 1024;

/// How long the JSON of a value may be, in bytes.
pub(crate) const MAX_JSON_BYTES: usize = 256 * 1024;

/// The payload of a `console` event.
#[derive(Serialize)]
pub(crate) struct ConsolePayload<'a> {
    pub(crate) level: ConsoleLevel,
    /// The text that the console prints, without a line break at its end.
    pub(crate) text: &'a str,
}

/// The payload of a `value` event.
#[derive(Serialize)]
pub(crate) struct ValuePayload {
    /// The kind of the value, or the class of an object.
    pub(crate) r#type: String,
    /// The inspected value, of at most [`MAX_PREVIEW_BYTES`].
    pub(crate) preview: String,
    /// The value as JSON, of at most [`MAX_JSON_BYTES`]; `None` if it is longer, or JSON has no
    /// such value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) json: Option<RawJson>,
    /// Whether the preview is cut, or the JSON is too long.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) truncated: bool,
}

/// A payload as JSON.
///
/// # Panics
/// When the payload has a value that JSON has not. No payload has one.
pub(crate) fn raw(value: &impl Serialize) -> RawJson {
    to_raw_value(value).expect("a payload of strings, numbers and booleans is JSON")
}
