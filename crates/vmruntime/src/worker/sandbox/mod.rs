//! What the kernel keeps worker processes from.
//!
//! The zygote gives up the file system, the network and new privileges ([`enter_zygote`]), and all that it forks with it.
//! A session process moreover has a filter of system calls ([`filter`]), which it can't take off and hands on to its
//! checkpoints. `docs/isolation.md` says why each call is there, and what the sandbox does not promise.

mod bpf;
mod filter;
mod landlock;
#[cfg(test)]
mod tests;

use std::io;

use libc::sock_filter;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use vmapi_types::Sandbox;

/// How many descriptors a session process may have: the standard streams, its channel, and the pipes of the old and the
/// new checkpoint.
const MAX_DESCRIPTORS: u64 = 16;

/// How far behind other processes of the user the scheduler puts workers.
const NICENESS: libc::c_int = 5;

/// What a session process will be confined by, made before it is forked.
pub(super) struct Confinement {
    /// Nothing when the kernel has no seccomp.
    filter: Option<Vec<sock_filter>>,
}

/// Confines the zygote, and every process that it forks, as far as it needs no more itself. To be called once the engine
/// is warm.
///
/// # Errors
/// When the kernel refuses what it knows.
pub(super) fn enter_zygote() -> io::Result<(Confinement, Sandbox)> {
    // It changes only who is served first. A worker that can't be put behind the others is one all the same.
    // SAFETY: the call takes numbers alone.
    let _ = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
    prctl::set_no_new_privs()?;
    prctl::set_dumpable(false)?;
    for resource in [
        Resource::RLIMIT_CORE,
        Resource::RLIMIT_MEMLOCK,
        Resource::RLIMIT_MSGQUEUE,
    ] {
        setrlimit(resource, 0, 0)?;
    }
    let landlock = landlock::restrict().map_err(io::Error::other)?;
    let filter = if filter::is_supported() {
        let program = filter::program();
        Some(program.ok_or_else(|| io::Error::other("this kind of processor has no filter"))?)
    } else {
        None
    };
    let sandbox = Sandbox {
        seccomp: filter.is_some(),
        system_calls: filter.iter().flat_map(|_| filter::names()).collect(),
        no_new_privs: prctl::get_no_new_privs()?,
        not_dumpable: !prctl::get_dumpable()?,
        landlock,
    };
    Ok((Confinement { filter }, sandbox))
}

impl Confinement {
    /// Confines a session process. It has set everything that needs a call which it can't make from now on.
    ///
    /// # Errors
    /// When the kernel refuses; the process must end then.
    pub(super) fn enter_session(&self) -> io::Result<()> {
        setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
        setrlimit(Resource::RLIMIT_NOFILE, MAX_DESCRIPTORS, MAX_DESCRIPTORS)?;
        match &self.filter {
            Some(program) => filter::install(program),
            None => Ok(()),
        }
    }
}
