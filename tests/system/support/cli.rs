//! Runs commands of the CLI and keeps their output.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use vm_system_tests::{Daemon, command};

/// A command that has ended.
#[derive(Debug)]
pub(crate) struct CliOutput {
    /// The exit status.
    pub status: i32,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
    pub stderr: String,
}

/// Runs a command to its end.
pub(crate) fn output_of(command: &mut Command) -> CliOutput {
    let output = command.output().expect("the binary can be run");
    for stream in [&output.stdout, &output.stderr] {
        assert!(
            !stream.contains(&0x1b),
            "colours are for terminals: {output:?}"
        );
    }
    CliOutput {
        status: output.status.code().expect("it ended by itself"),
        stdout: String::from_utf8(output.stdout).expect("it prints UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("it prints UTF-8"),
    }
}

impl CliOutput {
    /// The output of a command that succeeded.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(
            (self.status, self.stderr.as_str()),
            (0, ""),
            "{}",
            self.stdout
        );
        self.stdout
    }

    /// The one line of a command that succeeded.
    #[track_caller]
    pub(crate) fn line(self) -> String {
        let stdout = self.ok();
        let line = stdout.strip_suffix('\n').expect("a whole line");
        assert!(!line.contains('\n'), "{line:?}");
        line.to_owned()
    }

    /// The JSON of a command that succeeded.
    #[track_caller]
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.ok()).expect("it prints JSON")
    }

    /// The lines of the standard output.
    pub(crate) fn lines(&self) -> Vec<&str> {
        self.stdout.lines().collect()
    }

    /// The error of a command that failed.
    #[track_caller]
    pub(crate) fn error(&self, status: i32) -> &str {
        assert_eq!(self.status, status, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.starts_with("Error: "), "{}", self.stderr);
        assert!(self.stdout.is_empty(), "{}", self.stdout);
        &self.stderr
    }
}

/// Runs a command of the CLI with the URL of a daemon.
pub(crate) fn run_cli(daemon: &Daemon, args: &[&str]) -> CliOutput {
    output_of(&mut daemon.cli(args))
}

/// A command of the CLI in a directory, without a daemon.
pub(crate) fn command_in(directory: &Path, args: &[&str]) -> Command {
    let mut cli = command();
    cli.args(args).current_dir(directory);
    cli
}

/// The JSON that a command of `vm-system ops` prints.
pub(crate) fn ops_json(daemon: &Daemon, args: &[&str]) -> Value {
    let printed = run_cli(daemon, &[&["ops"], args].concat()).ok();
    serde_json::from_str(&printed).unwrap()
}
