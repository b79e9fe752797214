//! Why a request failed, with the codes of Node.

use std::error::Error;
use std::io;

use url::Url;

use crate::ipc::HostError;

/// The error of a request that the HTTP client could not make. Its code follows from what caused
/// the client's error.
pub(super) fn of_client(error: &reqwest::Error, url: &Url) -> HostError {
    let code = code_of(error);
    let cause = causes(error)
        .last()
        .map_or_else(|| error.to_string(), ToString::to_string);
    let origin = url.origin().ascii_serialization();
    HostError::with_code(code, format!("fetch failed: {code} {origin}: {cause}"))
}

/// The error of a request that took longer than the script allows.
pub(super) fn timed_out(url: &Url, timeout_ms: u64) -> HostError {
    let origin = url.origin().ascii_serialization();
    HostError::with_code(
        "ETIMEDOUT",
        format!("fetch failed: ETIMEDOUT {origin}: no answer within {timeout_ms} ms"),
    )
}

fn code_of(error: &reqwest::Error) -> &'static str {
    for cause in causes(error) {
        // An `io::Error` may wrap another error, and have a kind but no number.
        if let Some(cause) = cause.downcast_ref::<io::Error>()
            && let Some(code) = of_kind(cause.kind())
        {
            return code;
        }
        if cause.is::<rustls::Error>() {
            return "EPROTO";
        }
    }
    if error.is_timeout() {
        "ETIMEDOUT"
    } else if error.is_connect() {
        "ECONNREFUSED"
    } else {
        "ECONNRESET"
    }
}

fn of_kind(kind: io::ErrorKind) -> Option<&'static str> {
    Some(match kind {
        io::ErrorKind::ConnectionRefused => "ECONNREFUSED",
        io::ErrorKind::ConnectionReset => "ECONNRESET",
        io::ErrorKind::ConnectionAborted => "ECONNABORTED",
        io::ErrorKind::BrokenPipe => "EPIPE",
        io::ErrorKind::TimedOut => "ETIMEDOUT",
        io::ErrorKind::HostUnreachable => "EHOSTUNREACH",
        io::ErrorKind::NetworkUnreachable => "ENETUNREACH",
        _ => return None,
    })
}

/// An error and its causes, the error first.
fn causes<'a>(error: &'a reqwest::Error) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    let first: &'a (dyn Error + 'static) = error;
    std::iter::successors(Some(first), |cause| {
        let cause: &'a (dyn Error + 'static) = *cause;
        // An `io::Error` does not give the error that it wraps as its source.
        match cause
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref)
        {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => cause.source(),
        }
    })
}
