//! The payloads of events, by event type; the result and the error of an execution are two of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The payload of `input_echo`, `stdout` and `stderr` events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TextPayload {
    /// The text.
    pub text: String,
}

/// The payload of a `console` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsolePayload {
    /// The level of the console method.
    pub level: ConsoleLevel,
    /// The arguments, formatted as Node formats them.
    pub text: String,
}

/// The level of a console event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleLevel {
    /// `console.log`, and methods that print as it does.
    Log,
    /// `console.info`.
    Info,
    /// `console.warn`.
    Warn,
    /// `console.error`.
    Error,
    /// `console.debug`.
    Debug,
}

/// A JavaScript value: the payload of a `value` event, and the result of an execution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ValuePayload {
    /// The type of the value: `undefined`, `null`, `boolean`, `number`, `bigint`, `string`,
    /// `symbol`, `function`, `object`, or the name of the class of an object, such as `Array` or
    /// `Date`.
    pub r#type: String,
    /// The value as text, formatted as Node formats it; a string is itself.
    pub preview: String,
    /// The value as `JSON.stringify` gives it, `null` for `undefined`; absent when there is no such
    /// JSON or it is too large.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Value")]
    pub json: Option<Value>,
    /// Whether the preview or the JSON was cut off; absent when neither was.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Why code has no value: the payload of an `exception` event, and the error of an execution or an
/// inspection. An exception of the script has no `code`; an execution that was rolled back has one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExceptionPayload {
    /// What went wrong. Of an exception: its name, its message, and where it was thrown.
    pub message: String,
    /// The stack of an exception, with its causes; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// Why the execution was rolled back: `WALL_TIME_LIMIT`, `CPU_TIME_LIMIT`, `MEMORY_LIMIT`,
    /// `OUTPUT_LIMIT`, `STACK_OVERFLOW`, `DEADLOCK`, `CANCELLED` or `RUNTIME_CRASHED`. Of an
    /// inspection: `LOOK_LIMIT` if it took too long or too much memory. Records of other versions
    /// may have other codes. Absent for an exception.
    // The type is text and no enumeration, because a stored code is answered unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Whether the session has the state that it had before the execution; absent for an exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<bool>,
}

/// The payload of a `system` event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SystemPayload {
    /// What the service reports.
    pub message: String,
    /// The level of the message, such as `error`.
    pub level: String,
}
