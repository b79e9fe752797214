//! Tests of what a process that is confined as a session process can't do. Each attempt is made in
//! a separate process.

mod attempts;
mod calls;
mod documents;
mod program;

use std::io;

use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use super::enter_zygote;

/// An attempt. It succeeds, or fails with an error number.
type Attempt<'a> = &'a dyn Fn() -> Result<(), i32>;

/// Confines a new process as a session process is, and makes an attempt in it.
///
/// # Panics
/// When the process can't be confined, or does not end by itself.
#[track_caller]
fn confined(attempt: Attempt<'_>) -> Result<(), i32> {
    const UNCONFINED: i32 = 255;
    // SAFETY: the child makes system calls and ends with `_exit`. It allocates for the rules of the
    // filter, which is sound with glibc: its allocator is prepared for the fork of a process with
    // threads.
    match unsafe { fork() }.expect("a process can be forked") {
        ForkResult::Child => {
            let entered = enter_zygote().and_then(|(confinement, _)| confinement.enter_session());
            let code = match entered {
                Err(_) => UNCONFINED,
                Ok(()) => attempt().err().unwrap_or(0),
            };
            // SAFETY: `_exit` takes any code and does not return.
            unsafe { libc::_exit(code) }
        }
        ForkResult::Parent { child } => match waitpid(child, None).expect("it can be waited for") {
            WaitStatus::Exited(_, 0) => Ok(()),
            WaitStatus::Exited(_, UNCONFINED) => panic!("the process could not be confined"),
            WaitStatus::Exited(_, errno) => Err(errno),
            other => panic!("{other:?}"),
        },
    }
}

/// The result of a system call.
fn outcome(returned: libc::c_long) -> Result<(), i32> {
    match returned {
        -1 => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        _ => Ok(()),
    }
}
