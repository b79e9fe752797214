//! The terminal while nobody reads from it: what is typed waits, and nothing of it is lost.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, kill, raise, sigaction};
use nix::sys::termios::{
    ControlFlags, InputFlags, LocalFlags, SetArg, SpecialCharacterIndices as Key, Termios,
    tcgetattr, tcsetattr,
};
use nix::unistd::Pid;
use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// What a key has that does nothing.
const NO_KEY: u8 = nix::libc::_POSIX_VDISABLE;

/// What turns the marks off and on that a terminal puts around a pasted text.
const PASTE_MARKS_OFF: &str = "\u{1b}[?2004l";
const PASTE_MARKS_ON: &str = "\u{1b}[?2004h";

/// The terminal of standard input. It is as the shell left it again when this is dropped.
pub(crate) struct Terminal {
    /// As the shell left it, in a form that threads can share.
    shell: nix::libc::termios,
    is_edited: bool,
}

impl Terminal {
    /// Takes the terminal of standard input, whose lines this program edits or, if not `is_edited`,
    /// the kernel.
    ///
    /// # Errors
    /// When it can't be set up.
    pub(crate) fn take(is_edited: bool) -> Result<Arc<Self>, Failure> {
        let shell = tcgetattr(io::stdin()).context("cannot ask the terminal")?;
        let terminal = Arc::new(Self {
            shell: shell.into(),
            is_edited,
        });
        let mut stops = signal(SignalKind::from_raw(Signal::SIGTSTP as i32))
            .context("cannot listen for SIGTSTP")?;
        let stopped = Arc::downgrade(&terminal);
        tokio::spawn(async move {
            while stops.recv().await.is_some() {
                match stopped.upgrade() {
                    Some(terminal) => terminal.suspend(),
                    None => stop(),
                }
            }
        });
        if is_edited {
            set(&terminal.waiting())?;
        } else {
            terminal.run()?;
        }
        Ok(terminal)
    }

    /// Leaves the terminal as the shell left it.
    pub(crate) fn give_back(&self) {
        // It may be gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.shell());
    }

    /// The byte of the key that interrupts; `None` if the terminal has no such key.
    pub(crate) fn interrupt_key(&self) -> Option<u8> {
        self.key(Key::VINTR)
    }

    /// The bytes of the keys that interrupt while lines are edited: Ctrl-C and Ctrl-\ unless the
    /// user has others.
    pub(crate) fn interrupt_keys(&self) -> impl Iterator<Item = u8> {
        [Key::VINTR, Key::VQUIT]
            .into_iter()
            .filter_map(|key| self.key(key))
    }

    /// The byte of the key that suspends; `None` if the terminal has no such key.
    pub(crate) fn suspend_key(&self) -> Option<u8> {
        self.key(Key::VSUSP)
    }

    /// Lets lines be read that the kernel edits. The interrupt key ends a line then, as a character
    /// of it: a signal would not say what stood in the line, and come before what was typed ahead
    /// of it.
    ///
    /// # Errors
    /// When it can't be set up.
    pub(crate) fn read(&self) -> Result<(), Failure> {
        if self.is_edited {
            return Ok(());
        }
        let mut reading = self.shell();
        if let Some(key) = self.interrupt_key() {
            reading.control_chars[Key::VINTR as usize] = NO_KEY;
            reading.control_chars[Key::VEOL as usize] = key;
        }
        set(&reading)
    }

    /// Lets what is typed wait while something runs, and the interrupt key interrupt that.
    ///
    /// # Errors
    /// When it can't be set up.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        if self.is_edited {
            return Ok(());
        }
        let mut running = self.shell();
        running.local_flags |= LocalFlags::NOFLSH;
        set(&running)
    }

    /// Stops this program as Ctrl-Z does, with the terminal as the shell left it, and goes on with
    /// the terminal as it is now.
    pub(crate) fn suspend(&self) {
        let now = tcgetattr(io::stdin());
        let marks = |text: &str| {
            let mut out = io::stdout().lock();
            // Nobody sees it if it is gone.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        let is_raw = now
            .as_ref()
            .is_ok_and(|now| !now.local_flags.contains(LocalFlags::ISIG));
        if is_raw {
            marks(PASTE_MARKS_OFF);
        }
        // Without its terminal it stops all the same.
        let _ = set(&self.shell());
        stop();
        if let Ok(now) = now {
            let _ = set(&now);
        }
        if is_raw {
            marks(PASTE_MARKS_ON);
        }
    }

    /// How the terminal is between two lines that are edited here. Characters wait as they were
    /// typed: the kernel would take keys for itself, and throw away what is too long for a line of
    /// its own. Ctrl-C is a signal, which throws away nothing.
    fn waiting(&self) -> Termios {
        let mut waiting = self.shell();
        waiting.input_flags &= !(InputFlags::ICRNL | InputFlags::ISTRIP | InputFlags::IXON);
        waiting.control_flags |= ControlFlags::CS8;
        waiting.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN);
        waiting.local_flags |= LocalFlags::ISIG | LocalFlags::NOFLSH;
        waiting.control_chars[Key::VMIN as usize] = 1;
        waiting.control_chars[Key::VTIME as usize] = 0;
        waiting
    }

    fn shell(&self) -> Termios {
        self.shell.into()
    }

    fn key(&self, key: Key) -> Option<u8> {
        Some(self.shell.c_cc[key as usize]).filter(|byte| *byte != NO_KEY)
    }
}

/// Has the terminal behave like that, once what was written to it is there.
fn set(mode: &Termios) -> Result<(), Failure> {
    tcsetattr(io::stdin(), SetArg::TCSADRAIN, mode).context("cannot set up the terminal")?;
    Ok(())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// Stops this program and what the shell started with it, and returns when it goes on.
fn stop() {
    let action = |handler| SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // The rest of the job is stopped first. For this program the signal to all is nothing: it would
    // stop it at some time, and not here.
    //
    // SAFETY: to ignore a signal runs no code of this program.
    let before = unsafe { sigaction(Signal::SIGTSTP, &action(SigHandler::SigIgn)) };
    let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
    // SAFETY: the default action runs no code of this program.
    let _ = unsafe { sigaction(Signal::SIGTSTP, &action(SigHandler::SigDfl)) };
    // A process that nobody could continue is not stopped by it.
    let _ = raise(Signal::SIGTSTP);
    if let Ok(before) = before {
        // SAFETY: it is the action that was there before.
        let _ = unsafe { sigaction(Signal::SIGTSTP, &before) };
    }
}
