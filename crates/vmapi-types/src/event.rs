use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RawJson, Timestamp};

/// Something that happened in an execution.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The execution's id.
    pub execution_id: Uuid,
    /// Its number in the execution: from 1, without gaps.
    pub seq: u64,
    /// When it happened.
    pub ts: Timestamp,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: EventType,
    /// What it says, by type.
    pub payload: RawJson,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// `{"text"}`: the code of a repl, or the path of a file.
    InputEcho,
    /// `{"level","text"}`: a call of a console method.
    Console,
    /// `{"type","preview","json"?}`: the value of an execution that ended `ok`.
    Value,
    /// `{"message","stack"?}`: why an execution ended `error`.
    Exception,
    /// `{"message","level"}`: the service's own word.
    System,
    /// `{"text"}`: standard output of a command.
    Stdout,
    /// `{"text"}`: standard error of a command.
    Stderr,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::InputEcho,
        Self::Console,
        Self::Value,
        Self::Exception,
        Self::System,
        Self::Stdout,
        Self::Stderr,
    ];

    /// The type as it stands on the wire.
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

    /// The type of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The level of a console event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsoleLevel {
    /// `console.log` and its kin.
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
