use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{RawJson, Timestamp};

/// A live runtime, or the record of one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// The id of the template it was made from.
    pub vm_id: Uuid,
    /// The caller's name for the workspace.
    pub workspace_id: String,
    /// The caller's name for the commit that the worktree stands at.
    pub base_commit_oid: String,
    /// The absolute path of the directory that files are run from.
    pub worktree_path: String,
    /// Where it is in its life.
    pub status: SessionStatus,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was closed or crashed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Why it crashed, or why it was closed if nobody asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The policy that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_meta: Option<RawJson>,
}

/// Where a session is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// Its process is being made, and its startup files run.
    Starting,
    /// It takes executions.
    Ready,
    /// Its runtime is gone, though nobody closed it.
    Crashed,
    /// It was closed.
    Closed,
}

impl SessionStatus {
    /// All of them, in the order of a session's life.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Ready, Self::Crashed, Self::Closed];

    /// The status as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Crashed => "crashed",
            Self::Closed => "closed",
        }
    }

    /// The status of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of `POST /sessions`; every field but the last is required.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreateSessionRequest {
    /// The template to make it from.
    pub template_id: Option<String>,
    /// The caller's name for the workspace.
    pub workspace_id: Option<String>,
    /// The caller's name for the commit that the worktree stands at.
    pub base_commit_oid: Option<String>,
    /// The absolute path of an existing directory.
    pub worktree_path: Option<String>,
    /// How long nobody may follow the session's event stream before the session is closed, in
    /// milliseconds, at least 1; `None` means that it needs no follower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unwatched_timeout_ms: Option<u64>,
}
