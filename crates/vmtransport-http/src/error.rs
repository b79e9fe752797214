//! The one mapping from errors to answers.

use std::error::Error as _;
use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use vmapi_types::{ErrorBody, ErrorCode, ErrorEnvelope};
use vmcontrol::{Error, UnreadableRecord};

use crate::respond::Body;

/// The value of `Retry-After`: how long a client should wait before it retries, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("1");

const BEARER: HeaderValue = HeaderValue::from_static("Bearer");

const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// Why a request is answered with an error.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The request is not one that the route takes.
    InvalidRequest(String),
    /// The request names a host that is not served, no host, or two hosts.
    ForbiddenHost,
    /// The request comes from a page of another origin.
    ForbiddenOrigin,
    /// The daemon requires a token, and the request has none or a wrong one.
    Unauthorized,
    /// The body is larger than it may be.
    BodyTooLarge,
    /// The body did not arrive within this time.
    BodyTimeout(Duration),
    /// There is no memory left for large bodies.
    BodiesFull,
    /// The body has more values than fit in memory as trees.
    TooManyValues,
    /// The request says in two ways where its body ends, or in an unsupported way; the text says
    /// which way is supported.
    Framing(&'static str),
    /// The body is not declared as JSON.
    MediaType,
    /// The route does not exist.
    NoRoute,
    /// The route exists for other methods only.
    WrongMethod,
    /// The service refused or failed.
    Domain(Error),
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let ends_connection = matches!(self, Self::Framing(_));
        let (status, code, message, details) = match self {
            Self::InvalidRequest(message) => plain(ErrorCode::InvalidRequest, message),
            Self::ForbiddenHost => plain(
                ErrorCode::ForbiddenHost,
                "this host is not served: allow it with `serve --allow-host HOST:PORT`",
            ),
            Self::ForbiddenOrigin => plain(
                ErrorCode::ForbiddenOrigin,
                "pages of this origin may not call: allow it with `serve --allow-origin ORIGIN`",
            ),
            Self::Unauthorized => plain(
                ErrorCode::Unauthorized,
                "this daemon asks for a token: send `Authorization: Bearer …`, or give the command --token-file or \
                 VM_SYSTEM_TOKEN",
            ),
            Self::BodyTooLarge => plain(
                ErrorCode::PayloadTooLarge,
                "the body is larger than this daemon takes: `serve --max-body` says how large it may be",
            ),
            Self::BodyTimeout(timeout) => plain(
                ErrorCode::RequestTimeout,
                format!("the body did not arrive within {} s", timeout.as_secs()),
            ),
            Self::BodiesFull => plain(
                ErrorCode::Unavailable,
                "bodies of other requests take up all the memory there is for large ones: try again",
            ),
            Self::TooManyValues => plain(
                ErrorCode::PayloadTooLarge,
                "the body has more values than fit in memory: send fewer of them",
            ),
            Self::Framing(reason) => plain(ErrorCode::InvalidRequest, reason),
            Self::MediaType => plain(
                ErrorCode::UnsupportedMediaType,
                "send the body with the header Content-Type: application/json, once",
            ),
            Self::NoRoute => plain(ErrorCode::NotFound, "there is no such route"),
            Self::WrongMethod => plain(
                ErrorCode::MethodNotAllowed,
                "this route is for other methods: see the Allow header",
            ),
            Self::Domain(error) => of_domain(&error),
        };
        let envelope = ErrorEnvelope {
            error: ErrorBody {
                code: code.as_str().into(),
                message,
                details,
            },
        };
        let mut response = (status, Body(envelope)).into_response();
        let headers = response.headers_mut();
        if ends_connection {
            headers.insert(header::CONNECTION, CLOSE);
        }
        match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, BEARER);
            }
            // Otherwise the rest of the body would be parsed as the next request.
            StatusCode::REQUEST_TIMEOUT => {
                headers.insert(header::CONNECTION, CLOSE);
            }
            _ => {}
        }
        response
    }
}

/// The status, the code, the message and the details of an error answer.
type Parts = (StatusCode, ErrorCode, String, Map<String, Value>);

/// An error answer without details.
fn plain(code: ErrorCode, message: impl Into<String>) -> Parts {
    let status = StatusCode::from_u16(code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, code, message.into(), Map::new())
}

/// The error answer to a domain error. Bugs and damaged records are logged.
fn of_domain(error: &Error) -> Parts {
    match error {
        Error::Internal(_) => log_internal(error),
        Error::RecordUnreadable(record) => tracing::error!(%record, "a stored record is damaged"),
        _ => {}
    }
    let (status, code, message, _) = plain(code_of(error), error.to_string());
    (status, code, message, without_nulls(details_of(error)))
}

