//! `fs`: files inside the worktree, as far as the template's capabilities give them.

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::errno::Errno;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use vmcontrol::{
    FileAccess, FileError, FileKind, FileStat, FsRefusal, Policy, Scoped, Worktree, WriteMode,
};

use super::{answer, args, blocking, done, hint, unknown_function, wire};
use crate::protocol::{HostCall, HostError, HostReply};

/// How long the end of what is done to files is waited for.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest file that a script can read at once, in bytes: the answer has to fit a message, as JSON text.
const MAX_READ_BYTES: u64 = 16 * 1024 * 1024;

/// What a session does to files, one thing after the other. Nobody can take it off the thread where it is done: it is told to
/// stop, and waited for.
#[derive(Default)]
pub(super) struct Files {
    /// Held while something is done.
    busy: Arc<Mutex<()>>,
    stop: Arc<AtomicBool>,
}

impl Files {
    /// Carries a call out. It goes on when the future is dropped, until [`stop`](Self::stop).
    pub(super) async fn call(
        &self,
        worktree: &Arc<Worktree>,
        policy: &Arc<Policy>,
        call: HostCall,
    ) -> HostReply {
        let busy = Arc::clone(&self.busy).lock_owned().await;
        // It was for what came before.
        self.stop.store(false, Ordering::Relaxed);
        let (worktree, policy) = (Arc::clone(worktree), Arc::clone(policy));
        let stop = Arc::clone(&self.stop);
        blocking(move || {
            let _busy = busy;
            carry_out(&worktree, &policy, &stop, &call)
        })
        .await
    }

    /// Ends what is done, and waits until it has ended. A disk that does not answer is not waited for.
    pub(super) async fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        if tokio::time::timeout(STOP_TIMEOUT, self.busy.lock())
            .await
            .is_err()
        {
            tracing::warn!("what an execution that was rolled back does to files goes on");
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

fn carry_out(
    worktree: &Worktree,
    policy: &Policy,
    stop: &AtomicBool,
    call: &HostCall,
) -> HostReply {
    let fs = Fs {
        files: worktree.scoped(&policy.grants.fs).until(stop),
        template: policy.template_id.to_string(),
    };
    // It may have waited for a thread for longer than its run.
    fs.files
        .go_on()
        .map_err(|error| HostError::new(error.to_string()))?;
    match call.function.as_str() {
        "readFile" => fs.read_file(call),
        "writeFile" => fs.write_file(call),
        "exists" => fs.exists(call),
        "stat" => fs.stat(call),
        "readdir" => fs.readdir(call),
        "mkdir" => fs.mkdir(call),
        "rm" => fs.rm(call),
        "unlink" => fs.unlink(call),
        "rmdir" => fs.rmdir(call),
        "rename" => fs.rename(call),
        "copyFile" => fs.copy_file(call),
        _ => Err(unknown_function(call)),
    }
}

struct Fs<'a> {
    files: Scoped<'a>,
    template: String,
}

impl Fs<'_> {
    fn read_file(&self, call: &HostCall) -> HostReply {
        let (path, as_text): (String, bool) = args(call, "readFile(path, asText)")?;
        let bytes = self
            .files
            .read(&path, MAX_READ_BYTES)
            .map_err(|error| self.error("open", &path, &error))?;
        if as_text {
            answer(&String::from_utf8_lossy(&bytes))
        } else {
            answer(&wire::bytes(&bytes))
        }
    }

    fn write_file(&self, call: &HostCall) -> HostReply {
        let usage = "writeFile(path, data, flag)";
        let (path, data, flag): (String, Value, String) = args(call, usage)?;
        let data = wire::content(&data).ok_or_else(|| {
            HostError::with_code(
                "ERR_INVALID_ARG_TYPE",
                "fs.writeFile: data must be a string or bytes",
            )
        })?;
        let mode = match flag.as_str() {
            "w" | "a" | "wx" | "ax" => WriteMode {
                append: flag.starts_with('a'),
                exclusive: flag.ends_with('x'),
            },
            _ => {
                return Err(HostError::with_code(
                    "ERR_INVALID_ARG_VALUE",
                    format!("fs.writeFile: flag {flag:?} is not one of w, a, wx, ax"),
                ));
            }
        };
        self.files
            .write(&path, &data, mode)
            .map_err(|error| self.error("open", &path, &error))?;
        done()
    }

