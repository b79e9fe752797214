//! Handlers for the unexpected ends of a worker process: a native stack overflow, a fault, a panic.

use std::io;
use std::panic;

use nix::sys::signal::{SigHandler, SigSet, Signal};

use crate::ipc::ExitCause;
use crate::worker::exit;

/// The size of the stack that the handler runs on, in bytes. The handler makes no deep calls.
const HANDLER_STACK_BYTES: usize = 64 * 1024;

/// The distance from the stack pointer within which a fault counts as a stack overflow, in bytes. A
/// frame of native code can be larger than a page.
const NEAR_STACK_BYTES: usize = 1024 * 1024;

/// Installs the handlers. Forks inherit them.
///
/// # Errors
/// When the system refuses.
pub(crate) fn install() -> io::Result<()> {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string).unwrap_or_default();
        let text = info.payload_as_str().unwrap_or("no message");
        // In the zygote, which has no slot for a note, standard error is the daemon's log; in a
        // session process it leads nowhere.
        eprintln!("vm-system worker: {text} ({place})");
        exit::noting(ExitCause::Panic, &format!("{text} ({place})"));
    }));
    default_signals()?;
    handle_segfaults()
}

/// Resets the signals of time limits and of children's deaths, because the process that started the
/// daemon may have ignored or blocked them.
fn default_signals() -> io::Result<()> {
    let mut all = SigSet::empty();
    for signal in [Signal::SIGALRM, Signal::SIGPROF, Signal::SIGCHLD] {
        all.add(signal);
        // SAFETY: the default action runs no code of this program.
        unsafe { nix::sys::signal::signal(signal, SigHandler::SigDfl)? };
    }
    all.thread_unblock()?;
    Ok(())
}

fn handle_segfaults() -> io::Result<()> {
    // The handler needs a separate stack, because the usual one may be used up. It is never freed.
    let stack = Box::leak(vec![0_u8; HANDLER_STACK_BYTES].into_boxed_slice());
    let stack = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: HANDLER_STACK_BYTES,
    };
    // SAFETY: the stack is never freed, the action is fully initialised, and the handler is
    // async-signal-safe: it compares numbers and ends the process.
    unsafe {
        if libc::sigaltstack(&raw const stack, std::ptr::null_mut()) != 0 {
            return Err(io::Error::last_os_error());
        }
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_fault;
        action.sa_sigaction = handler as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            if libc::sigaction(signal, &raw const action, std::ptr::null_mut()) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
    }
    Ok(())
}

/// The handler of a segmentation fault or a bus error: it ends the process.
extern "C" fn on_fault(_: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO valid pointers to both.
    let (address, stack_pointer) = unsafe { ((*info).si_addr() as usize, stack_pointer(context)) };
    if address.abs_diff(stack_pointer) < NEAR_STACK_BYTES {
        exit::now(ExitCause::Stack);
    }
    exit::now(ExitCause::Fault);
}

/// The stack pointer at the time of the signal.
///
/// # Safety
/// `context` is the third argument of a signal handler.
unsafe fn stack_pointer(context: *mut libc::c_void) -> usize {
    // SAFETY: the caller promises a valid context.
    let context = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    let pointer = context.gregs[libc::REG_RSP as usize].unsigned_abs();
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    let pointer = context.sp;
    usize::try_from(pointer).unwrap_or(0)
}
