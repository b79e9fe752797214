use std::error::Error as _;
use std::io;

use serde_json::{Map, Value};

/// Why a call has no answer, or not the wished one.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text given as the daemon's URL is not one.
    #[error("{url:?} is not the URL of a daemon: {reason} (an example: http://127.0.0.1:3210)")]
    BaseUrl {
        /// The text.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// An id or a name that no URL can carry: empty, `.` or `..`.
    #[error("{0:?} can't be an id or a name")]
    PathSegment(String),
    /// A token that no header can carry.
    #[error("the token has characters that it can't have")]
    Token,
    /// The system gives no HTTP client.
    #[error("cannot set up an HTTP client")]
    Setup(#[source] reqwest::Error),
    /// Nothing listens at the URL, or nobody gets there.
    #[error("cannot reach the daemon at {url}: {reason}")]
    Unreachable {
        /// The daemon's URL.
        url: String,
        /// Why not, or what to do.
        reason: String,
        /// What the transport says.
        source: reqwest::Error,
    },
    /// No connection came about in time.
    #[error("the daemon at {url} did not answer in time")]
    Timeout {
        /// The daemon's URL.
        url: String,
        /// What the transport says.
        source: reqwest::Error,
    },
    /// The connection ended before the answer was complete.
    #[error("the connection to the daemon at {url} broke before the answer was complete")]
    Interrupted {
        /// The daemon's URL.
        url: String,
        /// What the transport says.
        source: reqwest::Error,
    },
    /// A stream ended before the execution did.
    #[error("the stream from the daemon at {url} broke off")]
    BrokeOff {
        /// The daemon's URL.
        url: String,
    },
    /// What answered is not a daemon, or not one that this client understands.
    #[error("{url} does not answer as a vm-system daemon does: {reason}")]
    Protocol {
        /// The daemon's URL.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// The daemon refused the request.
    #[error("{code}: {message}")]
    Api {
        /// The HTTP status.
        status: u16,
        /// The code, like `SESSION_BUSY`: an [`ErrorCode`](vmapi_types::ErrorCode), or one that is newer than this
        /// client.
        code: String,
        /// A sentence for people.
        message: String,
        /// What the error is about.
        details: Map<String, Value>,
    },
}

impl Error {
    pub(crate) fn transport(url: &str, source: reqwest::Error) -> Self {
        let url = url.to_owned();
        if source.is_timeout() {
            Self::Timeout { url, source }
        } else if source.is_connect() {
            let reason = if is_nobody_there(&source) {
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

/// Whether nothing listens there, as opposed to a name that is unknown or a socket that is another user's.
fn is_nobody_there(error: &reqwest::Error) -> bool {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|error| {
            matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            )
        })
}

/// Whether the other side went away, as opposed to saying something that is not HTTP. The HTTP library has no type for
/// the first text, and none that is public for the second.
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

/// What caused an error, and what caused that.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    std::iter::successors(error.source(), |&cause| cause.source())
}
