//! Error codes with their HTTP statuses, and the envelope of every error answer.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Why a request failed, as the `error.code` of an error answer. Each code belongs to one HTTP
/// status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    /// A field, a path parameter or a query parameter is missing, malformed or out of range.
    ValidationError,
    /// The body is not the JSON object that the operation takes, or the request is framed in a way
    /// that is not supported.
    InvalidRequest,
    /// The request comes from a web page whose origin is not allowed.
    ForbiddenOrigin,
    /// The `Host` header names a host that this daemon does not serve.
    ForbiddenHost,
    /// The daemon requires a bearer token, and the request has none or a wrong one.
    Unauthorized,
    /// No template has this id. Details: `template_id`.
    TemplateNotFound,
    /// No session has this id. Details: `session_id`.
    SessionNotFound,
    /// No execution has this id. Details: `execution_id`.
    ExecutionNotFound,
    /// The file to run does not exist in the worktree. Details: `path`.
    FileNotFound,
    /// The route does not exist, or the template has no capability or startup file with this id.
    /// Details of the latter: `template_id` and `capability_id` or `file_id`.
    NotFound,
    /// The route exists, but does not support this method; the `Allow` header lists those that it
    /// supports.
    MethodNotAllowed,
    /// The session is starting, crashed or closed, and runs no code. Details: `session_id`,
    /// `status`.
    SessionNotReady,
    /// Another execution is running in the session; requests are not queued. Details: `session_id`.
    SessionBusy,
    /// The `execution_id` belongs to an execution of a different request. Details: `execution_id`.
    ExecutionExists,
    /// Another template has this name. Details: `name`.
    TemplateExists,
    /// The template has a capability of this kind and name already. Details: `template_id`, `kind`,
    /// `name`.
    CapabilityExists,
    /// The template has a startup file with this path already. Details: `template_id`, `path`.
    StartupFileExists,
    /// The body or the file to run is too large, or the values of the body need more than 32 MiB of
    /// memory. Details: the `path` of the file.
    PayloadTooLarge,
    /// The body did not arrive in time; the connection is closed.
    RequestTimeout,
    /// The `Content-Type` is not `application/json`.
    UnsupportedMediaType,
    /// The path is blank, names the worktree itself or leaves the worktree. Details: `path`, and
    /// `session_id` if the session was created and has crashed.
    InvalidPath,
    /// The worktree is not the absolute path of a directory that the daemon may read. Details:
    /// `path`.
    WorktreeInvalid,
    /// The execution exceeded `max_events` or `max_output_kb`; it is recorded. Details:
    /// `execution_id`, `session_id`.
    OutputLimitExceeded,
    /// The startup mode is not supported. Details: `requested_mode`, `supported_modes`.
    StartupModeUnsupported,
    /// The module is a JavaScript built-in, or no native module has this name. Details: `name`.
    ModuleNotAllowed,
    /// The engine is not built in. Details: `requested_engine`, `supported_engines`.
    EngineUnsupported,
    /// A startup file failed; the session is recorded as crashed. Details: `session_id`, `path`,
    /// and `execution_id` if the file ran.
    StartupFailed,
    /// A library is missing, damaged or unusable. Details: `library`, and `session_id` of the
    /// crashed session or `template_id`.
    LibraryUnavailable,
    /// The stored record is damaged. Details: `table`, and the id of the record.
    RecordUnreadable,
    /// A bug in the service; its log has the cause.
    Internal,
    /// The service cannot do this now, and a later retry may succeed (`Retry-After`).
    Unavailable,
}

impl ErrorCode {
    /// The code as it stands in an answer, such as `SESSION_BUSY`.
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

    /// The HTTP status of every answer with this code.
    pub const fn status(self) -> u16 {
        match self {
            Self::ValidationError | Self::InvalidRequest => 400,
            Self::Unauthorized => 401,
            Self::ForbiddenOrigin | Self::ForbiddenHost => 403,
            Self::TemplateNotFound
            | Self::SessionNotFound
            | Self::ExecutionNotFound
            | Self::FileNotFound
            | Self::NotFound => 404,
            Self::MethodNotAllowed => 405,
            Self::RequestTimeout => 408,
            Self::SessionNotReady
            | Self::SessionBusy
            | Self::ExecutionExists
            | Self::TemplateExists
            | Self::CapabilityExists
            | Self::StartupFileExists => 409,
            Self::PayloadTooLarge => 413,
            Self::UnsupportedMediaType => 415,
            Self::InvalidPath
            | Self::WorktreeInvalid
            | Self::OutputLimitExceeded
            | Self::StartupModeUnsupported
            | Self::ModuleNotAllowed
            | Self::EngineUnsupported
            | Self::StartupFailed
            | Self::LibraryUnavailable => 422,
            Self::RecordUnreadable | Self::Internal => 500,
            Self::Unavailable => 503,
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of every error answer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErrorEnvelope {
    /// Why the request failed.
    pub error: ErrorBody,
}

/// Why a request failed.
// The code is text, so that a client understands a daemon that is newer than itself.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ErrorBody {
    /// The error code, for programs.
    #[schemars(with = "ErrorCode")]
    pub code: String,
    /// A sentence for people; its wording may change.
    pub message: String,
    /// What the error is about, such as ids, a path or the supported values; absent when empty.
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
