//! Parsing the arguments of a host call.

use serde::de::DeserializeOwned;

use crate::ipc::value::Content;
use crate::ipc::{HostCall, HostError};

/// The longest path that the system takes, in bytes: `PATH_MAX` of Linux without its NUL.
const MAX_PATH_BYTES: usize = 4095;

/// How much of a path that is too long an error shows, in bytes.
const SHOWN_PATH_BYTES: usize = 100;

/// The arguments of a call, as a tuple. `usage` is how the function is called, for the error.
///
/// # Errors
/// `ERR_INVALID_ARG_TYPE` when the arguments have other types, or another number.
pub(crate) fn args<T: DeserializeOwned>(call: &HostCall, usage: &str) -> Result<T, HostError> {
    serde_json::from_str(call.args.get()).map_err(|_| {
        HostError::with_code(
            "ERR_INVALID_ARG_TYPE",
            format!("use {}.{usage}", call.module),
        )
    })
}

/// The text of an argument.
///
/// # Errors
/// `ERR_INVALID_ARG_TYPE` when the argument is no text.
pub(crate) fn text<'a>(call: &'a HostCall, given: &'a Content) -> Result<&'a str, HostError> {
    given.text(&call.body).ok_or_else(|| {
        HostError::with_code(
            "ERR_INVALID_ARG_TYPE",
            format!(
                "{}.{}: an argument is not a string",
                call.module, call.function
            ),
        )
    })
}

/// The path that an argument holds.
///
/// # Errors
/// `ERR_INVALID_ARG_TYPE` when the argument is no text, and `ENAMETOOLONG` when it is longer than
/// the system takes: later errors may then repeat the path.
pub(crate) fn path<'a>(call: &'a HostCall, given: &'a Content) -> Result<&'a str, HostError> {
    let path = text(call, given)?;
    if path.len() <= MAX_PATH_BYTES {
        return Ok(path);
    }
    let start = &path[..path.floor_char_boundary(SHOWN_PATH_BYTES)];
    let message = format!(
        "ENAMETOOLONG: name too long, {} '{start}...': it has {} bytes, and a path may have {MAX_PATH_BYTES}",
        call.function,
        path.len()
    );
    Err(HostError::with_code("ENAMETOOLONG", message))
}
