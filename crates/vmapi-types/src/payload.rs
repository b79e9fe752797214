use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{ConsoleLevel, Timestamp};

/// The shape of an [`Event`](crate::Event) for its schema, which says what payload each type has.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
pub(crate) struct EventShape {
    /// The id of the execution.
    execution_id: Uuid,
    /// The number of the event within its execution: consecutive, from 1.
    seq: u64,
    /// When the event happened.
    ts: Timestamp,
    #[serde(flatten)]
    body: EventBody,
}

/// The type of an event with its payload.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", content = "payload", rename_all = "snake_case")]
#[expect(dead_code, reason = "its schema is all that is needed of it")]
enum EventBody {
    /// What is run: the code of a snippet, or the path of a file.
    InputEcho(TextPayload),
    /// A call of a console method.
    Console(ConsolePayload),
    /// The value of an execution that ended `ok`; its last event.
    Value(ValuePayload),
    /// Why an execution ended `error`; its last event.
    Exception(ExceptionPayload),
    /// A message of the service, such as that a limit was exceeded.
    System(SystemPayload),
    /// Standard output of a command.
    Stdout(TextPayload),
    /// Standard error output of a command.
    Stderr(TextPayload),
}

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
    // So it is no enumeration: what is stored is answered as it is.
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
