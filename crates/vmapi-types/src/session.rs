//! Sessions, and the request that creates one.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::policy::PolicyShape;
use crate::{RawJson, Timestamp};

/// A runtime with a state of its own, or the record of one that has ended.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Session {
    /// The id of the session.
    pub id: Uuid,
    /// The id of the template that the session was created from.
    pub vm_id: Uuid,
    /// The caller's name for the workspace.
    pub workspace_id: String,
    /// The caller's name for the commit of the worktree.
    pub base_commit_oid: String,
    /// The absolute path of the directory that the session's files come from.
    pub worktree_path: String,
    /// The state of the session in its life cycle.
    pub status: SessionStatus,
    /// When the session was created.
    pub created_at: Timestamp,
    /// When the session was closed or crashed; absent before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    /// Why the session crashed, or why the daemon closed it; absent when neither happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// The policy of the session; absent when none is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<PolicyShape>")]
    pub runtime_meta: Option<RawJson>,
}

/// The state of a session in its life cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SessionStatus {
    /// The session's process is being made, and its startup files run.
    Starting,
    /// The session takes executions.
    Ready,
    /// The session failed to start, or its process has ended unexpectedly.
    Crashed,
    /// The session was closed.
    Closed,
}

impl SessionStatus {
    /// Every status, in the order of a session's life.
    pub const ALL: [Self; 4] = [Self::Starting, Self::Ready, Self::Crashed, Self::Closed];

    /// The status as it stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Crashed => "crashed",
            Self::Closed => "closed",
        }
    }

    /// The status with this name; `None` if there is no such status.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }
}

impl fmt::Display for SessionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A session to create.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateSessionRequest {
    /// The id of the template to create the session from.
    #[schemars(required, with = "Uuid")]
    pub template_id: Option<String>,
    /// The caller's name for the workspace, at most 256 bytes; the service does not interpret it.
    #[schemars(required, length(min = 1, max = 256))]
    pub workspace_id: Option<String>,
    /// The caller's name for the commit of the worktree, at most 256 bytes; the service does not
    /// interpret it.
    #[schemars(required, length(min = 1, max = 256))]
    pub base_commit_oid: Option<String>,
    /// The absolute path of an existing directory.
    #[schemars(required, length(min = 1))]
    pub worktree_path: Option<String>,
    /// How long the session's event stream may be without a follower before the daemon closes the
    /// session, in milliseconds. Absent: the session needs no follower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub unwatched_timeout_ms: Option<u64>,
}
