//! The start of processes from the daemon's own binary: zygotes, database processes, and the
//! supervisors of commands.

use std::ffi::OsString;
use std::io;
use std::os::fd::RawFd;
use std::path::PathBuf;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use tokio::process::Command;

use crate::ipc::CONTROL_FD;

/// The command that starts a worker: a program that calls [`run_worker`](crate::run_worker).
#[derive(Clone, Debug)]
pub struct WorkerCommand {
    /// The program, normally the daemon's own.
    pub program: PathBuf,
    /// Its first arguments; the name of the engine follows.
    pub args: Vec<OsString>,
}

/// The size of the stack of worker processes, in bytes. It has room for the deepest recursion that
/// the engine's own limit allows, including recursion through native code. Only the pages in use
/// cost memory.
const STACK_BYTES: u64 = 64 * 1024 * 1024;

/// Isolates a worker that is about to be started: it gets an empty environment, a kernel session of
/// its own, a raised stack limit, the channel at [`CONTROL_FD`], and no other descriptor but the
/// standard streams.
pub(crate) fn prepare_worker(command: &mut Command, channel: RawFd) {
    command.env_clear().current_dir("/").kill_on_drop(true);
    // SAFETY: between fork and exec the closure makes system calls only; it allocates nothing and
    // takes no lock.
    unsafe {
        command.pre_exec(move || {
            let (_, hard) = getrlimit(Resource::RLIMIT_STACK)?;
            setrlimit(Resource::RLIMIT_STACK, STACK_BYTES.min(hard), hard)?;
            detach(channel)
        });
    }
}

/// Gives a child that is about to exec a kernel session of its own, and the channel at
/// [`CONTROL_FD`] as the only descriptor beside the standard streams. It only makes system calls,
/// so that it may be called between fork and exec.
///
/// # Errors
/// When the system refuses one of the calls.
pub(crate) fn detach(channel: RawFd) -> io::Result<()> {
    // A Ctrl-C at the terminal must reach only the daemon, which ends its workers in order.
    nix::unistd::setsid()?;
    // If the daemon is killed while the child is stopped, this continues the child, which then
    // reads the end of its channel.
    nix::sys::prctl::set_pdeathsig(Signal::SIGCONT)?;
    let last_error = io::Error::last_os_error;
    // SAFETY: the calls take numbers alone, and no value in this process relies on the descriptors
    // that they close: another program follows.
    unsafe {
        if libc::dup2(channel, CONTROL_FD) < 0 {
            return Err(last_error());
        }
        // `dup2` of a descriptor onto itself leaves its close-on-exec flag as it is.
        if channel == CONTROL_FD && libc::fcntl(CONTROL_FD, libc::F_SETFD, 0) < 0 {
            return Err(last_error());
        }
        let rest = libc::c_uint::MAX;
        let flag = libc::CLOSE_RANGE_CLOEXEC;
        if libc::syscall(libc::SYS_close_range, CONTROL_FD + 1, rest, flag) < 0 {
            return Err(last_error());
        }
    }
    Ok(())
}
