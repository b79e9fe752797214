//! Killing what is below a process.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

/// Kills the children of this process, which has one thread and reaps nobody meanwhile: none of the ids can be anybody else's.
pub(super) fn kill_children() {
    let own = getpid();
    let listed = fs::read_to_string(format!("/proc/self/task/{own}/children"));
    let children: Vec<Pid> = match listed {
        Ok(listed) => listed
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
            .collect(),
        // Not every kernel has this list.
        Err(_) => processes()
            .filter(|process| process.parent == own)
            .map(|process| process.pid)
            .collect(),
    };
    for child in children {
        // It may be of another user.
        let _ = kill(child, Signal::SIGKILL);
    }
}

/// Kills all processes below a child of this process that has not been reaped, but not the child itself. Returns how many there
/// were; they may have forked meanwhile.
pub(crate) fn kill_below(root: Pid) -> usize {
    let all: HashMap<Pid, Process> = processes().map(|process| (process.pid, process)).collect();
    let is_below = |process: &&Process| {
        let mut parent = process.parent;
        // The list is not of one moment: what looks like a ring is none.
        for _ in 0..all.len() {
            if parent == root {
                return true;
            }
            match all.get(&parent) {
                Some(next) => parent = next.parent,
                None => return false,
            }
        }
        false
    };
    let below = all.values().filter(is_below);
    below.filter(|process| kill_still(process).is_ok()).count()
}

/// A process that is no zombie.
struct Process {
    pid: Pid,
    parent: Pid,
}

/// All processes, as far as they can be seen.
fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        read(Pid::from_raw(pid))
    })
}

fn read(pid: Pid) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Process {
        pid,
        parent: Pid::from_raw(parent),
    })
}

/// Kills a process if its id is still its own.
fn kill_still(process: &Process) -> io::Result<()> {
    // SAFETY: the call takes numbers alone.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, process.pid.as_raw(), 0) };
    let fd = Errno::result(opened)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(io::Error::other)?) };
    // The descriptor is of the process that has the id now. A new one would hardly have the same parent; if that has died, the
    // process has another one, and is found the next time.
    if read(process.pid).is_none_or(|now| now.parent != process.parent) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let (fd, none) = (fd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: the descriptor is open, and without information of ours the kernel makes its own.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, none, 0) };
    Errno::result(sent)?;
    Ok(())
}
