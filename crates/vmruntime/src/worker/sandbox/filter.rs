//! The system calls that a session process may make. All others are refused with `EPERM`.

use std::io;

use libc::sock_filter;

use super::bpf::{self, Answer, Condition, Test};

/// A call that is allowed, with the conditions on its arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// The name of the call, as in `docs/isolation.md`.
    pub(super) name: &'static str,
    pub(super) number: libc::c_long,
    /// All conditions of at least one of these cases must hold. If there are no cases, every such
    /// call is allowed.
    cases: &'static [&'static [Condition]],
}

const fn call(name: &'static str, number: libc::c_long) -> Allowed {
    only(name, number, &[])
}

const fn only(
    name: &'static str,
    number: libc::c_long,
    cases: &'static [&'static [Condition]],
) -> Allowed {
    Allowed {
        name,
        number,
        cases,
    }
}

/// A condition that an argument of 32 bits equals a value. The upper half of its register is
/// ignored.
const fn is_int(argument: u8, value: libc::c_int) -> Condition {
    Condition {
        argument,
        test: Test::Bits {
            mask: u32::MAX as u64,
            value: value.cast_unsigned() as u64,
        },
    }
}

/// A condition that an argument does not have the bits of a flag.
const fn lacks(argument: u8, flag: libc::c_int) -> Condition {
    Condition {
        argument,
        test: Test::Bits {
            mask: flag.cast_unsigned() as u64,
            value: 0,
        },
    }
}

/// `mprotect` must not make pages executable (third argument).
const NOT_EXECUTABLE: &[&[Condition]] = &[&[lacks(2, libc::PROT_EXEC)]];

/// `mmap` must not make executable pages (third argument) nor shared memory (fourth argument),
/// which `RLIMIT_DATA` does not count. The page that a process shares with the zygote was mapped
/// before.
const OWN_MEMORY: &[&[Condition]] = &[&[lacks(2, libc::PROT_EXEC), lacks(3, libc::MAP_SHARED)]];

/// `madvise` may be used as the allocator does, for memory that it gives back, and for the stack
/// before a fork.
const ADVICE: &[&[Condition]] = &[
    &[is_int(2, libc::MADV_DONTNEED)],
    &[is_int(2, libc::MADV_WIPEONFORK)],
    &[is_int(2, libc::MADV_KEEPONFORK)],
];

/// `mremap` may only change mappings of at least this size (second argument: the old size, in
/// bytes). The C library changes the size of its own mappings, which are larger. A page that is
/// shared with the zygote must not grow into the page of another session.
const LARGE: &[&[Condition]] = &[&[Condition {
    argument: 1,
    test: Test::AtLeast(64 * 1024),
}]];

/// `clone` may only be called with the flags of the fork that makes a checkpoint.
const SIBLING: &[&[Condition]] = &[&[Condition {
    argument: 0,
    test: Test::Bits {
        mask: u64::MAX,
        value: (libc::SIGCHLD | libc::CLONE_PARENT).cast_unsigned() as u64,
    },
}]];

/// `unshare` may only be called with the flag that asserts that this process has one thread.
const ONE_THREAD: &[&[Condition]] = &[&[is_int(0, libc::CLONE_THREAD)]];

/// `prctl` may only set the name of the process, and make the process die with its parent.
const NAME_OR_DEATH: &[&[Condition]] = &[
    &[is_int(0, libc::PR_SET_NAME)],
    &[is_int(0, libc::PR_SET_PDEATHSIG), is_int(1, libc::SIGKILL)],
];

/// Every call that is allowed. The table of `docs/isolation.md` gives the reason for each.
pub(super) const ALLOWED: &[Allowed] = &[
    call("brk", libc::SYS_brk),
    call("clock_gettime", libc::SYS_clock_gettime),
    call("clock_nanosleep", libc::SYS_clock_nanosleep),
    only("clone", libc::SYS_clone, SIBLING),
    call("close", libc::SYS_close),
    call("exit", libc::SYS_exit),
    call("exit_group", libc::SYS_exit_group),
    call("getpid", libc::SYS_getpid),
    call("getppid", libc::SYS_getppid),
    call("getrandom", libc::SYS_getrandom),
    call("getrusage", libc::SYS_getrusage),
    only("madvise", libc::SYS_madvise, ADVICE),
    only("mmap", libc::SYS_mmap, OWN_MEMORY),
    only("mprotect", libc::SYS_mprotect, NOT_EXECUTABLE),
    only("mremap", libc::SYS_mremap, LARGE),
    call("munmap", libc::SYS_munmap),
    call("pipe2", libc::SYS_pipe2),
    call("ppoll", libc::SYS_ppoll),
    only("prctl", libc::SYS_prctl, NAME_OR_DEATH),
    call("read", libc::SYS_read),
    call("recvmsg", libc::SYS_recvmsg),
    call("restart_syscall", libc::SYS_restart_syscall),
    call("rt_sigreturn", libc::SYS_rt_sigreturn),
    call("sendmsg", libc::SYS_sendmsg),
    call("setitimer", libc::SYS_setitimer),
    only("unshare", libc::SYS_unshare, ONE_THREAD),
    call("write", libc::SYS_write),
];

/// The names of the allowed calls.
pub(super) fn names() -> impl Iterator<Item = String> {
    ALLOWED.iter().map(|allowed| allowed.name.to_owned())
}

/// Whether the kernel has filters of system calls.
pub(super) fn is_supported() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the call reads one number behind the pointer, which lives until it returns.
    let answer = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        )
    };
    answer == 0
}

/// The calls that the filter knows, with its answer to each. `clone3` fails with `ENOSYS`, so that
/// a C library that tries it first falls back to `clone`.
pub(super) fn answers() -> Vec<(u32, Answer)> {
    let number = |number: libc::c_long| u32::try_from(number).expect("numbers of calls are small");
    let allowed = ALLOWED
        .iter()
        .map(|allowed| (number(allowed.number), Answer::Made(allowed.cases)));
    let clone3 = (number(libc::SYS_clone3), Answer::NoSuchCall);
    allowed.chain([clone3]).collect()
}

/// The program that the kernel runs before each call. `None` if this architecture is not supported.
pub(super) fn program() -> Option<Vec<sock_filter>> {
    bpf::program(answers())
}

/// Has the kernel run a program before each system call of this process and of its forks from now
/// on. The kernel demands that the process can't get new privileges, which the zygote has given up.
///
/// # Errors
/// When the kernel refuses the program.
pub(super) fn install(program: &[sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: program.len().try_into().map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut(),
    };
    // SAFETY: the kernel reads `len` instructions, which are there, and changes none.
    let installed = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            0,
            &raw const program,
        )
    };
    match installed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
