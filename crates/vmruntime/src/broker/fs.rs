//! `fs`: files inside the worktree.

use std::io;

use vmcontrol::{FileError, Worktree};

use super::{answer, args, done, unknown_function};
use crate::protocol::{HostCall, HostError, HostReply};

/// The largest file that a script can read at once, in bytes: the answer has to fit a message, as JSON text.
const MAX_READ_BYTES: u64 = 16 * 1024 * 1024;

pub(super) fn call(worktree: &Worktree, call: &HostCall) -> HostReply {
    match call.function.as_str() {
        "readFileSync" => read(worktree, call),
        "writeFileSync" => write(worktree, call),
        _ => Err(unknown_function(call)),
    }
}

fn read(worktree: &Worktree, call: &HostCall) -> HostReply {
    let given: Vec<serde_json::Value> = args(call, "readFileSync(path)")?;
    let path = path_of(&given, "readFileSync(path)")?;
    let bytes = worktree
        .read(path, MAX_READ_BYTES)
        .map_err(|error| file_error("open", path, &error))?;
    answer(&String::from_utf8_lossy(&bytes))
}

fn write(worktree: &Worktree, call: &HostCall) -> HostReply {
    let usage = "writeFileSync(path, data)";
    let given: Vec<serde_json::Value> = args(call, usage)?;
    let path = path_of(&given, usage)?;
    let Some(data) = given.get(1).and_then(serde_json::Value::as_str) else {
        return Err(HostError::with_code(
            "ERR_INVALID_ARG_TYPE",
            format!("fs.{usage}: data must be a string"),
        ));
    };
    worktree
        .write(path, data.as_bytes())
        .map_err(|error| file_error("open", path, &error))?;
    done()
}

fn path_of<'a>(given: &'a [serde_json::Value], usage: &str) -> Result<&'a str, HostError> {
    given
        .first()
        .and_then(serde_json::Value::as_str)
        .ok_or_else(|| {
            HostError::with_code(
                "ERR_INVALID_ARG_TYPE",
                format!("fs.{usage}: path must be a string"),
            )
        })
}

/// An error as Node words it, with its code.
fn file_error(operation: &str, path: &str, error: &FileError) -> HostError {
    let (code, text) = match error {
        FileError::Outside(reason) => ("EACCES", format!("permission denied ({reason})")),
        FileError::NotAFile => ("EISDIR", "not a regular file".into()),
        FileError::TooLarge(limit) => ("EFBIG", format!("file larger than {limit} bytes")),
        FileError::Io(error) => match error.kind() {
            io::ErrorKind::NotFound => ("ENOENT", "no such file or directory".into()),
            io::ErrorKind::NotADirectory => ("ENOTDIR", "not a directory".into()),
            io::ErrorKind::IsADirectory => ("EISDIR", "illegal operation on a directory".into()),
            io::ErrorKind::PermissionDenied => ("EACCES", "permission denied".into()),
            io::ErrorKind::StorageFull => ("ENOSPC", "no space left on device".into()),
            _ => ("EIO", error.to_string()),
        },
    };
    HostError::with_code(code, format!("{code}: {text}, {operation} '{path}'"))
}
