use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Something that has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identified {
    /// Its id.
    pub id: Uuid,
    /// What it is.
    pub kind: IdKind,
}

/// What has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Template,
        Self::Capability,
        Self::StartupFile,
        Self::Session,
        Self::Execution,
    ];

    /// What people call it.
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
