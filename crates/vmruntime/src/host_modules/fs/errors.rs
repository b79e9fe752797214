//! The errors of the file system, with the texts of Node.

use std::path::Path;

use nix::errno::Errno;
use serde_json::json;
use vmcontrol::{FileAccess, FileError, FsRefusal};

use crate::host_modules::broker::errno::text_of;
use crate::host_modules::broker::reply::{add_capability_command, busy};
use crate::ipc::HostError;

/// Makes the errors of one session.
pub(super) struct Wording<'a> {
    /// The id of the session's template.
    pub(super) template: &'a str,
}

impl Wording<'_> {
    /// An error of a call that names one path.
    pub(super) fn of_path(&self, syscall: &str, path: &str, error: &FileError) -> HostError {
        let error = self.worded(&format!("{syscall} '{path}'"), error);
        with_path(error, syscall, path)
    }

    /// An error of a call that names two paths.
    pub(super) fn of_two_paths(
        &self,
        syscall: &str,
        from: &str,
        to: &str,
        error: &FileError,
    ) -> HostError {
        let error = self.worded(&format!("{syscall} '{from}' -> '{to}'"), error);
        let mut error = with_path(error, syscall, from);
        error.properties.insert("dest".into(), to.into());
        error
    }

    /// An error with the code and the text of Node, and with the reason where Node has no text.
    fn worded(&self, operation: &str, error: &FileError) -> HostError {
        let (code, reason) = match error {
            FileError::Outside(reason) => ("EACCES".into(), Some(reason.clone())),
            FileError::Root => ("EPERM".into(), Some("it is the worktree itself".into())),
            FileError::NotAFile => ("EINVAL".into(), Some("it is not a regular file".into())),
            FileError::TooLarge(_) => ("EFBIG".into(), Some(error.to_string())),
            FileError::NoRoom(_) => ("ENOSPC".into(), Some(error.to_string())),
            FileError::ListingTooLarge(_) => {
                let message = format!("{operation}: {error}");
                return HostError::with_code("ERR_LISTING_TOO_LARGE", message);
            }
            FileError::Busy => return busy(),
            FileError::Refused { access, path, why } => {
                ("EACCES".into(), Some(self.refusal(*access, path, *why)))
            }
            FileError::Io(_) => match errno_of(error) {
                Some(errno) => (format!("{errno:?}"), None),
                None => ("EIO".into(), Some(error.to_string())),
            },
        };
        let text = text_of(&code);
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        HostError::with_code(&code, format!("{code}: {text}, {operation}{reason}"))
    }

    /// Why the policy does not allow an access, with the remedy.
    fn refusal(&self, access: FileAccess, path: &Path, why: FsRefusal) -> String {
        let key = match access {
            FileAccess::Read | FileAccess::See => "read",
            FileAccess::Write => "write",
        };
        match why {
            FsRefusal::NotAllowed => {
                let config = json!({ key: [pattern_of(path)] });
                let command = add_capability_command(self.template, "fs", "NAME", Some(&config));
                format!(
                    "no fs capability of the template gives {access} here; add one for new sessions with {command}"
                )
            }
            FsRefusal::Denied => format!(
                "an fs capability of the template that is not enabled takes {access} away here; see \
                 `vm-system template list-capabilities {}`",
                self.template
            ),
        }
    }
}

/// The pattern of a capability that covers this path and no other.
fn pattern_of(path: &Path) -> String {
    if path.as_os_str().is_empty() || path == Path::new(".") {
        return "**".into();
    }
    let mut pattern = String::new();
    for character in path.to_string_lossy().chars() {
        if "?*[]{}\\".contains(character) {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

/// Adds the properties that Node gives such an error.
pub(super) fn with_path(mut error: HostError, syscall: &str, path: &str) -> HostError {
    error.properties.insert("syscall".into(), syscall.into());
    error.properties.insert("path".into(), path.into());
    error
}

/// The error number of the system; `None` if the error has none.
pub(super) fn errno_of(error: &FileError) -> Option<Errno> {
    use std::io::ErrorKind;

    let FileError::Io(error) = error else {
        return None;
    };
    if let Some(code) = error.raw_os_error() {
        return Some(Errno::from_raw(code)).filter(|errno| *errno != Errno::UnknownErrno);
    }
    // An error that the service itself finds has no number.
    Some(match error.kind() {
        ErrorKind::NotFound => Errno::ENOENT,
        ErrorKind::AlreadyExists => Errno::EEXIST,
        ErrorKind::IsADirectory => Errno::EISDIR,
        ErrorKind::NotADirectory => Errno::ENOTDIR,
        ErrorKind::DirectoryNotEmpty => Errno::ENOTEMPTY,
        ErrorKind::PermissionDenied => Errno::EACCES,
        ErrorKind::InvalidInput => Errno::EINVAL,
        _ => return None,
    })
}
