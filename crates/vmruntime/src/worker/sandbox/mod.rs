//! What the kernel keeps worker processes from.
//!
//! The zygote gives up the file system, the network and new privileges, for itself and its forks
//! ([`enter_zygote`]). A session process also has a filter of system calls ([`filter`]), which it
//! can't remove and its checkpoints inherit. `docs/isolation.md` gives the reason for each call,
//! and says what the sandbox does not promise.

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

/// How many descriptors a session process may have: the standard streams, its channel, the socket
/// for queries, and the pipes of the old and the new checkpoint.
const MAX_DESCRIPTORS: u64 = 16;

/// The nice value of workers: other processes of the user go before them.
const NICENESS: libc::c_int = 5;

/// The confinement of a session process, made before the process is forked.
pub(super) struct Confinement {
    /// `None` if the kernel has no seccomp.
    filter: Option<Vec<sock_filter>>,
}

/// Confines the zygote and its forks as far as the zygote itself can be. To be called once the
/// engine is warm.
///
/// # Errors
/// When the kernel refuses a means that it has.
pub(super) fn enter_zygote() -> io::Result<(Confinement, Sandbox)> {
    // It changes only the order of service. Without it a worker works as well.
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
    /// Confines a session process. Everything that needs another call has to be done before.
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
