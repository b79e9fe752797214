//! The errors of a call.

use std::error::Error as _;
use std::io;

use serde_json::{Map, Value};

/// Why a call returns no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text that was given as the daemon's URL is not one.
    #[error("{url:?} is not the URL of a daemon: {reason} (an example: http://127.0.0.1:3210)")]
    BaseUrl {
        /// The text as it was given.
        url: String,
        /// The reason why it is refused.
        reason: String,
    },
    /// An id or a name that can't be a path segment of a URL: empty, `.` or `..`.
    #[error("{0:?} can't be an id or a name")]
    PathSegment(String),
    /// A token that contains characters that a header can't carry.
    #[error("the token has characters that it can't have")]
    Token,
    /// The HTTP client can't be created.
    #[error("cannot set up an HTTP client")]
    Setup(#[source] reqwest::Error),
    /// No connection to the URL can be made.
    #[error("cannot reach the daemon at {url}: {reason}")]
    Unreachable {
        /// The daemon's URL.
        url: String,
        /// The cause, or the remedy if no daemon listens there.
        reason: String,
        /// The transport's error.
        source: reqwest::Error,
    },
    /// The daemon did not accept a connection within the time limit.
    #[error("the daemon at {url} did not answer in time")]
    Timeout {
        /// The daemon's URL.
        url: String,
        /// The transport's error.
        source: reqwest::Error,
    },
    /// The connection ended before the response was complete.
    #[error("the connection to the daemon at {url} broke before the answer was complete")]
    Interrupted {
        /// The daemon's URL.
        url: String,
        /// The transport's error.
        source: reqwest::Error,
    },
    /// A stream or a backup ended before its end was announced.
    #[error("the stream from the daemon at {url} broke off")]
    UnexpectedEnd {
        /// The daemon's URL.
        url: String,
    },
    /// The response is not one of a vm-system daemon, or of a version that this client does not
    /// understand.
    #[error("{url} does not answer as a vm-system daemon does: {reason}")]
    Protocol {
        /// The daemon's URL.
        url: String,
        /// The difference from the expected response.
        reason: String,
    },
    /// The daemon refused the request.
    #[error("{code}: {message}")]
    Api {
        /// The HTTP status.
        status: u16,
        /// The error code, like `SESSION_BUSY`: an [`ErrorCode`](vmapi_types::ErrorCode), or one
        /// that is newer than this client.
        code: String,
        /// The message in English, for people.
        message: String,
        /// The objects that the error is about, like `session_id`; may be empty.
        details: Map<String, Value>,
    },
}

impl Error {
    pub(crate) fn transport(url: &str, source: reqwest::Error) -> Self {
        let url = url.to_owned();
        if source.is_timeout() {
            Self::Timeout { url, source }
        } else if source.is_connect() {
            let reason = if has_no_listener(&source) {
                "is \"vm-system serve\" running?".to_owned()
            } else {
                root_cause(&source)
            };
            Self::Unreachable {
                url,
                reason,
                source,
            }
        } else if is_broken_connection(&source) {
            Self::Interrupted { url, source }
        } else {
            Self::Protocol {
                url,
                reason: root_cause(&source),
            }
        }
    }
}

/// Whether nothing listens at the address, as opposed to an unknown host name or a socket without
/// permission.
fn has_no_listener(error: &reqwest::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            )
        })
}

/// Whether the daemon closed the connection, as opposed to a response that is not HTTP. The HTTP
/// library has no error type for the first text, and no public one for the second.
fn is_broken_connection(error: &reqwest::Error) -> bool {
    causes(error).any(|cause| {
        let text = cause.to_string();
        cause.is::<io::Error>()
            || text.starts_with("connection closed before message completed")
            || text.starts_with("end of file before message length reached")
    })
}

fn root_cause(error: &reqwest::Error) -> String {
    let root = causes(error).last();
    root.map_or_else(|| error.to_string(), ToString::to_string)
}

/// The causes of an error, the nearest first.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
