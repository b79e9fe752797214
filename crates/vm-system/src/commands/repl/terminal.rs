//! The modes of the terminal while the console does not read from it: typed input waits, and none
//! of it is lost.

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

/// The control character of a disabled key.
const NO_KEY: u8 = nix::libc::_POSIX_VDISABLE;

/// The control sequences that disable and enable bracketed paste.
const PASTE_MARKS_OFF: &str = "\u{1b}[?2004l";
const PASTE_MARKS_ON: &str = "\u{1b}[?2004h";

/// The terminal of standard input. Its original mode is restored on drop.
pub(crate) struct Terminal {
    /// The mode that the shell left, in a form that is `Sync`.
    shell: nix::libc::termios,
    is_edited: bool,
}

impl Terminal {
    /// Acquires the terminal of standard input. If `is_edited` is set, this program edits its
    /// lines, otherwise the kernel does.
    ///
    /// # Errors
    /// When the terminal can't be set up.
    pub(crate) fn acquire(is_edited: bool) -> Result<Arc<Self>, Failure> {
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
                    None => stop_job(),
                }
            }
        });
        if is_edited {
            set(&terminal.waiting_mode())?;
        } else {
            terminal.enable_running()?;
        }
        Ok(terminal)
    }

    /// Restores the mode that the shell left.
    pub(crate) fn restore(&self) {
        // The terminal may be gone.
        let _ = tcsetattr(io::stdin(), SetArg::TCSANOW, &self.shell_mode());
    }

    /// The byte of the interrupt key; `None` if the terminal has no such key.
    pub(crate) fn interrupt_key(&self) -> Option<u8> {
        self.key(Key::VINTR)
    }

    /// The bytes of the keys that interrupt an edited line: Ctrl-C and Ctrl-\, unless the user has
    /// configured others.
    pub(crate) fn interrupt_keys(&self) -> impl Iterator<Item = u8> {
        [Key::VINTR, Key::VQUIT]
            .into_iter()
            .filter_map(|key| self.key(key))
    }

    /// The byte of the suspend key; `None` if the terminal has no such key.
    pub(crate) fn suspend_key(&self) -> Option<u8> {
        self.key(Key::VSUSP)
    }

    /// Prepares the terminal for reading a line that the kernel edits; without effect if this
    /// program edits lines. The interrupt key then ends the line as a character of it: a signal
    /// would not tell what the line contained, and would overtake input that was typed before it.
    ///
    /// # Errors
    /// When the terminal can't be set up.
    pub(crate) fn enable_reading(&self) -> Result<(), Failure> {
        if self.is_edited {
            return Ok(());
        }
        let mut reading = self.shell_mode();
        if let Some(key) = self.interrupt_key() {
            reading.control_chars[Key::VINTR as usize] = NO_KEY;
            reading.control_chars[Key::VEOL as usize] = key;
        }
        set(&reading)
    }

    /// Prepares the terminal for an execution: typed input waits, and the interrupt key sends a
    /// signal. Without effect if this program edits lines.
    ///
    /// # Errors
    /// When the terminal can't be set up.
    pub(crate) fn enable_running(&self) -> Result<(), Failure> {
        if self.is_edited {
            return Ok(());
        }
        let mut running = self.shell_mode();
        running.local_flags |= LocalFlags::NOFLSH;
        set(&running)
    }

    /// Stops this program as Ctrl-Z does, with the mode that the shell left. The current mode is
    /// restored when the program continues.
    pub(crate) fn suspend(&self) {
        let now = tcgetattr(io::stdin());
        let marks = |text: &str| {
            let mut out = io::stdout().lock();
            // A closed standard output needs no control sequences.
            let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        };
        let is_raw = now
            .as_ref()
            .is_ok_and(|now| !now.local_flags.contains(LocalFlags::ISIG));
        if is_raw {
            marks(PASTE_MARKS_OFF);
        }
        // The program also stops if its terminal is gone.
        let _ = set(&self.shell_mode());
        stop_job();
        if let Ok(now) = now {
            let _ = set(&now);
        }
        if is_raw {
            marks(PASTE_MARKS_ON);
        }
    }

    /// The mode between two edited lines. Characters wait as they were typed: the kernel would
    /// interpret keys, and discard what exceeds a line of its own. Ctrl-C is a signal that discards
    /// no input.
    fn waiting_mode(&self) -> Termios {
        let mut waiting = self.shell_mode();
        waiting.input_flags &= !(InputFlags::ICRNL | InputFlags::ISTRIP | InputFlags::IXON);
        waiting.control_flags |= ControlFlags::CS8;
        waiting.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::IEXTEN);
        waiting.local_flags |= LocalFlags::ISIG | LocalFlags::NOFLSH;
        waiting.control_chars[Key::VMIN as usize] = 1;
        waiting.control_chars[Key::VTIME as usize] = 0;
        waiting
    }

    fn shell_mode(&self) -> Termios {
        self.shell.into()
    }

    fn key(&self, key: Key) -> Option<u8> {
        Some(self.shell.c_cc[key as usize]).filter(|byte| *byte != NO_KEY)
    }
}

/// Sets the mode of the terminal after all output is transmitted.
fn set(mode: &Termios) -> Result<(), Failure> {
    tcsetattr(io::stdin(), SetArg::TCSADRAIN, mode).context("cannot set up the terminal")?;
    Ok(())
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Stops this program and the other processes of its job, and returns when it is continued.
fn stop_job() {
    let action = |handler| SigAction::new(handler, SaFlags::empty(), SigSet::empty());
    // The other processes of the job are stopped first. This program ignores the signal to the
    // group: it would be stopped at an arbitrary time instead of here.
    //
    // SAFETY: ignoring a signal runs no code of this program.
    let before = unsafe { sigaction(Signal::SIGTSTP, &action(SigHandler::SigIgn)) };
    let _ = kill(Pid::from_raw(0), Signal::SIGTSTP);
    // SAFETY: the default action runs no code of this program.
    let _ = unsafe { sigaction(Signal::SIGTSTP, &action(SigHandler::SigDfl)) };
    // The signal does not stop a process of an orphaned group, which no shell could continue.
    let _ = raise(Signal::SIGTSTP);
    if let Ok(before) = before {
        // SAFETY: it is the action that was installed before.
        let _ = unsafe { sigaction(Signal::SIGTSTP, &before) };
    }
}
