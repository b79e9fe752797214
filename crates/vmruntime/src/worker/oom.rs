//! The order in which the kernel kills when memory runs out: the processes of sessions, then the
//! zygote, the daemon last.
//!
//! Every process may raise its own score, and lower it again. The zygote can't open the file of a
//! process that it forks, nor can that process open its own: neither has a file system. So the
//! zygote takes on the score of a session while it forks one.

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
    /// Of the helpers of all sessions: zygotes, supervisors of commands.
    pub(crate) helper: i32,
    /// Of the processes of one session: session processes, its database process, its commands.
    pub(crate) session: i32,
}

impl Scores {
    /// Relative to that of the daemon.
    fn below(daemon: i32) -> Self {
        Self {
            helper: daemon + (HIGHEST - daemon) / 2,
            session: daemon + (HIGHEST - daemon) / 5 * 4,
        }
    }

    /// The scores, in a process that still has the daemon's; `None` where the system has no such
    /// file.
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

/// The score of the zygote, which sets that of the processes that it forks.
#[derive(Debug)]
pub(super) struct ZygoteScore(Option<(File, Scores)>);

impl ZygoteScore {
    /// Raises the score of this process to that of a zygote. To be called before the file system is
    /// given up.
    pub(super) fn begin() -> Self {
        let opened = open().map(|(file, daemon)| (file, Scores::below(daemon)));
        let score = Self(opened);
        score.end_fork();
        score
    }

    /// Takes on the score of the process that is about to be forked.
    pub(super) fn begin_fork(&self) {
        if let Some((file, scores)) = &self.0 {
            write(file, scores.session);
        }
    }

    /// Takes on the zygote's score again. Not to be called in the fork, whose file is the zygote's.
    pub(super) fn end_fork(&self) {
        if let Some((file, scores)) = &self.0 {
            write(file, scores.helper);
        }
    }
}

/// The file, and the score that this process has.
fn open() -> Option<(File, i32)> {
    let mut file = OpenOptions::new().read(true).write(true).open(FILE).ok()?;
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    let score = text.trim().parse().ok()?;
    Some((file, score))
}

fn write(file: &File, score: i32) {
    // It changes only the order. Without it a worker works as well.
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
