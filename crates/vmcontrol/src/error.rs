//! Why an operation of the service failed.

use uuid::Uuid;
use vmapi_types::SessionStatus;

use crate::store::{StoreError, UnreadableRecord};

/// Why an operation failed. Every variant names its object. The texts are those that clients see.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A field or parameter is missing or out of range.
    #[error("{message}")]
    Validation {
        /// The text, which names the field and the remedy.
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
    /// The worktree has no file of this path.
    #[error("there is no file {path} in the worktree")]
    FileNotFound {
        /// The path as it was given.
        path: String,
    },
    /// The session is not ready for executions.
    #[error("session {session_id} is {status}: only a ready session runs code")]
    SessionNotReady {
        /// The session.
        session_id: Uuid,
        /// Its status.
        status: SessionStatus,
    },
    /// Another execution runs in the session.
    #[error("session {session_id} runs another execution: try again when that has ended")]
    SessionBusy {
        /// The session.
        session_id: Uuid,
    },
    /// An execution of another request has this id.
    #[error(
        "another execution has the id {execution_id}: a request can be repeated as it was, and another one needs a new id"
    )]
    ExecutionExists {
        /// The id.
        execution_id: Uuid,
    },
    /// Another template has this name.
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
    /// The path does not lead to a file inside the worktree.
    #[error("{path:?} is not a path inside the worktree: {reason}")]
    InvalidPath {
        /// The path as it was given.
        path: String,
        /// The reason.
        reason: String,
    },
    /// The worktree can't be used.
    #[error("the worktree {path:?} can't be used: {reason}")]
    WorktreeInvalid {
        /// The path as it was given.
        path: String,
        /// The reason.
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
    /// The execution made more events or output than its limits allow.
    #[error("{message}")]
    OutputLimitExceeded {
        /// The execution, which is recorded with its events up to the limit.
        execution_id: Uuid,
        /// The session that it ran in.
        session_id: Uuid,
        /// The text, which names the limit.
        message: String,
    },
    /// The startup mode does not exist.
    #[error("startup mode {requested:?} is not supported: use one of {supported:?}")]
    StartupModeUnsupported {
        /// The mode as it was given.
        requested: String,
        /// The modes that exist.
        supported: &'static [&'static str],
    },
    /// No native module has this name.
    #[error("module {name:?} can't be configured: {reason}")]
    ModuleNotAllowed {
        /// The name as it was given.
        name: String,
        /// The reason.
        reason: String,
    },
    /// The engine is not built in.
    #[error("engine {requested:?} is not built in: use one of {supported:?}")]
    EngineUnsupported {
        /// The engine as it was given.
        requested: String,
        /// The engines that are built in, and their aliases.
        supported: Vec<String>,
    },
    /// A startup file failed, and the session with it.
    #[error("the startup file {path} failed: {message}")]
    StartupFailed {
        /// The session, now `crashed`.
        session_id: Uuid,
        /// The file.
        path: String,
        /// Its execution; `None` when the file could not be read, so that it did not run.
        execution_id: Option<Uuid>,
        /// The message of the exception or of the failure.
        message: String,
    },
    /// The path of a startup file leads out of the worktree, and the session failed with it.
    #[error("the startup file {path:?} is not a path inside the worktree: {reason}")]
    StartupPathInvalid {
        /// The session, now `crashed`.
        session_id: Uuid,
        /// The path as the template has it.
        path: String,
        /// The reason.
        reason: String,
    },
    /// A library can't be loaded, and the session failed with it.
    #[error("the library {name} can't be loaded: {message}")]
    LibraryUnavailable {
        /// The session, now `crashed`.
        session_id: Uuid,
        /// The library.
        name: String,
        /// The reason, with the remedy.
        message: String,
    },
    /// A library can't be used by sessions, and was not added to the template.
    #[error("the library {name} can't be used: {message}")]
    LibraryRefused {
        /// The template.
        template_id: Uuid,
        /// The library, with its version.
        name: String,
        /// The reason, with the remedy.
        message: String,
    },
    /// A stored record is damaged. The reason is for the log.
    #[error(
        "the stored {} {} is damaged and can't be read: `vm-system ops check` says how, and a copy may still have it",
        .0.table, .0.id
    )]
    RecordUnreadable(UnreadableRecord),
    /// The service can't do this for now: a retry may help.
    #[error("{message}")]
    Unavailable {
        /// The text, which says what is missing.
        message: String,
    },
    /// A bug of the service.
    #[error("the service failed")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A [`Validation`](Self::Validation) error; the message names the field.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Validation {
            message: message.into(),
        }
    }

    /// A bug of the service, described by a text for the log.
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
            StoreError::Sql(_) => Self::Internal(Box::new(error)),
        }
    }
}