/// The code of a domain error.
fn code_of(error: &Error) -> ErrorCode {
    match error {
        Error::Validation { .. } => ErrorCode::ValidationError,
        Error::TemplateNotFound { .. } => ErrorCode::TemplateNotFound,
        Error::SessionNotFound { .. } => ErrorCode::SessionNotFound,
        Error::ExecutionNotFound { .. } => ErrorCode::ExecutionNotFound,
        Error::CapabilityNotFound { .. } | Error::StartupFileNotFound { .. } => ErrorCode::NotFound,
        Error::FileNotFound { .. } => ErrorCode::FileNotFound,
        Error::SessionNotReady { .. } => ErrorCode::SessionNotReady,
        Error::SessionBusy { .. } => ErrorCode::SessionBusy,
        Error::ExecutionExists { .. } => ErrorCode::ExecutionExists,
        Error::TemplateExists { .. } => ErrorCode::TemplateExists,
        Error::CapabilityExists { .. } => ErrorCode::CapabilityExists,
        Error::StartupFileExists { .. } => ErrorCode::StartupFileExists,
        Error::FileTooLarge { .. } => ErrorCode::PayloadTooLarge,
        Error::InvalidPath { .. } | Error::StartupPathInvalid { .. } => ErrorCode::InvalidPath,
        Error::WorktreeInvalid { .. } => ErrorCode::WorktreeInvalid,
        Error::OutputLimitExceeded { .. } => ErrorCode::OutputLimitExceeded,
        Error::StartupModeUnsupported { .. } => ErrorCode::StartupModeUnsupported,
        Error::ModuleNotAllowed { .. } => ErrorCode::ModuleNotAllowed,
        Error::EngineUnsupported { .. } => ErrorCode::EngineUnsupported,
        Error::StartupFailed { .. } => ErrorCode::StartupFailed,
        Error::LibraryUnavailable { .. } | Error::LibraryRefused { .. } => {
            ErrorCode::LibraryUnavailable
        }
        Error::RecordUnreadable(_) => ErrorCode::RecordUnreadable,
        Error::Internal(_) => ErrorCode::Internal,
        Error::Unavailable { .. } => ErrorCode::Unavailable,
    }
}

/// The details of a domain error; a field without a value is null.
fn details_of(error: &Error) -> Value {
    match error {
        Error::Validation { .. } | Error::Unavailable { .. } | Error::Internal(_) => json!({}),
        Error::TemplateNotFound { template_id } => json!({"template_id": template_id}),
        Error::SessionNotFound { session_id } | Error::SessionBusy { session_id } => {
            json!({"session_id": session_id})
        }
        Error::ExecutionNotFound { execution_id } | Error::ExecutionExists { execution_id } => {
            json!({"execution_id": execution_id})
        }
        Error::CapabilityNotFound {
            template_id,
            capability_id,
        } => json!({"template_id": template_id, "capability_id": capability_id}),
        Error::StartupFileNotFound {
            template_id,
            file_id,
        } => json!({"template_id": template_id, "file_id": file_id}),
        Error::FileNotFound { path }
        | Error::InvalidPath { path, .. }
        | Error::WorktreeInvalid { path, .. }
        | Error::FileTooLarge { path, .. } => json!({"path": path}),
        Error::SessionNotReady { session_id, status } => {
            json!({"session_id": session_id, "status": status})
        }
        Error::TemplateExists { name } | Error::ModuleNotAllowed { name, .. } => {
            json!({"name": name})
        }
        Error::CapabilityExists {
            template_id,
            kind,
            name,
        } => json!({"template_id": template_id, "kind": kind, "name": name}),
        Error::StartupFileExists { template_id, path } => {
            json!({"template_id": template_id, "path": path})
        }
        Error::OutputLimitExceeded {
            execution_id,
            session_id,
            ..
        } => json!({"execution_id": execution_id, "session_id": session_id}),
        Error::StartupModeUnsupported {
            requested,
            supported,
        } => json!({"requested_mode": requested, "supported_modes": supported}),
        Error::EngineUnsupported {
            requested,
            supported,
        } => json!({"requested_engine": requested, "supported_engines": supported}),
        Error::StartupFailed {
            session_id,
            path,
            execution_id,
            ..
        } => json!({"session_id": session_id, "path": path, "execution_id": execution_id}),
        Error::RecordUnreadable(UnreadableRecord { table, id, .. }) => {
            let name = match *table {
                "template" | "template_module" | "template_library" => "template_id",
                "session" => "session_id",
                "execution" | "event" => "execution_id",
                "capability" => "capability_id",
                "startup_file" => "file_id",
                _ => "id",
            };
            json!({"table": table, name: id})
        }
        Error::LibraryUnavailable {
            session_id, name, ..
        } => json!({"session_id": session_id, "library": name}),
        Error::StartupPathInvalid {
            session_id, path, ..
        } => json!({"session_id": session_id, "path": path}),
        Error::LibraryRefused {
            template_id, name, ..
        } => json!({"template_id": template_id, "library": name}),
    }
}

/// The fields of an object that have a value.
fn without_nulls(details: Value) -> Map<String, Value> {
    match details {
        Value::Object(details) => details
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .collect(),
        _ => Map::new(),
    }
}

/// Logs a bug with its causes. The client gets none of them.
fn log_internal(error: &Error) {
    let mut causes = String::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push_str(": ");
        causes.push_str(&cause.to_string());
        source = cause.source();
    }
    tracing::error!("{error}{causes}");
}
