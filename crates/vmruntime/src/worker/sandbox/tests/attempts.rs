//! Attempts of code that has broken out of the engine.

use std::ptr::{null, null_mut};

use super::{confined, outcome};

const REFUSED: Result<(), i32> = Err(libc::EPERM);

#[test]
fn files_are_not_opened() {
    let path = c"/etc/passwd".as_ptr();
    // SAFETY: the path ends with a zero byte.
    unsafe {
        let open = || outcome(libc::open(path, libc::O_RDONLY).into());
        assert_eq!(confined(&open), REFUSED);
        for flags in [libc::O_RDONLY, libc::O_PATH] {
            let open = || {
                outcome(libc::syscall(
                    libc::SYS_openat,
                    libc::AT_FDCWD,
                    path,
                    flags,
                    0,
                ))
            };
            assert_eq!(confined(&open), REFUSED);
        }
        assert_eq!(confined(&|| outcome(libc::unlink(path).into())), REFUSED);
    }
}

#[test]
fn there_is_no_network() {
    for family in [
        libc::AF_INET,
        libc::AF_INET6,
        libc::AF_UNIX,
        libc::AF_NETLINK,
    ] {
        // SAFETY: the call takes numbers alone.
        let socket = || outcome(unsafe { libc::socket(family, libc::SOCK_STREAM, 0) }.into());
        assert_eq!(confined(&socket), REFUSED, "{family}");
    }
    // SAFETY: nothing is read through the null pointer: the call is refused before.
    let connect = || outcome(unsafe { libc::connect(3, null(), 0) }.into());
    assert_eq!(confined(&connect), REFUSED);
}

#[test]
fn no_program_is_run() {
    let path = c"/bin/true".as_ptr();
    let arguments = [path, null()];
    // SAFETY: the strings end with a zero byte, and the list with a null pointer.
    let run = || outcome(unsafe { libc::execve(path, arguments.as_ptr(), null()) }.into());
    assert_eq!(confined(&run), REFUSED);
    let run = || {
        // SAFETY: as above.
        outcome(unsafe {
            libc::syscall(
                libc::SYS_execveat,
                libc::AT_FDCWD,
                path,
                arguments.as_ptr(),
                null::<u8>(),
                0,
            )
        })
    };
    assert_eq!(confined(&run), REFUSED);
}

#[test]
fn other_processes_can_not_be_reached() {
    let parent = std::process::id().cast_signed();
    // SAFETY: these calls take only numbers, or are refused before a pointer is read.
    unsafe {
        assert_eq!(confined(&|| outcome(libc::kill(parent, 0).into())), REFUSED);
        assert_eq!(
            confined(&|| outcome(libc::syscall(
                libc::SYS_tgkill,
                parent,
                parent,
                libc::SIGABRT
            ))),
            REFUSED
        );
        assert_eq!(
            confined(&|| outcome(libc::ptrace(libc::PTRACE_ATTACH, parent, 0, 0))),
            REFUSED
        );
        assert_eq!(
            confined(&|| outcome(
                libc::process_vm_readv(parent, null(), 0, null(), 0, 0) as libc::c_long
            )),
            REFUSED
        );
        assert_eq!(
            confined(&|| outcome(libc::syscall(libc::SYS_pidfd_open, parent, 0))),
            REFUSED
        );
    }
}

#[test]
fn mounts_namespaces_users_and_kernel_programs_are_refused() {
    // SAFETY: these calls are refused before a pointer is read.
    unsafe {
        let mount = || outcome(libc::mount(null(), c"/".as_ptr(), null(), 0, null()).into());
        assert_eq!(confined(&mount), REFUSED);
        assert_eq!(
            confined(&|| outcome(libc::unshare(libc::CLONE_NEWUSER).into())),
            REFUSED
        );
        assert_eq!(confined(&|| outcome(libc::setuid(0).into())), REFUSED);
        assert_eq!(
            confined(&|| outcome(libc::syscall(libc::SYS_bpf, 0, 0, 0))),
            REFUSED
        );
        assert_eq!(
            confined(&|| outcome(libc::syscall(libc::SYS_io_uring_setup, 1, 0))),
            REFUSED
        );
    }
}