    fn exists(&self, call: &HostCall) -> HostReply {
        let (path,): (String,) = args(call, "exists(path)")?;
        answer(&self.files.exists(&path))
    }

    fn stat(&self, call: &HostCall) -> HostReply {
        let (path, follow): (String, bool) = args(call, "stat(path, follow)")?;
        let syscall = if follow { "stat" } else { "lstat" };
        let stat = self
            .files
            .stat(&path, follow)
            .map_err(|error| self.error(syscall, &path, &error))?;
        answer(&stat_value(&stat))
    }

    fn readdir(&self, call: &HostCall) -> HostReply {
        let (path, recursive): (String, bool) = args(call, "readdir(path, recursive)")?;
        let listed = self
            .files
            .read_dir(&path, recursive)
            .map_err(|error| self.error("scandir", &path, &error))?;
        let entry = |(name, kind): (String, FileKind)| json!({"name": name, "kind": kind.as_str()});
        answer(&listed.into_iter().map(entry).collect::<Vec<_>>())
    }

    fn mkdir(&self, call: &HostCall) -> HostReply {
        let (path, recursive): (String, bool) = args(call, "mkdir(path, recursive)")?;
        let made = self
            .files
            .make_dir(&path, recursive)
            .map_err(|error| self.error("mkdir", &path, &error))?;
        // The path is told as it was given: below the worktree, or from the root.
        let made = made.filter(|_| recursive).map(|made| {
            if Path::new(&path).is_absolute() {
                self.files.worktree_path().join(made)
            } else {
                made
            }
        });
        answer(&made.map(|made| made.to_string_lossy().into_owned()))
    }

    fn rm(&self, call: &HostCall) -> HostReply {
        let (path, recursive, force): (String, bool, bool) =
            args(call, "rm(path, recursive, force)")?;
        let is_folder = |error: &FileError| {
            !recursive && errno(error).is_some_and(|errno| errno == Errno::EISDIR)
        };
        match self.files.remove(&path, recursive, force) {
            Ok(()) => done(),
            Err(error) if is_folder(&error) => {
                let message =
                    format!("Path is a directory: rm returned EISDIR (is a directory) {path}");
                Err(with_place(
                    HostError::with_code("ERR_FS_EISDIR", message),
                    "rm",
                    &path,
                ))
            }
            Err(error) => Err(self.error("rm", &path, &error)),
        }
    }

    fn unlink(&self, call: &HostCall) -> HostReply {
        let (path,): (String,) = args(call, "unlink(path)")?;
        self.files
            .unlink(&path)
            .map_err(|error| self.error("unlink", &path, &error))?;
        done()
    }

    fn rmdir(&self, call: &HostCall) -> HostReply {
        let (path,): (String,) = args(call, "rmdir(path)")?;
        self.files
            .remove_dir(&path)
            .map_err(|error| self.error("rmdir", &path, &error))?;
        done()
    }

    fn rename(&self, call: &HostCall) -> HostReply {
        let (from, to): (String, String) = args(call, "rename(from, to)")?;
        self.files
            .rename(&from, &to)
            .map_err(|error| self.error_of_two("rename", &from, &to, &error))?;
        done()
    }

    fn copy_file(&self, call: &HostCall) -> HostReply {
        let (from, to, exclusive): (String, String, bool) =
            args(call, "copyFile(from, to, exclusive)")?;
        self.files
            .copy(&from, &to, exclusive)
            .map_err(|error| self.error_of_two("copyfile", &from, &to, &error))?;
        done()
    }

    fn error(&self, syscall: &str, path: &str, error: &FileError) -> HostError {
        let error = self.worded(&format!("{syscall} '{path}'"), error);
        with_place(error, syscall, path)
    }

    fn error_of_two(&self, syscall: &str, from: &str, to: &str, error: &FileError) -> HostError {
        let error = self.worded(&format!("{syscall} '{from}' -> '{to}'"), error);
        let mut error = with_place(error, syscall, from);
        error.properties.insert("dest".into(), to.into());
        error
    }

