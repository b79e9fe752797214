//! The functions of the module, one for each operation of the file system.

use std::path::Path;

use nix::errno::Errno;
use serde_json::{Value, json};
use vmcontrol::{FileError, FileStat, MemoryBudget, Scoped, WriteMode};

use super::errors::{Wording, errno_of, with_path};
use crate::host_modules::broker::answering::Answering;
use crate::host_modules::broker::arguments::{args, path as path_of};
use crate::host_modules::broker::reply::{answer, done, unknown_function};
use crate::ipc::value::{self, Content, Span};
use crate::ipc::{HostCall, HostError, HostReply, PIECE_BYTES, WHOLE};

/// The largest file that a script can read at once, in bytes.
const MAX_READ_BYTES: u64 = 16 * 1024 * 1024;

/// One call, on a thread that may block.
pub(super) struct Operations<'a> {
    /// The worktree as far as the session may use it.
    pub(super) files: Scoped<'a>,
    /// The id of the session's template, for the remedies that errors name.
    pub(super) template: String,
    /// The memory that the daemon may hold for sessions.
    pub(super) memory: &'a MemoryBudget,
    pub(super) answering: &'a Answering,
}

impl Operations<'_> {
    /// Carries out the operation of the call.
    ///
    /// # Errors
    /// The error to throw.
    pub(super) fn carry_out(&self, call: &HostCall) -> HostReply {
        // The call may have waited for a thread until after the end of its run.
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
        // The path of the answer is relative or absolute as the given one is.
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
            !recursive && errno_of(error).is_some_and(|errno| errno == Errno::EISDIR)
        };
        match self.files.remove(path, recursive, force) {
            Ok(()) => done(),
            Err(error) if is_folder(&error) => {
                let message =
                    format!("Path is a directory: rm returned EISDIR (is a directory) {path}");
                let error = HostError::with_code("ERR_FS_EISDIR", message);
                Err(with_path(error, "rm", path))
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
        self.wording().of_path(syscall, path, error)
    }

    fn error_of_two(&self, syscall: &str, from: &str, to: &str, error: &FileError) -> HostError {
        self.wording().of_two_paths(syscall, from, to, error)
    }

    fn wording(&self) -> Wording<'_> {
        Wording {
            template: &self.template,
        }
    }
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
