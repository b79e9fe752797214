//! Daemons with a token, and daemons that must not start.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use vm_system_tests::{Daemon, DaemonOptions, command};

use crate::support::cli::output_of;

/// The permission bits of a file.
pub(crate) fn permissions(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// A daemon that requires a token, which it has created itself.
pub(crate) fn daemon_with_token(more: &[&str]) -> (Daemon, String) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    let mut args = vec!["--token-file".to_owned(), file.to_str().unwrap().to_owned()];
    args.extend(more.iter().map(|arg| (*arg).to_owned()));
    let daemon = Daemon::start_with(DaemonOptions {
        home: Some(home),
        args,
        ..DaemonOptions::default()
    });
    let token = fs::read_to_string(file).unwrap().trim().to_owned();
    (daemon, token)
}

/// Starts a daemon that must refuse to start; returns its error.
pub(crate) fn refused_start(args: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut serve = command();
    serve
        .args(["serve", "--db"])
        .arg(home.path().join("test.db"))
        .args(args)
        .current_dir(home.path());
    let ran = output_of(&mut serve);
    assert_eq!(ran.status, 1, "{}{}", ran.stdout, ran.stderr);
    ran.stderr
}
