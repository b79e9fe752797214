//! The error of an execution as it is stored and answered.

use serde::Serialize;
use serde_json::value::to_raw_value;
use serde_json::{Value, json};
use vmapi_types::RawJson;

use crate::runtime::FailureCode;

/// The error of an execution that did not end by itself.
pub fn failure_payload(code: FailureCode, message: &str, rolled_back: bool) -> RawJson {
    payload(&json!({
        "code": code,
        "message": message,
        "rolled_back": rolled_back,
    }))
}

/// JSON text of a payload.
pub(crate) fn payload(value: &impl Serialize) -> RawJson {
    to_raw_value(value).expect("a payload of strings and booleans is JSON")
}

/// The `message` of an execution's error.
pub(crate) fn message_of(error: &str) -> Option<String> {
    let error: serde_json::Value = serde_json::from_str(error).ok()?;
    error.get("message")?.as_str().map(str::to_owned)
}

/// The `code` of an execution's error, if that is one of a roll-back.
pub(crate) fn code_of(error: &str) -> Option<FailureCode> {
    let error: Value = serde_json::from_str(error).ok()?;
    serde_json::from_value(error.get("code")?.clone()).ok()
}
