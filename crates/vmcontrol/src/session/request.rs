//! A request to create a session, checked.

use std::time::Duration;

use uuid::Uuid;
use vmapi_types::CreateSessionRequest;

use crate::ids::parse_id;
use crate::names::{check_name, invisible};
use crate::{Error, Result};

/// The fields of a request, each of which is present.
pub(crate) struct NewSession {
    pub(crate) template_id: Uuid,
    pub(crate) workspace_id: String,
    pub(crate) base_commit_oid: String,
    pub(crate) worktree_path: String,
    /// How long its event stream may be without a follower; `None` for a session that needs none.
    pub(crate) unwatched_timeout: Option<Duration>,
}

impl NewSession {
    /// Checks a request.
    ///
    /// # Errors
    /// [`Error::Validation`], naming the field; [`Error::WorktreeInvalid`] for a path with control
    /// characters.
    pub(crate) fn of(request: CreateSessionRequest) -> Result<Self> {
        let required = |field: &str, value: Option<String>| -> Result<String> {
            let value = value.unwrap_or_default();
            check_name(field, &value)?;
            Ok(value)
        };
        let template_id = required("template_id", request.template_id)?;
        let new = Self {
            template_id: parse_id("template_id", &template_id)?,
            workspace_id: required("workspace_id", request.workspace_id)?,
            base_commit_oid: required("base_commit_oid", request.base_commit_oid)?,
            worktree_path: request.worktree_path.unwrap_or_default(),
            unwatched_timeout: request.unwatched_timeout_ms.map(Duration::from_millis),
        };
        if new.worktree_path.is_empty() {
            return Err(Error::validation("worktree_path is required"));
        }
        if let Some(reason) = invisible(&new.worktree_path) {
            return Err(Error::WorktreeInvalid {
                path: new.worktree_path,
                reason: format!("its path {reason}"),
            });
        }
        if new
            .unwatched_timeout
            .is_some_and(|timeout| timeout.is_zero())
        {
            return Err(Error::validation(
                "unwatched_timeout_ms must be at least 1: leave it out for a session that needs no follower",
            ));
        }
        Ok(new)
    }
}
