//! A library cache of a test, and the commands on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The code of test packages.
pub(crate) const CODE: &str = "var p = 1;\n";

/// The exit status and the output of a command.
pub(crate) struct Ran {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Asserts success without a message on standard error; returns standard output.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""));
        self.stdout
    }

    /// Asserts exit status 1 and a message that contains `part`.
    #[track_caller]
    pub(crate) fn error(self, part: &str) -> Self {
        assert_eq!(self.status, 1, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(part), "{}", self.stderr);
        self
    }
}

/// A temporary library cache.
pub(crate) struct Cache {
    dir: TempDir,
}

impl Cache {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// The directory of the cache.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The path of a file of the cache.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.path().join(file)
    }

    /// The content of a file of the cache.
    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// The lock file.
    pub(crate) fn lock(&self) -> Value {
        serde_json::from_str(&self.text("libraries.lock.json")).unwrap()
    }

    /// A subcommand of `vm-system libs` on this cache, without the environment variables of the
    /// program and of proxies.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vm-system"));
        command
            .args(["libs", "--cache"])
            .arg(self.dir.path())
            .args(args)
            .stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("VM_SYSTEM_") || name.to_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs a subcommand of `vm-system libs`.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// Runs `vm-system libs download`.
    pub(crate) fn download(&self, registry: &str, names: &[&str]) -> Ran {
        let mut args = vec!["download", "--registry", registry];
        args.extend(names);
        self.run(&args)
    }
}

/// Runs a command to its end.
pub(crate) fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        status: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
