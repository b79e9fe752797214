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
    FileAccess, FileError, FileStat, FsRefusal, MemoryBudget, Policy, Scoped, Worktree,
    WriteAllowance, WriteMode,
};

use super::{
    Answering, answer, args, blocking, busy, done, hint, path as path_of, unknown_function,
};
use crate::ipc::value::{self, Content, Span};
use crate::ipc::{HostCall, HostError, HostReply, PIECE_BYTES, WHOLE};

/// How long the end of what is done to files is waited for.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest file that a script can read at once, in bytes.
const MAX_READ_BYTES: u64 = 16 * 1024 * 1024;

/// What a session does to files, one thing after the other. Nobody can take it off the thread where it is done: it is told to
/// stop, and waited for.
pub(super) struct Files {
    /// Held while something is done.
    busy: Arc<Mutex<()>>,
    stop: Arc<AtomicBool>,
    memory: MemoryBudget,
    allowance: Arc<WriteAllowance>,
}

impl Files {
    pub(super) fn new(memory: MemoryBudget, allowance: Arc<WriteAllowance>) -> Self {
        Self {
            busy: Arc::default(),
            stop: Arc::default(),
            memory,
            allowance,
        }
    }

    /// Carries a call out. It goes on when the future is dropped, until [`stop`](Self::stop).
    pub(super) async fn call(
        &self,
        worktree: &Arc<Worktree>,
        policy: &Arc<Policy>,
        call: HostCall,
        answering: Answering,
    ) -> HostReply {
        let busy = Arc::clone(&self.busy).lock_owned().await;
        // It was for what came before.
        self.stop.store(false, Ordering::Relaxed);
        let (worktree, policy) = (Arc::clone(worktree), Arc::clone(policy));
        let (stop, allowance) = (Arc::clone(&self.stop), Arc::clone(&self.allowance));
        let memory = self.memory.clone();
        blocking(move || {
            let _busy = busy;
            let files = worktree.scoped(&policy.grants.fs);
            let fs = Fs {
                files: files.until(&stop).within(&allowance),
                template: policy.template_id.to_string(),
                memory: &memory,
                answering: &answering,
            };
            fs.carry_out(&call)
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

struct Fs<'a> {
    files: Scoped<'a>,
    template: String,
    memory: &'a MemoryBudget,
    answering: &'a Answering,
}

impl Fs<'_> {
    fn carry_out(&self, call: &HostCall) -> HostReply {
        // It may have waited for a thread for longer than its run.
        self.files
            .check_stop()
            .map_err(|error| HostError::new(error.to_string()))?;
        match call.function.as_str() {
            "readFile" => self.read_file(call),
            "writeFile" => self.write_file(call),
            "exists" => self.exists(call),
            "stat" => self.stat(call),
            "readdir" => self.readdir(call),
            "mkdir" => self.mkdir(call),
            "rm" => self.rm(call),
            "unlink" => self.unlink(call),
            "rmdir" => self.rmdir(call),
            "rename" => self.rename(call),
            "copyFile" => self.copy_file(call),
            _ => Err(unknown_function(call)),
        }
    }

    fn send(&self, bytes: &[u8]) -> Result<(), FileError> {
        let go_on = || self.files.check_stop();
        self.answering.send_blocking(&[WHOLE], bytes, go_on)
    }

    fn read_file(&self, call: &HostCall) -> HostReply {
        let (path, as_text): (Content, bool) = args(call, "readFile(path, asText)")?;
        let path = path_of(call, &path)?;
        let mut length = 0;
        self.files
            .read_in_steps(path, MAX_READ_BYTES, |step| {
                length += step.len();
                self.send(step)
            })
            .map_err(|error| self.error("open", path, &error))?;
        let all = Span(WHOLE, 0, length);
        answer(&if as_text {
            value::text_at(all)
        } else {
            value::bytes_at(all)
        })
    }

    fn write_file(&self, call: &HostCall) -> HostReply {
        let usage = "writeFile(path, data, flag)";
        let (path, data, flag): (Content, Content, String) = args(call, usage)?;
        let path = path_of(call, &path)?;
        let data = data.bytes(&call.body).ok_or_else(|| {
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
            .write(path, &data, mode)
            .map_err(|error| self.error("open", path, &error))?;
        done()
    }

    fn exists(&self, call: &HostCall) -> HostReply {
        let (path,): (Content,) = args(call, "exists(path)")?;
        answer(&self.files.exists(path_of(call, &path)?))
    }

    fn stat(&self, call: &HostCall) -> HostReply {
        let (path, follow): (Content, bool) = args(call, "stat(path, follow)")?;
        let path = path_of(call, &path)?;
        let syscall = if follow { "stat" } else { "lstat" };
        let stat = self
            .files
            .stat(path, follow)
            .map_err(|error| self.error(syscall, path, &error))?;
        answer(&stat_value(&stat))
    }

    fn readdir(&self, call: &HostCall) -> HostReply {
        let (path, recursive): (Content, bool) = args(call, "readdir(path, recursive)")?;
        let path = path_of(call, &path)?;
        let failed = |error| self.error("scandir", path, &error);
        let room = |bytes| self.memory.take_for_call(bytes);
        let listing = self.files.read_dir(path, recursive, room).map_err(failed)?;
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        for (name, kind) in &listing.entries {
            piece.push(kind.letter());
            piece.extend_from_slice(name.as_bytes());
            piece.push(0);
            if piece.len() >= PIECE_BYTES {
                self.send(&piece).map_err(failed)?;
                piece.clear();
            }
        }
        self.send(&piece).map_err(failed)?;
        answer(&value::entries_in(WHOLE))
    }

    fn mkdir(&self, call: &HostCall) -> HostReply {
        let (path, recursive): (Content, bool) = args(call, "mkdir(path, recursive)")?;
        let path = path_of(call, &path)?;
        let made = self
            .files
            .make_dir(path, recursive)
            .map_err(|error| self.error("mkdir", path, &error))?;
        // The path is told as it was given: below the worktree, or from the root.
        let made = made.filter(|_| recursive).map(|made| {
            if Path::new(path).is_absolute() {
                self.files.worktree_path().join(made)
            } else {
                made
            }
        });
        answer(&made.map(|made| made.to_string_lossy().into_owned()))
    }

    fn rm(&self, call: &HostCall) -> HostReply {
        let (path, recursive, force): (Content, bool, bool) =
            args(call, "rm(path, recursive, force)")?;
        let path = path_of(call, &path)?;
        let is_folder = |error: &FileError| {
            !recursive && errno(error).is_some_and(|errno| errno == Errno::EISDIR)
        };
        match self.files.remove(path, recursive, force) {
            Ok(()) => done(),
            Err(error) if is_folder(&error) => {
                let message =
                    format!("Path is a directory: rm returned EISDIR (is a directory) {path}");
                Err(with_place(
                    HostError::with_code("ERR_FS_EISDIR", message),
                    "rm",
                    path,
                ))
            }
            Err(error) => Err(self.error("rm", path, &error)),
        }
    }

    fn unlink(&self, call: &HostCall) -> HostReply {
        let (path,): (Content,) = args(call, "unlink(path)")?;
        let path = path_of(call, &path)?;
        self.files
            .unlink(path)
            .map_err(|error| self.error("unlink", path, &error))?;
        done()
    }

    fn rmdir(&self, call: &HostCall) -> HostReply {
        let (path,): (Content,) = args(call, "rmdir(path)")?;
        let path = path_of(call, &path)?;
        self.files
            .remove_dir(path)
            .map_err(|error| self.error("rmdir", path, &error))?;
        done()
    }

    fn rename(&self, call: &HostCall) -> HostReply {
        let (from, to): (Content, Content) = args(call, "rename(from, to)")?;
        let (from, to) = (path_of(call, &from)?, path_of(call, &to)?);
        self.files
            .rename(from, to)
            .map_err(|error| self.error_of_two("rename", from, to, &error))?;
        done()
    }

    fn copy_file(&self, call: &HostCall) -> HostReply {
        let (from, to, exclusive): (Content, Content, bool) =
            args(call, "copyFile(from, to, exclusive)")?;
        let (from, to) = (path_of(call, &from)?, path_of(call, &to)?);
        self.files
            .copy(from, to, exclusive)
            .map_err(|error| self.error_of_two("copyfile", from, to, &error))?;
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
            FsRefusal::NotAllowed => {
                let config = json!({ key: [pattern_of(path)] });
                let command = hint(&self.template, "fs", "NAME", Some(&config));
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
