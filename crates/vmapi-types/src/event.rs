//! Events: what is recorded of an execution while it runs.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::payload::{ConsolePayload, ExceptionPayload, SystemPayload, TextPayload, ValuePayload};
use crate::{RawJson, Timestamp};

/// Something that happened in an execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The id of the execution.
    pub execution_id: Uuid,
    /// The number of the event within its execution: consecutive, from 1.
    pub seq: u64,
    /// When the event happened.
    pub ts: Timestamp,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// What happened; its shape depends on the type.
    pub payload: RawJson,
}

impl JsonSchema for Event {
    fn schema_name() -> Cow<'static, str> {
        EventShape::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kind = generator.subschema_for::<EventType>();
        let mut schema = EventShape::json_schema(generator).to_value();
        // A variant says which payload a type has; that every event has both fields is said below.
        for variant in schema["oneOf"].as_array_mut().into_iter().flatten() {
            *variant = json!({
                "description": variant["description"],
                "properties": variant["properties"],
            });
        }
        schema["properties"]["type"] = kind.to_value();
        schema["properties"]["payload"] =
            json!({"description": "What happened; its shape depends on the type."});
        schema["required"] = json!(["execution_id", "seq", "ts", "type", "payload"]);
        schema["description"] = "Something that happened in an execution.".into();
        schema.try_into().unwrap_or_default()
    }
}

/// The shape of an [`Event`] for its schema, which says what payload each type has.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Event")]
struct EventShape {
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
#[expect(dead_code, reason = "only its schema is used")]
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

/// The type of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// What is run: the code of a snippet, or the path of a file. Payload: `text`.
    InputEcho,
    /// A call of a console method. Payload: `level`, `text`.
    Console,
    /// The value of an execution that ended `ok`. Payload: `type`, `preview`, `json`, `truncated`.
    Value,
    /// Why an execution ended `error`. Payload: `message`, `stack`, or `code`, `message`,
    /// `rolled_back`.
    Exception,
    /// A message of the service. Payload: `message`, `level`.
    System,
    /// Standard output of a command. Payload: `text`.
    Stdout,
    /// Standard error output of a command. Payload: `text`.
    Stderr,
}

impl EventType {
    /// Every event type.
    pub const ALL: [Self; 7] = [
        Self::InputEcho,
        Self::Console,
        Self::Value,
        Self::Exception,
        Self::System,
        Self::Stdout,
        Self::Stderr,
    ];

    /// The type as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InputEcho => "input_echo",
            Self::Console => "console",
            Self::Value => "value",
            Self::Exception => "exception",
            Self::System => "system",
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }

    /// The type with this name; `None` if there is no such type.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
