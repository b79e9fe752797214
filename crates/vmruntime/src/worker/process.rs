//! System calls that make and end worker processes.

use std::ffi::CStr;
use std::io;
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::unistd::{Pid, getpid, getppid};

use super::memory::stack;

/// Which side of a fork this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The process that called.
    Parent(Pid),
    /// The new process.
    Child,
}

/// Forks a process whose parent is as `kinship` says.
///
/// # Errors
/// When the system has no process or memory left, or this process has more than one thread.
pub(super) fn fork(kinship: Kinship) -> io::Result<Side> {
    assert_single_threaded()?;
    stack::share_what_is_in_use()?;
    let flags = match kinship {
        Kinship::Child => libc::SIGCHLD,
        // The new process is a child of this process's parent, which reaps all processes of all
        // sessions.
        Kinship::Sibling => libc::SIGCHLD | libc::CLONE_PARENT,
    };
    // SAFETY: without CLONE_VM the child gets a copy of this address space, as with `fork`; without
    // a stack argument the child continues here. This process has one thread (checked above), so no
    // lock is held by a thread that is not copied. glibc's own fork would also run `atfork`
    // handlers and refresh its cached thread id: no code here registers the former or uses the
    // latter.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Side::Child),
        pid => Ok(Side::Parent(Pid::from_raw(
            i32::try_from(pid).map_err(io::Error::other)?,
        ))),
    }
}

/// The parent of a new process.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kinship {
    /// This process.
    Child,
    /// The parent of this process.
    Sibling,
}

/// Whether the system refuses the call that asserts the number of threads. Some containers refuse
/// it.
static CANNOT_ASK: AtomicBool = AtomicBool::new(false);

/// Asserts that this process has one thread, before it is confined, and records whether that can be
/// asserted later. Where it can't, forks rely on two facts that they can't check: no code of a
/// worker starts a thread, and the filter of a session process refuses the call that would.
///
/// # Errors
/// When there is more than one thread, or the number of threads can't be read.
pub(super) fn begin_single_threaded() -> io::Result<()> {
    match ask_for_one_thread() {
        Err(Errno::EINVAL) => Err(more_than_one_thread()),
        Err(_) if std::fs::read_dir("/proc/self/task")?.count() != 1 => Err(more_than_one_thread()),
        Err(_) => {
            CANNOT_ASK.store(true, Relaxed);
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Asserts that this process has one thread, where the system can tell.
fn assert_single_threaded() -> io::Result<()> {
    if CANNOT_ASK.load(Relaxed) || ask_for_one_thread().is_ok() {
        Ok(())
    } else {
        Err(more_than_one_thread())
    }
}

/// Asks the kernel with `unshare(CLONE_THREAD)`, which changes nothing and is refused when there is
/// more than one thread. It is the cheapest check.
fn ask_for_one_thread() -> nix::Result<()> {
    // SAFETY: the call takes no pointers and has no effect in a process with one thread.
    Errno::result(unsafe { libc::unshare(libc::CLONE_THREAD) }).map(drop)
}

fn more_than_one_thread() -> io::Error {
    io::Error::other("a worker process with more than one thread must not fork")
}

/// Has the kernel kill this process when its parent dies.
///
/// # Errors
/// When the parent has died already, or the kernel refuses.
pub(super) fn die_with_parent(parent: Pid) -> io::Result<()> {
    prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?;
    if getppid() == parent {
        Ok(())
    } else {
        Err(io::Error::other("the parent process is gone"))
    }
}

/// Reaps a dead child; returns the CPU time that it used, in microseconds.
///
/// # Errors
/// When there is no such child.
pub(super) fn reap(pid: Pid) -> io::Result<u64> {
    // SAFETY: zeros are a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: the status is not asked for, and `usage` lives until the call returns.
        let reaped = unsafe { libc::wait4(pid.as_raw(), std::ptr::null_mut(), 0, &raw mut usage) };
        match Errno::result(reaped) {
            Ok(_) => break,
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let microseconds = |time: libc::timeval| time.tv_sec * 1_000_000 + time.tv_usec;
    Ok((microseconds(usage.ru_utime) + microseconds(usage.ru_stime)).unsigned_abs())
}

/// The longest name of a process, in bytes.
const NAME_BYTES: usize = 15;

/// The name of a process while it forks another one. The fork starts with this name and then sets
/// its own, so that at no moment two processes of a session have the same name (`vms-s-…`, say).
pub(super) const NAME_OF_FORKS: &str = "vms-fork";

/// Sets the name that `ps` and `top` show, cut to its first 15 bytes. It does not allocate, because
/// an allocation after a fork would copy pages.
pub(crate) fn set_name(name: &str) {
    let mut ended = [0; NAME_BYTES + 1];
    let length = name.len().min(NAME_BYTES);
    ended[..length].copy_from_slice(&name.as_bytes()[..length]);
    if let Ok(name) = CStr::from_bytes_until_nul(&ended) {
        // The process works without the name as well.
        let _ = prctl::set_name(name);
    }
}

/// The id of this process.
pub(super) fn own_pid() -> u32 {
    getpid().as_raw().unsigned_abs()
}

/// The descriptor of a session process's channel.
const SESSION_FD: i32 = 3;

/// Keeps the channel, moved to [`SESSION_FD`], and the standard streams, which lead nowhere. Closes
/// every other descriptor.
///
/// # Errors
/// When the system refuses. The process must end then.
pub(super) fn keep_only(channel: OwnedFd) -> io::Result<OwnedFd> {
    let fd = channel.into_raw_fd();
    // SAFETY: the process has no other thread and uses only the returned descriptor from here on.
    // Closing descriptors that other values own is sound, because those values are never used or
    // dropped again.
    unsafe {
        if fd != SESSION_FD && libc::dup2(fd, SESSION_FD) < 0 {
            return Err(io::Error::last_os_error());
        }
        // Standard error leads to the daemon's log until here; standard output leads nowhere.
        if libc::dup2(libc::STDOUT_FILENO, libc::STDERR_FILENO) < 0 {
            return Err(io::Error::last_os_error());
        }
        if libc::syscall(libc::SYS_close_range, SESSION_FD + 1, libc::c_uint::MAX, 0) < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(OwnedFd::from_raw_fd(SESSION_FD))
    }
}