    /// An error as Node words it, with its code; where Node would have nothing to say, with the reason.
    fn worded(&self, operation: &str, error: &FileError) -> HostError {
        let (code, reason) = match error {
            FileError::Outside(reason) => ("EACCES".into(), Some(reason.clone())),
            FileError::Root => ("EPERM".into(), Some("it is the worktree itself".into())),
            FileError::NotAFile => ("EINVAL".into(), Some("it is not a regular file".into())),
            FileError::TooLarge(_) | FileError::TooMany(_) => {
                ("EFBIG".into(), Some(error.to_string()))
            }
            FileError::Refused { access, path, why } => {
                ("EACCES".into(), Some(self.refusal(*access, path, *why)))
            }
            FileError::Io(_) => match errno(error) {
                Some(errno) => (format!("{errno:?}"), None),
                None => ("EIO".into(), Some(error.to_string())),
            },
        };
        let text = text_of(&code);
        let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
        HostError::with_code(&code, format!("{code}: {text}, {operation}{reason}"))
    }

    fn refusal(&self, access: FileAccess, path: &Path, why: FsRefusal) -> String {
        let key = match access {
            FileAccess::Read | FileAccess::See => "read",
            FileAccess::Write => "write",
        };
        match why {
            FsRefusal::NotGiven => {
                let config = json!({ key: [pattern_of(path)] });
                let command = hint(&self.template, "fs", "NAME", Some(&config));
                format!(
                    "no fs capability of the template gives {access} here; add one for new sessions with {command}"
                )
            }
            FsRefusal::TakenAway => format!(
                "an fs capability of the template that is not enabled takes {access} away here; see \
                 `vm-system template list-capabilities {}`",
                self.template
            ),
        }
    }
}

/// The pattern that covers a path alone.
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

fn stat_value(stat: &FileStat) -> Value {
    json!({
        "kind": stat.kind.as_str(),
        "size": stat.size,
        "mode": stat.mode,
        "mtimeMs": stat.mtime_ms,
        "atimeMs": stat.atime_ms,
        "ctimeMs": stat.ctime_ms,
        "birthtimeMs": stat.birthtime_ms,
        "ino": stat.ino,
        "dev": stat.dev,
        "nlink": stat.nlink,
        "uid": stat.uid,
        "gid": stat.gid,
    })
}

fn with_place(mut error: HostError, syscall: &str, path: &str) -> HostError {
    error.properties.insert("syscall".into(), syscall.into());
    error.properties.insert("path".into(), path.into());
    error
}

fn errno(error: &FileError) -> Option<Errno> {
    use std::io::ErrorKind;

    let FileError::Io(error) = error else {
        return None;
    };
    if let Some(code) = error.raw_os_error() {
        return Some(Errno::from_raw(code)).filter(|errno| *errno != Errno::UnknownErrno);
    }
    // Those that the service itself finds have no number.
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

/// The words that Node has for a code.
pub(super) fn text_of(code: &str) -> &'static str {
    match code {
        "EACCES" => "permission denied",
        "EBUSY" => "resource busy or locked",
        "EDQUOT" => "disk quota exceeded",
        "EEXIST" => "file already exists",
        "EFBIG" => "file too large",
        "EINVAL" => "invalid argument",
        "EISDIR" => "illegal operation on a directory",
        "ELOOP" => "too many symbolic links encountered",
        "EMFILE" => "too many open files",
        "EMLINK" => "too many links",
        "ENAMETOOLONG" => "name too long",
        "ENFILE" => "file table overflow",
        "ENOENT" => "no such file or directory",
        "ENOSPC" => "no space left on device",
        "ENOTDIR" => "not a directory",
        "ENOTEMPTY" => "directory not empty",
        "ENXIO" => "no such device or address",
        "EPERM" => "operation not permitted",
        "EROFS" => "read-only file system",
        "ETXTBSY" => "text file is busy",
        "EXDEV" => "cross-device link not permitted",
        _ => "i/o error",
    }
}
