//! The order in which the kernel kills processes when memory runs out: first the processes of
//! sessions, then the helpers of all sessions (zygotes, supervisors of commands), the daemon last.
//!
//! Every process may raise its own score and lower it again. The zygote can't open the score file
//! of a process that it forks, and that process can't open its own, because neither can reach the
//! file system. So the zygote sets its own score to that of a session while it forks one, and the
//! fork inherits it.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::FileExt;

/// The file of the score of the process that opens it.
const FILE: &str = "/proc/self/oom_score_adj";

/// The highest score.
const HIGHEST: i32 = 1000;

/// The scores of the processes below a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Scores {
    /// The score of the helpers of all sessions: zygotes and supervisors of commands.
    pub(crate) helper: i32,
    /// The score of the processes of one session: its session process with its checkpoint, its
    /// database process and its commands.
    pub(crate) session: i32,
}

impl Scores {
    /// The scores below a daemon that has the score `daemon`.
    fn below(daemon: i32) -> Self {
        Self {
            helper: daemon + (HIGHEST - daemon) / 2,
            session: daemon + (HIGHEST - daemon) / 5 * 4,
        }
    }

    /// The scores, as computed in a process that still has the daemon's own score; `None` if the
    /// score can't be read.
    pub(crate) fn inherited() -> Option<Self> {
        Some(Self::below(open()?.1))
    }
}

/// Raises the score of this process.
pub(crate) fn raise(score: i32) {
    if let Some((file, _)) = open() {
        write(&file, score);
    }
}

/// The open score file of the zygote; `None` if the score can't be changed.
#[derive(Debug)]
pub(super) struct ZygoteScore(Option<(File, Scores)>);

impl ZygoteScore {
    /// Raises the score of this process to that of a helper. It must be called before the sandbox
    /// takes the file system away.
    pub(super) fn begin() -> Self {
        let opened = open().map(|(file, daemon)| (file, Scores::below(daemon)));
        let score = Self(opened);
        score.end_fork();
        score
    }

    /// Sets this process's score to that of the process that is about to be forked.
    pub(super) fn begin_fork(&self) {
        if let Some((file, scores)) = &self.0 {
            write(file, scores.session);
        }
    }

    /// Sets the zygote's own score again. It must not be called in the fork, whose descriptor
    /// refers to the file of the zygote.
    pub(super) fn end_fork(&self) {
        if let Some((file, scores)) = &self.0 {
            write(file, scores.helper);
        }
    }
}

/// The score file of this process, and its current score.
fn open() -> Option<(File, i32)> {
    let mut file = OpenOptions::new().read(true).write(true).open(FILE).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let score = text.trim().parse().ok()?;
    Some((file, score))
}

fn write(file: &File, score: i32) {
    // A failure is ignored: the score changes only the order in which processes are killed.
    let _ = file.write_at(score.to_string().as_bytes(), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_go_first_then_helpers_and_the_daemon_last() {
        for daemon in [-1000, -500, 0, 1, 300, 950] {
            let Scores { helper, session } = Scores::below(daemon);
            assert!(daemon < helper && helper < session && session <= HIGHEST);
        }
        let usual = Scores {
            helper: 500,
            session: 800,
        };
        assert_eq!(Scores::below(0), usual);
        assert_eq!(Scores::below(HIGHEST).session, HIGHEST);
    }
}