#[test]
fn the_confinement_can_not_be_changed() {
    // SAFETY: these calls take numbers alone.
    unsafe {
        assert_eq!(
            confined(&|| outcome(libc::prctl(libc::PR_SET_DUMPABLE, 1).into())),
            REFUSED
        );
        assert_eq!(
            confined(&|| outcome(libc::prctl(libc::PR_SET_PDEATHSIG, 0).into())),
            REFUSED
        );
        assert_eq!(
            confined(&|| outcome(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL).into())),
            Ok(())
        );
        assert_eq!(
            confined(&|| outcome(libc::prctl(libc::PR_SET_NAME, c"name".as_ptr()).into())),
            Ok(())
        );
    }
}

#[test]
fn memory_is_made_neither_executable_nor_shared() {
    let map = |protection: libc::c_int, kind: libc::c_int| {
        let flags = kind | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at an address of the kernel's choice aliases nothing.
        let page = unsafe { libc::mmap(null_mut(), 4096, protection, flags, -1, 0) };
        outcome(if page == libc::MAP_FAILED { -1 } else { 0 })
    };
    let writable = libc::PROT_READ | libc::PROT_WRITE;
    assert_eq!(confined(&|| map(writable, libc::MAP_PRIVATE)), Ok(()));
    let executable = writable | libc::PROT_EXEC;
    assert_eq!(confined(&|| map(executable, libc::MAP_PRIVATE)), REFUSED);
    for kind in [libc::MAP_SHARED, libc::MAP_SHARED_VALIDATE] {
        assert_eq!(confined(&|| map(writable, kind)), REFUSED);
    }
}

#[test]
fn only_the_advice_that_the_allocator_and_forks_need_is_allowed() {
    // SAFETY: an empty range holds nothing that could change.
    let advise = |advice| outcome(unsafe { libc::madvise(null_mut(), 0, advice) }.into());
    for advice in [
        libc::MADV_DONTNEED,
        libc::MADV_WIPEONFORK,
        libc::MADV_KEEPONFORK,
    ] {
        assert_eq!(confined(&|| advise(advice)), Ok(()), "{advice}");
    }
    for advice in [
        libc::MADV_MERGEABLE,
        libc::MADV_DOFORK,
        libc::MADV_REMOVE,
        libc::MADV_POPULATE_WRITE,
    ] {
        assert_eq!(confined(&|| advise(advice)), REFUSED, "{advice}");
    }
}

#[test]
fn a_page_of_a_file_does_not_grow_into_the_next() {
    let grow = |old_bytes: usize| {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: the new mapping, at an address of the kernel's choice, aliases nothing, also when
        // it moves.
        let grown = unsafe {
            let page = libc::mmap(null_mut(), old_bytes, libc::PROT_READ, flags, -1, 0);
            libc::mremap(page, old_bytes, 2 * old_bytes, libc::MREMAP_MAYMOVE)
        };
        outcome(if grown == libc::MAP_FAILED { -1 } else { 0 })
    };
    for small in [0, 4096, 60 * 1024] {
        assert_eq!(confined(&|| grow(small)), REFUSED);
    }
    assert_eq!(confined(&|| grow(128 * 1024)), Ok(()));
}

#[test]
fn only_checkpoints_are_forked() {
    let clone = |flags: libc::c_int| {
        // SAFETY: without a stack argument the child continues here with a copy of everything, and
        // ends at once.
        let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
        if pid == 0 {
            // SAFETY: `_exit` takes any code and does not return.
            unsafe { libc::_exit(0) }
        }
        outcome(pid)
    };
    assert_eq!(confined(&|| clone(libc::SIGCHLD)), REFUSED);
    assert_eq!(
        confined(&|| clone(libc::SIGCHLD | libc::CLONE_NEWUSER)),
        REFUSED
    );
    let thread = libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND;
    assert_eq!(confined(&|| clone(thread)), REFUSED);
}

#[test]
fn a_process_gets_few_descriptors() {
    let pipes = || {
        for _ in 0..100 {
            let mut ends = [0; 2];
            // SAFETY: there is room for two descriptors.
            outcome(unsafe { libc::pipe2(ends.as_mut_ptr(), 0) }.into())?;
        }
        Ok(())
    };
    assert_eq!(confined(&pipes), Err(libc::EMFILE));
}
