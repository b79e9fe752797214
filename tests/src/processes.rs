//! Processes as `/proc` shows them, and signals to them.

use std::fs;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The name of zygotes, and of their forks until these set their own name.
const ZYGOTE: &str = "vms-zygote";

/// A process, as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The process id.
    pub pid: i32,
    /// The process id of the parent.
    pub parent: i32,
    /// The name, at most 15 bytes.
    pub name: String,
    /// The state: `R`, `S`, `Z` and so on.
    pub state: char,
}

/// The role of a process of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The session process, which runs code.
    Session,
    /// The checkpoint, which sleeps.
    Checkpoint,
}

impl Process {
    /// All processes that `/proc` shows.
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

    /// The process with an id; `None` if there is none.
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

    /// The zygotes of a daemon, which are its children. A new fork of a zygote has the same name
    /// for a moment.
    pub fn zygotes(daemon: i32) -> Vec<Self> {
        let mut all = Self::descendants(daemon);
        all.retain(|process| process.parent == daemon && process.name == ZYGOTE);
        all
    }

    /// The processes of the sessions of a zygote, without the one that is prepared for the next
    /// session.
    pub fn session_processes(zygote: i32) -> Vec<Self> {
        let mut all = Self::descendants(zygote);
        all.retain(|process| process.name != "vms-waiting" && process.name != ZYGOTE);
        all
    }

    /// All descendants of the process `pid`.
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

    /// Whether the process exists and is no zombie.
    pub fn is_alive(pid: i32) -> bool {
        Self::read(pid).is_some_and(|process| process.state != 'Z')
    }

    /// Sends `SIGKILL`.
    ///
    /// # Panics
    /// If the process does not exist.
    #[track_caller]
    pub fn kill(pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("the process is there");
    }

    /// Sends `SIGSTOP`.
    ///
    /// # Panics
    /// If the process does not exist.
    #[track_caller]
    pub fn stop(pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGSTOP).expect("the process is there");
    }

    /// Sends `SIGSTOP` if the process exists.
    pub fn try_stop(pid: i32) {
        // This fails if the process has ended.
        let _ = kill(Pid::from_raw(pid), Signal::SIGSTOP);
    }

    /// Sends `SIGCONT`.
    ///
    /// # Panics
    /// If the process does not exist.
    #[track_caller]
    pub fn resume(pid: i32) {
        kill(Pid::from_raw(pid), Signal::SIGCONT).expect("the process is there");
    }

    /// The first word of a field of `/proc/PID/status`.
    ///
    /// # Panics
    /// If there is no such process or field.
    #[track_caller]
    pub fn status(pid: i32, name: &str) -> String {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it is there");
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let word = line.and_then(|line| line.split_whitespace().next());
        word.expect("a process has it").to_owned()
    }

    /// The resident memory of a process, in KiB.
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
