//! The line that `vm-system serve` prints when it listens.

use std::process::Stdio;

use vm_system_tests::wait_for;

use crate::support::cli::command_in;

#[test]
fn serve_prints_where_it_listens() {
    let home = tempfile::tempdir().unwrap();
    let log = home.path().join("out");
    let mut child = command_in(
        home.path(),
        &["--db", "own.db", "serve", "--listen", "127.0.0.1:0"],
    )
    .stdout(std::fs::File::create(&log).unwrap())
    .stderr(Stdio::null())
    .spawn()
    .unwrap();
    let line = wait_for("the line of the daemon", || {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        text.contains('\n').then_some(text)
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        line.contains("listening on http://127.0.0.1:") && line.contains("own.db"),
        "{line}"
    );
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(home.path().join("own.db").exists());
}
