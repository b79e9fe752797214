//! The system calls that a session process may make. Everything else is refused with `EPERM`.

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, sock_filter,
};

/// A call that is allowed, and for which arguments.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Its name, as in `docs/isolation.md`.
    pub(super) name: &'static str,
    pub(super) number: libc::c_long,
    /// All of one of these must hold; always allowed when there is none.
    cases: &'static [&'static [Condition]],
}

/// What an argument must be.
#[derive(Clone, Copy, Debug)]
struct Condition {
    argument: u8,
    test: Test,
}

#[derive(Clone, Copy, Debug)]
enum Test {
    /// The bits of the mask are those of the value.
    Bits { mask: u64, value: u64 },
    /// It is not smaller.
    AtLeast(u64),
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

/// An argument of 32 bits: what the upper half of its register holds means nothing.
const fn is_int(argument: u8, value: libc::c_int) -> Condition {
    Condition {
        argument,
        test: Test::Bits {
            mask: u32::MAX as u64,
            value: value.cast_unsigned() as u64,
        },
    }
}

/// The third argument of `mmap` and `mprotect`: pages that can't be executed.
const NOT_EXECUTABLE: &[&[Condition]] = &[&[Condition {
    argument: 2,
    test: Test::Bits {
        mask: libc::PROT_EXEC.cast_unsigned() as u64,
        value: 0,
    },
}]];

/// The second argument of `mremap`: the old size, in bytes. A libc changes the size of what it has mapped by itself, which is
/// more. A page that is shared with the zygote must not grow into the page of another session.
const LARGE: &[&[Condition]] = &[&[Condition {
    argument: 1,
    test: Test::AtLeast(64 * 1024),
}]];

/// The flags of the fork that makes a checkpoint.
const SIBLING: &[&[Condition]] = &[&[Condition {
    argument: 0,
    test: Test::Bits {
        mask: u64::MAX,
        value: (libc::SIGCHLD | libc::CLONE_PARENT).cast_unsigned() as u64,
    },
}]];

/// The question whether this process has one thread.
const ONE_THREAD: &[&[Condition]] = &[&[is_int(0, libc::CLONE_THREAD)]];

/// A name, and death with the parent.
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
    call("madvise", libc::SYS_madvise),
    only("mmap", libc::SYS_mmap, NOT_EXECUTABLE),
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

/// The names of the calls that are allowed.
pub(super) fn names() -> impl Iterator<Item = String> {
    ALLOWED.iter().map(|allowed| allowed.name.to_owned())
}

/// Whether the kernel has filters.
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

/// The program that the kernel runs before each call.
///
/// # Errors
/// When this processor is not one that the compiler knows.
pub(super) fn program() -> Result<BpfProgram, BackendError> {
    let mut rules = BTreeMap::new();
    for allowed in ALLOWED {
        let cases: Result<Vec<_>, _> = allowed.cases.iter().map(|case| rule(case)).collect();
        rules.insert(allowed.number, cases?);
    }
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.unsigned_abs()),
        SeccompAction::Allow,
        TargetArch::try_from(std::env::consts::ARCH)?,
    )?;
    let mut program = without_clone3();
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

fn rule(case: &[Condition]) -> Result<SeccompRule, BackendError> {
    let conditions: Result<Vec<_>, _> = case
        .iter()
        .map(|condition| {
            let (operator, value) = match condition.test {
                Test::Bits { mask, value } => (SeccompCmpOp::MaskedEq(mask), value),
                Test::AtLeast(value) => (SeccompCmpOp::Ge, value),
            };
            SeccompCondition::new(condition.argument, SeccompCmpArgLen::Qword, operator, value)
        })
        .collect();
    SeccompRule::new(conditions?)
}

/// The start of the program: `clone3` is answered with `ENOSYS`, so that a libc which tries it first goes back to `clone`.
/// The compiler knows one answer for everything that is not allowed.
fn without_clone3() -> BpfProgram {
    let instruction = |code: u32, jt: u8, jf: u8, k: u32| sock_filter {
        code: u16::try_from(code).expect("the codes of instructions are small"),
        jt,
        jf,
        k,
    };
    let number_offset = 0;
    let clone3 = u32::try_from(libc::SYS_clone3).expect("numbers of calls are small");
    let no_such_call = libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs();
    vec![
        instruction(
            libc::BPF_LD | libc::BPF_W | libc::BPF_ABS,
            0,
            0,
            number_offset,
        ),
        instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, 0, 1, clone3),
        instruction(libc::BPF_RET | libc::BPF_K, 0, 0, no_such_call),
    ]
}
