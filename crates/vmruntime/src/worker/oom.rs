//! Whom the kernel ends first when memory runs out: what runs for a session, then the zygote, the daemon last.
//!
//! Every process may raise its own score, and take back what it raised. The zygote can't reach the file of a process that it
//! forks, and that process not its own: neither has a file system. So the zygote has the score of a session while it forks one.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;

/// The file of the score of the process that opens it.
const FILE: &str = "/proc/self/oom_score_adj";

/// The highest score.
const HIGHEST: i32 = 1000;

/// The score of the zygote, which may set that of the processes it forks. Without the file all is left as it is: it only
/// changes who is ended first.
#[derive(Debug)]
pub(super) struct OomScore {
    file: Option<File>,
    own: i32,
    of_sessions: i32,
}

impl OomScore {
    /// Raises the score of this process to that of a zygote. To be called before the file system is given up.
    pub(super) fn begin() -> Self {
        let opened = open();
        let score = match opened {
            Some((file, daemon)) => Self {
                file: Some(file),
                own: of_zygotes(daemon),
                of_sessions: of_sessions(daemon),
            },
            None => Self {
                file: None,
                own: 0,
                of_sessions: 0,
            },
        };
        score.end_fork();
        score
    }

    /// Takes on the score of what is about to be forked.
    pub(super) fn begin_fork(&self) {
        self.set(self.of_sessions);
    }

    /// Takes on its own score again. The forked process must not: it has the same file, which is the zygote's.
    pub(super) fn end_fork(&self) {
        self.set(self.own);
    }

    fn set(&self, score: i32) {
        if let Some(file) = &self.file {
            write(file, score);
        }
    }
}

/// Raises the score of this process, which works for a session, to that of session processes.
pub(crate) fn raise_to_sessions() {
    if let Some((file, daemon)) = open() {
        write(&file, of_sessions(daemon));
    }
}

/// Raises the score of this process, which supervises something that works for a session, to that of a zygote.
pub(crate) fn raise_to_zygotes() {
    if let Some((file, daemon)) = open() {
        write(&file, of_zygotes(daemon));
    }
}

fn of_zygotes(daemon: i32) -> i32 {
    daemon + (HIGHEST - daemon) / 2
}

fn of_sessions(daemon: i32) -> i32 {
    daemon + (HIGHEST - daemon) / 5 * 4
}

/// The file, and the score that this process has from the daemon.
fn open() -> Option<(File, i32)> {
    let mut file = OpenOptions::new().read(true).write(true).open(FILE).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let score = text.trim().parse().ok()?;
    Some((file, score))
}

fn write(file: &File, score: i32) {
    // A process that can't be put before others is one all the same.
    let _ = file.write_at(score.to_string().as_bytes(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_go_first_then_zygotes_and_the_daemon_last() {
        for daemon in [-1000, -500, 0, 1, 300, 995] {
            let (zygotes, sessions) = (of_zygotes(daemon), of_sessions(daemon));
            assert!(daemon < zygotes, "{daemon}");
            assert!(zygotes < sessions || daemon > 990, "{daemon}");
            assert!(sessions <= HIGHEST);
        }
        assert_eq!((of_zygotes(0), of_sessions(0)), (500, 800));
        assert_eq!((of_zygotes(1000), of_sessions(1000)), (1000, 1000));
    }
}
