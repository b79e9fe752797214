//! Programs at a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};

use crate::wait_for;

/// A program at a terminal of its own.
pub struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Mutex<String>>,
    /// How much of the output earlier waits have consumed, in bytes.
    seen: usize,
}

impl Terminal {
    /// Starts a program at a terminal with this number of columns.
    ///
    /// # Panics
    /// If the system has no terminal left.
    pub fn start(mut command: Command, columns: u16) -> Self {
        let pair = openpty(&size(columns), None).expect("a terminal can be made");
        let stream = || pair.slave.try_clone().expect("a descriptor can be copied");
        command
            .env("TERM", "xterm")
            .stdin(stream())
            .stdout(stream())
            .stderr(stream());
        // SAFETY: both calls are allowed between a fork and an exec, and change no memory of this
        // process.
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                match nix::libc::ioctl(0, nix::libc::TIOCSCTTY, 0) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
        let child = command.spawn().expect("the program can be started");
        drop((command, pair.slave));
        let keyboard = File::from(pair.master);
        let mut output = keyboard.try_clone().expect("a descriptor can be copied");
        let screen: Arc<Mutex<String>> = Arc::default();
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The read fails when the last program has closed the terminal.
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let text = String::from_utf8_lossy(&buffer[..length]);
                shown.lock().expect("no test panics here").push_str(&text);
            }
        });
        Self {
            child,
            keyboard,
            screen,
            seen: 0,
        }
    }

    /// The program's process id.
    ///
    /// # Panics
    /// Never: process ids are small.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// Types keys.
    ///
    /// # Panics
    /// If the program has ended.
    pub fn type_keys(&mut self, keys: &str) {
        self.send_bytes(keys.as_bytes());
    }

    /// Sends bytes that may not be valid UTF-8.
    ///
    /// # Panics
    /// If the program has ended.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.keyboard
            .write_all(bytes)
            .expect("the program is there");
    }

    /// The settings of the terminal.
    ///
    /// # Panics
    /// If the terminal is closed.
    pub fn local_flags(&self) -> LocalFlags {
        let modes = tcgetattr(&self.keyboard).expect("the terminal is there");
        modes.local_flags
    }

    /// Waits until a text is shown, after those that earlier calls waited for.
    ///
    /// # Panics
    /// If the text is not shown in time.
    pub fn wait_for_text(&mut self, text: &str) {
        let (screen, seen) = (Arc::clone(&self.screen), self.seen);
        let what = format!("{text:?} on the screen");
        self.seen = wait_for(&what, || {
            let screen = screen.lock().expect("no test panics here");
            Some(seen + screen[seen..].find(text)? + text.len())
        });
    }

    /// The whole output of the program.
    ///
    /// # Panics
    /// Never.
    pub fn screen(&self) -> String {
        self.screen.lock().expect("no test panics here").clone()
    }

    /// Sets the number of columns.
    ///
    /// # Panics
    /// If the terminal is closed.
    pub fn resize(&self, columns: u16) {
        let size = size(columns);
        // SAFETY: the call reads a structure that lives until it returns.
        let set = unsafe {
            nix::libc::ioctl(
                self.keyboard.as_raw_fd(),
                nix::libc::TIOCSWINSZ,
                &raw const size,
            )
        };
        assert_eq!(set, 0, "the terminal is there");
    }

    /// Waits until the program ends.
    ///
    /// # Panics
    /// If the program does not end in time.
    pub fn wait_for_exit(&mut self) -> ExitStatus {
        let child = &mut self.child;
        wait_for("the program to end", || {
            child.try_wait().expect("it is a child")
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // This fails if the program has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the screen: {:?}", self.screen.lock());
        }
    }
}

fn size(columns: u16) -> Winsize {
    Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}
