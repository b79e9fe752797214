//! Processes as `/proc` shows them, and signals to them.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The name of zygotes, and of their forks until they have one of their own.
const ZYGOTE: &str = "vms-zygote";

/// A process, as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its id.
    pub pid: i32,
    /// Its parent's id.
    pub parent: i32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// Its state: `R`, `S`, `Z` and so on.
    pub state: char,
}

/// What a process of a session does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It runs the code.
    Session,
    /// It sleeps.
    Checkpoint,
}

impl Process {
    /// All processes that can be seen.
    pub fn all() -> Vec<Self> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| {
                let pid = entry.ok()?.file_name().to_str()?.parse().ok()?;
                Self::read(pid)
            })
            .collect()
    }

    /// One process, if it is there.
    pub fn read(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let (_, rest) = stat.split_once('(')?;
        let (name, rest) = rest.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some(Self {
            pid,
            state: fields.next()?.chars().next()?,
            parent: fields.next()?.parse().ok()?,
            name: name.to_owned(),
        })
    }

    /// The zygotes of a daemon, which are its children: for a moment a fork of one has its name.
    pub fn zygotes(daemon: i32) -> Vec<Self> {
        let mut all = Self::descendants(daemon);
        all.retain(|process| process.parent == daemon && process.name == ZYGOTE);
        all
    }

    /// The processes of the sessions of a zygote, without the process that is prepared for the next
    /// one.
    pub fn session_processes(zygote: i32) -> Vec<Self> {
        let mut all = Self::descendants(zygote);
        all.retain(|process| process.name != "vms-waiting" && process.name != ZYGOTE);
        all
    }

    /// The processes below `pid`, of any depth.
    pub fn descendants(pid: i32) -> Vec<Self> {
        let all = Self::all();
        let mut found: Vec<Self> = Vec::new();
        let mut parents = vec![pid];
        while let Some(parent) = parents.pop() {
            for process in all.iter().filter(|process| process.parent == parent) {
                parents.push(process.pid);
                found.push(process.clone());
            }
        }
        found
    }

    /// Whether it lives and is no zombie.
    pub fn is_alive(pid: i32) -> bool {
        Self::read(pid).is_some_and(|process| process.state != 'Z')
    }

    /// `kill -9`.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn kill(pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the process is there");
    }

    /// `kill -STOP`.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn stop(pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("the process is there");
    }

    /// `kill -STOP`, if it is there.
    pub fn try_stop(pid: i32) {
        // It may have ended.
        let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
    }

    /// `kill -CONT`.
    ///
    /// # Panics
    /// When it is not there.
    #[track_caller]
    pub fn resume(pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGCONT).expect("the process is there");
    }

    /// A line of `/proc/PID/status`: the first word after the name.
    ///
    /// # Panics
    /// When there is no such process or line.
    #[track_caller]
    pub fn status(pid: i32, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.expect("a process has it").to_owned()
    }

    /// The memory that a process has now, in KiB.
    ///
    /// # Panics
    /// When there is no such process.
    #[track_caller]
    pub fn rss_kib(pid: i32) -> u64 {
        Self::status(pid, "VmRSS").parse().expect("it is a number")
    }

    /// The proportional set size of a process, in KiB.
    pub fn pss_kib(pid: i32) -> Option<u64> {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse().ok()
    }
}
