//! Ids, with the kinds of records that they identify.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An id with the kind of record that it identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identified {
    /// The id.
    pub id: Uuid,
    /// The kind of record.
    pub kind: IdKind,
}

/// The kind of record that an id identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IdKind {
    /// A template.
    Template,
    /// A capability of a template.
    Capability,
    /// A startup file of a template.
    StartupFile,
    /// A session.
    Session,
    /// An execution.
    Execution,
}

impl IdKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [
        Self::Template,
        Self::Capability,
        Self::StartupFile,
        Self::Session,
        Self::Execution,
    ];

    /// The name of the kind in messages, such as `startup file`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Template => "template",
            Self::Capability => "capability",
            Self::StartupFile => "startup file",
            Self::Session => "session",
            Self::Execution => "execution",
        }
    }
}
