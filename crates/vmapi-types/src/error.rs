use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a request failed, as the API's `error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// A field or query parameter is missing or out of range.
    ValidationError,
    /// The body is not the JSON that the endpoint takes.
    InvalidRequest,
    /// The request comes from a web page of another origin.
    ForbiddenOrigin,
    /// The request names a host that this daemon does not serve.
    ForbiddenHost,
    /// A token is asked for, and is missing or wrong.
    Unauthorized,
    /// No template has this id.
    TemplateNotFound,
    /// No session has this id.
    SessionNotFound,
    /// No execution has this id.
    ExecutionNotFound,
    /// No such file in the worktree.
    FileNotFound,
    /// No such route.
    NotFound,
    /// The route exists, but not for this method.
    MethodNotAllowed,
    /// The session exists but is starting, crashed or closed.
    SessionNotReady,
    /// Another execution runs in the session.
    SessionBusy,
    /// The id is that of another execution.
    ExecutionExists,
    /// A template of this name exists.
    TemplateExists,
    /// The template has a capability of this kind and name.
    CapabilityExists,
    /// The template has a startup file of this path.
    StartupFileExists,
    /// The body is over the limit.
    PayloadTooLarge,
    /// The body did not arrive in time.
    RequestTimeout,
    /// The body is not declared as `application/json`.
    UnsupportedMediaType,
    /// The path leaves the worktree, or is not a path into it.
    InvalidPath,
    /// The worktree is not an absolute path of a directory.
    WorktreeInvalid,
    /// The execution passed `max_events` or `max_output_kb`.
    OutputLimitExceeded,
    /// The startup mode is not one of those supported.
    StartupModeUnsupported,
    /// The module is a JavaScript built-in, or there is no such native module.
    ModuleNotAllowed,
    /// The engine is not built in.
    EngineUnsupported,
    /// A startup file failed.
    StartupFailed,
    /// A library of the template is not in the cache, or failed to load.
    LibraryUnavailable,
    /// What is stored of the thing that was asked for is damaged.
    RecordUnreadable,
    /// A bug in the service.
    Internal,
    /// The service can't do this for now; a retry may help.
    Unavailable,
}

impl ErrorCode {
    /// The code as it stands on the wire, like `SESSION_BUSY`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ValidationError => "VALIDATION_ERROR",
            Self::InvalidRequest => "INVALID_REQUEST",
            Self::ForbiddenOrigin => "FORBIDDEN_ORIGIN",
            Self::ForbiddenHost => "FORBIDDEN_HOST",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::TemplateNotFound => "TEMPLATE_NOT_FOUND",
            Self::SessionNotFound => "SESSION_NOT_FOUND",
            Self::ExecutionNotFound => "EXECUTION_NOT_FOUND",
            Self::FileNotFound => "FILE_NOT_FOUND",
            Self::NotFound => "NOT_FOUND",
            Self::MethodNotAllowed => "METHOD_NOT_ALLOWED",
            Self::SessionNotReady => "SESSION_NOT_READY",
            Self::SessionBusy => "SESSION_BUSY",
            Self::ExecutionExists => "EXECUTION_EXISTS",
            Self::TemplateExists => "TEMPLATE_EXISTS",
            Self::CapabilityExists => "CAPABILITY_EXISTS",
            Self::StartupFileExists => "STARTUP_FILE_EXISTS",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::RequestTimeout => "REQUEST_TIMEOUT",
            Self::UnsupportedMediaType => "UNSUPPORTED_MEDIA_TYPE",
            Self::InvalidPath => "INVALID_PATH",
            Self::WorktreeInvalid => "WORKTREE_INVALID",
            Self::OutputLimitExceeded => "OUTPUT_LIMIT_EXCEEDED",
            Self::StartupModeUnsupported => "STARTUP_MODE_UNSUPPORTED",
            Self::ModuleNotAllowed => "MODULE_NOT_ALLOWED",
            Self::EngineUnsupported => "ENGINE_UNSUPPORTED",
            Self::StartupFailed => "STARTUP_FAILED",
            Self::LibraryUnavailable => "LIBRARY_UNAVAILABLE",
            Self::RecordUnreadable => "RECORD_UNREADABLE",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of every answer that is not a success.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorEnvelope {
    /// What went wrong.
    pub error: ErrorBody,
}

/// What went wrong. The code is text here, so that a client understands a daemon newer than itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// An [`ErrorCode`] as text.
    pub code: String,
    /// A sentence for people.
    pub message: String,
    /// What the error is about: ids, a path, the supported values. Left out when empty.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_code_is_its_wire_name() {
        for code in [
            ErrorCode::ValidationError,
            ErrorCode::OutputLimitExceeded,
            ErrorCode::RecordUnreadable,
            ErrorCode::Unavailable,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
