use uuid::Uuid;
use vmapi_types::SessionStatus;

use crate::store::{StoreError, UnreadableRecord};

/// Why an operation was not done. Every variant names what it is about.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field or parameter is missing or out of range.
    #[error("{message}")]
    Validation {
        /// Names the field and the remedy.
        message: String,
    },
    /// No template has this id.
    #[error("no template has the id {template_id}")]
    TemplateNotFound {
        /// The id.
        template_id: Uuid,
    },
    /// No session has this id.
    #[error("no session has the id {session_id}")]
    SessionNotFound {
        /// The id.
        session_id: Uuid,
    },
    /// No execution has this id.
    #[error("no execution has the id {execution_id}")]
    ExecutionNotFound {
        /// The id.
        execution_id: Uuid,
    },
    /// The template has no capability of this id.
    #[error("template {template_id} has no capability with the id {capability_id}")]
    CapabilityNotFound {
        /// The template.
        template_id: Uuid,
        /// The id.
        capability_id: Uuid,
    },
    /// The template has no startup file of this id.
    #[error("template {template_id} has no startup file with the id {file_id}")]
    StartupFileNotFound {
        /// The template.
        template_id: Uuid,
        /// The id.
        file_id: Uuid,
    },
    /// The worktree has no such file.
    #[error("there is no file {path} in the worktree")]
    FileNotFound {
        /// The path as it was given.
        path: String,
    },
    /// The session is not one that takes executions now.
    #[error("session {session_id} is {status}: only a ready session runs code")]
    SessionNotReady {
        /// The session.
        session_id: Uuid,
        /// What it is instead.
        status: SessionStatus,
    },
    /// Another execution runs in the session.
    #[error("session {session_id} runs another execution: try again when that has ended")]
    SessionBusy {
        /// The session.
        session_id: Uuid,
    },
    /// The id is that of another execution.
    #[error(
        "another execution has the id {execution_id}: a request can be repeated as it was, and another one needs a new id"
    )]
    ExecutionExists {
        /// The id.
        execution_id: Uuid,
    },
    /// The name is taken.
    #[error("a template named {name:?} exists already")]
    TemplateExists {
        /// The name.
        name: String,
    },
    /// The template has a capability of this kind and name.
    #[error("template {template_id} has a capability {kind}:{name} already")]
    CapabilityExists {
        /// The template.
        template_id: Uuid,
        /// The kind.
        kind: String,
        /// The name.
        name: String,
    },
    /// The template has a startup file of this path.
    #[error("template {template_id} has the startup file {path} already")]
    StartupFileExists {
        /// The template.
        template_id: Uuid,
        /// The path.
        path: String,
    },
    /// The path does not name something inside the worktree.
    #[error("{path:?} is not a path inside the worktree: {reason}")]
    InvalidPath {
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The worktree can't be used.
    #[error("the worktree {path:?} can't be used: {reason}")]
    WorktreeInvalid {
        /// The path as it was given.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file is larger than a script may be.
    #[error("{path} is larger than the {limit_bytes} bytes that a script may have")]
    FileTooLarge {
        /// The path as it was given.
        path: String,
        /// The limit.
        limit_bytes: u64,
    },
    /// The execution made more output than it may.
    #[error("{message}")]
    OutputLimitExceeded {
        /// The execution, which is recorded with its events up to the limit.
        execution_id: Uuid,
        /// The session that it ran in.
        session_id: Uuid,
        /// Which limit was passed.
        message: String,
    },
    /// No such startup mode.
    #[error("startup mode {requested:?} is not supported: use one of {supported:?}")]
    StartupModeUnsupported {
        /// The mode as it was given.
        requested: String,
        /// Those that there are.
        supported: &'static [&'static str],
    },
    /// The name is not one of a native module.
    #[error("module {name:?} can't be configured: {reason}")]
    ModuleNotAllowed {
        /// The name as it was given.
        name: String,
        /// Why.
        reason: String,
    },
    /// The engine is not built in.
    #[error("engine {requested:?} is not built in: use one of {supported:?}")]
    EngineUnsupported {
        /// The engine as it was given.
        requested: String,
        /// Those that there are.
        supported: Vec<String>,
    },
    /// A startup file failed, and the session with it.
    #[error("the startup file {path} failed: {message}")]
    StartupFailed {
        /// The session, now `crashed`.
        session_id: Uuid,
        /// The file.
        path: String,
        /// Its execution, if it came to that.
        execution_id: Option<Uuid>,
        /// How it failed.
        message: String,
    },
    /// The path of a startup file leaves the worktree, and the session failed with it.
    #[error("the startup file {path:?} is not a path inside the worktree: {reason}")]
    StartupPathInvalid {
        /// The session, now `crashed`.
        session_id: Uuid,
        /// The path as the template has it.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A library can't be loaded, and the session failed with it.
    #[error("the library {name} can't be loaded: {message}")]
    LibraryUnavailable {
        /// The session, now `crashed`.
        session_id: Uuid,
        /// The library.
        name: String,
        /// Why, with the remedy.
        message: String,
    },
    /// A library can't be used by sessions, and is not added to the template.
    #[error("the library {name} can't be used: {message}")]
    LibraryRefused {
        /// The template.
        template_id: Uuid,
        /// The library, with its version.
        name: String,
        /// Why, with the remedy.
        message: String,
    },
    /// What is stored of something is damaged. The reason is for the log.
    #[error(
        "the stored {} {} is damaged and can't be read: `vm-system ops check` says how, and a copy may still have it",
        .0.table, .0.id
    )]
    RecordUnreadable(UnreadableRecord),
    /// The service can't do this for now.
    #[error("{message}")]
    Unavailable {
        /// What is missing.
        message: String,
    },
    /// A bug of the service.
    #[error("the service failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A missing or wrong field; the message names it.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Validation {
            message: message.into(),
        }
    }

    /// A bug of the service, told in words.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::Internal(message.into().into())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full
            | StoreError::Unreachable(_)
            | StoreError::Io(_)
            | StoreError::Closed
            | StoreError::Damaged(_) => Self::Unavailable {
                message: error.to_string(),
            },
            StoreError::Unreadable(record) => Self::RecordUnreadable(record),
            StoreError::Duplicate(_) | StoreError::Constraint(_) | StoreError::Rejected(_) => {
                Self::Internal(Box::new(error))
            }
        }
    }
}
