//! Killing the descendants of a process.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};

/// Kills the children of this process. This process has one thread and reaps no child in the
/// meantime, so that no id can go to another process.
pub(super) fn kill_children() {
    let own = getpid();
    let listed = fs::read_to_string(format!("/proc/self/task/{own}/children"));
    let children: Vec<Pid> = match listed {
        Ok(listed) => listed
            .split_whitespace()
            .filter_map(|pid| pid.parse().ok().map(Pid::from_raw))
            .collect(),
        // Some kernels are built without this list.
        Err(_) => processes()
            .filter(|process| process.parent == own)
            .map(|process| process.pid)
            .collect(),
    };
    for child in children {
        // A failure is ignored: the process may belong to another user.
        let _ = kill(child, Signal::SIGKILL);
    }
}

/// Kills the descendants of `root`, a child of this process that has not been reaped, but not
/// `root` itself. It reads the kernel's lists of children, so that its time depends only on the
/// number of descendants; but a list may lack a process while others end.
pub(crate) fn kill_listed_below(root: Pid) {
    let mut found = children_of(root);
    let mut next = 0;
    while let Some(process) = found.get(next) {
        let below = children_of(process.pid);
        found.extend(below);
        next += 1;
    }
    kill_in_order(root, found);
}

/// The children of a process, by the lists of its threads.
fn children_of(parent: Pid) -> Vec<Process> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task"));
    let lists = tasks.into_iter().flatten().filter_map(|task| {
        let list = task.ok()?.path().join("children");
        fs::read_to_string(list).ok()
    });
    let children = |list: String| {
        let pids = list.split_whitespace().filter_map(|pid| pid.parse().ok());
        pids.map(Pid::from_raw).collect::<Vec<_>>()
    };
    let pids = lists.flat_map(children);
    pids.map(|pid| Process { pid, parent }).collect()
}

/// As [`kill_listed_below`], but it reads every process of the system. Returns how many processes
/// were killed. They may have forked before.
pub(crate) fn kill_below(root: Pid) -> usize {
    let all: HashMap<Pid, Process> = processes().map(|process| (process.pid, process)).collect();
    let depth = |process: &Process| {
        let mut parent = process.parent;
        // The processes were not read at one moment, so that parents may seem to form a ring.
        for depth in 0..all.len() {
            if parent == root {
                return Some(depth);
            }
            parent = all.get(&parent)?.parent;
        }
        None
    };
    let mut below: Vec<_> = all
        .values()
        .filter_map(|process| Some((depth(process)?, *process)))
        .collect();
    below.sort_by_key(|(depth, _)| *depth);
    kill_in_order(root, below.into_iter().map(|(_, process)| process))
}

/// Kills parents before their children, because a parent could react to the death of a child.
/// Returns how many were killed.
fn kill_in_order(root: Pid, processes: impl IntoIterator<Item = Process>) -> usize {
    let killed = processes
        .into_iter()
        .filter(|process| kill_still(process, root).is_ok());
    killed.count()
}

/// A process that has not ended.
#[derive(Clone, Copy)]
struct Process {
    pid: Pid,
    parent: Pid,
}

/// All processes that this process can see.
fn processes() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| {
        let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
        read(Pid::from_raw(pid))
    })
}

/// The process with that id; `None` if there is none or it has ended.
fn read(pid: Pid) -> Option<Process> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold any characters.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Process {
        pid,
        parent: Pid::from_raw(parent),
    })
}

/// Kills a process unless its id now belongs to another one: its parent must be the same, or
/// `root`, which adopts orphans.
///
/// # Errors
/// When there is no such process, or it can't be killed.
fn kill_still(process: &Process, root: Pid) -> io::Result<()> {
    // SAFETY: the call takes only numbers.
    let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, process.pid.as_raw(), 0) };
    let fd = Errno::result(opened)?;
    // SAFETY: the kernel has just made this descriptor, and nothing else in this process has it.
    let fd = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(io::Error::other)?) };
    // The descriptor belongs to the process that has the id now.
    let is_same = |now: Process| now.parent == process.parent || now.parent == root;
    if !read(process.pid).is_some_and(is_same) {
        return Err(io::ErrorKind::NotFound.into());
    }
    let (fd, none) = (fd.as_raw_fd(), std::ptr::null::<libc::siginfo_t>());
    // SAFETY: the descriptor is open, and the kernel accepts a null pointer in place of signal
    // information.
    let sent = unsafe { libc::syscall(libc::SYS_pidfd_send_signal, fd, libc::SIGKILL, none, 0) };
    Errno::result(sent)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Kills what is below a shell until nothing is left. Returns whether the shell itself still
    /// runs.
    fn kills_all_but_the_shell(kill: impl Fn(Pid)) -> bool {
        let mut shell = Command::new("sh")
            .args(["-c", "sleep 600 & sleep 600 & sleep 600 & read line"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let pid = Pid::from_raw(i32::try_from(shell.id()).unwrap());
        let below = || {
            let children = children_of(pid).into_iter();
            children.filter(|child| read(child.pid).is_some()).count()
        };
        while below() < 3 {
            std::thread::yield_now();
        }
        while below() > 0 {
            kill(pid);
        }
        let is_spared = shell.try_wait().unwrap().is_none();
        shell.kill().unwrap();
        shell.wait().unwrap();
        is_spared
    }

    #[test]
    fn all_below_a_process_is_killed_and_not_the_process_itself() {
        assert!(kills_all_but_the_shell(kill_listed_below));
        assert!(kills_all_but_the_shell(|pid| {
            kill_below(pid);
        }));
    }

    #[test]
    fn a_process_that_has_another_parent_is_not_killed() {
        let mut other = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(other.id()).unwrap());
        let stale = Process {
            pid,
            parent: Pid::from_raw(1),
        };
        assert!(kill_still(&stale, stale.parent).is_err());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
