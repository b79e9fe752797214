//! The sandbox: what the kernel keeps worker processes from.
//!
//! # What happens, in which order
//!
//! 1. The zygote warms the engine up without confinement, because that needs files.
//! 2. Before its first fork the zygote confines itself ([`enter_zygote`]): it can get no new
//!    privileges and can't be traced, has no core dumps, and loses files, TCP and signals to
//!    processes outside by Landlock, as far as the kernel has it. All its forks inherit this.
//! 3. A fork starts a kernel session of its own, makes the kernel kill it when the zygote dies,
//!    maps its post-mortem page, and closes every descriptor but its channel and the standard
//!    streams. These steps need system calls that the filter refuses.
//! 4. The session process limits its mappings, its descriptors and the size of files, and installs
//!    the filter of system calls ([`filter`]). A process that is forked ahead does so at once; any
//!    other process does so at the end of its set-up, with the limits of its session.
//! 5. Only then does it report `Ready`, and only then does a script run. If a step fails, the
//!    process ends.
//!
//! # Why this is right
//!
//! A process can't remove its filter, its Landlock rules or its resource limits, and a checkpoint
//! inherits them with the fork. The filter is a list of allowed calls: a call that it does not know
//! is refused. On a kernel without seccomp or Landlock the sandbox is weaker, and the zygote
//! reports in its greeting what is in force. `docs/isolation.md` gives the reason for each allowed
//! call, and says what the sandbox does not promise.

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

/// How many descriptors a session process may have. It needs the standard streams, its channel, the
/// socket for queries, and the pipes of the old and the new checkpoint.
const MAX_DESCRIPTORS: u64 = 16;

/// The nice value of workers, so that other processes of the user run first.
const NICENESS: libc::c_int = 5;

/// The confinement of a session process, made before the process is forked.
pub(super) struct Confinement {
    /// `None` if the kernel has no seccomp.
    filter: Option<Vec<sock_filter>>,
}

/// Confines the zygote and its forks, as far as the zygote itself can be confined. It must be
/// called when the engine is warm. Returns the confinement of session processes, and the
/// description of the sandbox for clients.
///
/// # Errors
/// When the kernel refuses a mechanism that it has.
pub(super) fn enter_zygote() -> io::Result<(Confinement, Sandbox)> {
    // A failure is ignored: the nice value changes only the share of the processor. SAFETY: the
    // call takes numbers alone.
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
    /// Confines a session process. Everything that needs a refused system call must have been done
    /// before.
    ///
    /// # Errors
    /// When the kernel refuses. The process must end then.
    pub(super) fn enter_session(&self) -> io::Result<()> {
        setrlimit(Resource::RLIMIT_FSIZE, 0, 0)?;
        setrlimit(Resource::RLIMIT_NOFILE, MAX_DESCRIPTORS, MAX_DESCRIPTORS)?;
        match &self.filter {
            Some(program) => filter::install(program),
            None => Ok(()),
        }
    }
}
