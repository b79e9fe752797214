//! The database process: it carries out the calls to the module `database`, for one session.
//!
//! SQL is code of the script, and SQLite has settings for the whole process, maps files that the
//! script can truncate, and deletes files that a crafted journal names. So SQL of scripts does not
//! run in the daemon, whose own database uses the same library. This process can reach only the
//! worktree of the file system (by Landlock, where the kernel has it) and has a limit on its
//! memory. It interrupts a statement when the run that called it ends, and ends when the daemon
//! closes the channel.

mod errors;
mod parameters;
mod sqlite;
#[cfg(test)]
mod tests;
mod writes;

use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use landlock::{
    ABI, Access, AccessFs, Ruleset, RulesetAttr, RulesetCreatedAttr, path_beneath_rules,
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::resource::{Resource, setrlimit};
use vmcontrol::{Worktree, WriteLimits};

use crate::ipc::worker_end::Channel;
use crate::ipc::{CONTROL_FD, HostAnswer, HostCall, MAX_FROM_SESSION_BYTES, WHOLE};
use crate::worker::oom;

/// The first argument of a database process, in place of the name of an engine.
pub(crate) const ARGUMENT: &str = "database";

/// How long a statement waits for a lock that another connection holds.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// The limit of the process's address space, in bytes. It holds the program itself and the memory
/// of SQLite.
const ADDRESS_SPACE_BYTES: u64 = 1024 * 1024 * 1024;

/// Serves the calls of a session until the daemon closes the channel. `args` are how much a run may
/// write, how much of the disk must stay free (both in bytes), the worktree, and the files that
/// must not be opened.
///
/// # Errors
/// When the process can't be confined, or the channel fails.
pub(crate) fn serve(args: &mut dyn Iterator<Item = OsString>) -> io::Result<()> {
    if let Some(scores) = oom::Scores::inherited() {
        oom::raise(scores.session);
    }
    // SAFETY: the daemon leaves its end of the channel at this descriptor, and nothing else here
    // uses it.
    let channel = unsafe { OwnedFd::from_raw_fd(CONTROL_FD) };
    let channel = Channel::new(channel, MAX_FROM_SESSION_BYTES);
    let mut next = |what: &str| {
        let missing = || io::Error::other(format!("the argument is missing that says {what}"));
        args.next().ok_or_else(missing)
    };
    let number = |text: OsString| {
        let text = text.to_string_lossy();
        text.parse::<u64>().map_err(io::Error::other)
    };
    let limits = WriteLimits {
        max_write_bytes: number(next("what a run may write")?)?,
        min_free_bytes: number(next("what stays free")?)?,
    };
    let path = next("where the worktree is")?;
    let guarded = args.map(PathBuf::from).collect();
    let worktree =
        Worktree::open_blocking(&path.to_string_lossy(), guarded).map_err(io::Error::other)?;
    confine(worktree.path())?;
    writes::survive_long_writes()?;
    let worktree = Arc::new(worktree);
    let mut database = sqlite::Database::new(worktree, limits, is_interrupted, wait_for_lock);
    while let Some(received) = channel.receive::<HostCall>()? {
        let (reply, body) = database.call(&received.message);
        for part in HostAnswer::pieces(&[WHOLE], &body).chain(HostAnswer::of(reply)) {
            channel.send(&part)?;
        }
    }
    Ok(())
}

/// Whether the current statement must end, because the daemon has sent a message or has closed the
/// channel. SQLite calls it from time to time, because a statement may run without end.
fn is_interrupted() -> bool {
    // SAFETY: the channel is at this descriptor, and is open as long as this process serves.
    let channel = unsafe { BorrowedFd::borrow_raw(CONTROL_FD) };
    let mut channel = [PollFd::new(channel, PollFlags::POLLIN)];
    poll(&mut channel, PollTimeout::ZERO) == Ok(1)
}

/// Waits for the lock of another connection, for the `attempt`th time. Returns whether to try
/// again.
fn wait_for_lock(attempt: i32) -> bool {
    const PAUSE: Duration = Duration::from_millis(5);
    std::thread::sleep(PAUSE);
    PAUSE * attempt.unsigned_abs() < LOCK_TIMEOUT && !is_interrupted()
}

/// Confines the process to what it needs.
///
/// # Errors
/// When the system refuses.
fn confine(worktree: &Path) -> io::Result<()> {
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    setrlimit(
        Resource::RLIMIT_AS,
        ADDRESS_SPACE_BYTES,
        ADDRESS_SPACE_BYTES,
    )?;
    // A kernel enforces the rules that it knows; one without Landlock enforces none.
    let all = AccessFs::from_all(ABI::V5);
    Ruleset::default()
        .handle_access(all)
        .and_then(Ruleset::create)
        .and_then(|rules| rules.add_rules(path_beneath_rules([worktree], all)))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(drop)
        .map_err(io::Error::other)
}
