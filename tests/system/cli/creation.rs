//! Templates and sessions that commands create.

use vm_system_tests::Daemon;

use crate::support::cli::run_cli;

/// Makes a template; returns its id.
pub(crate) fn create_template(daemon: &Daemon, name: &str) -> String {
    let line = run_cli(daemon, &["template", "create", "--name", name]).line();
    let id = line.strip_prefix(&format!("Created template: {name} (ID: "));
    id.and_then(|id| id.strip_suffix(')'))
        .expect(&line)
        .to_owned()
}

/// Makes a session on the daemon's worktree; returns its id.
pub(crate) fn create_session(daemon: &Daemon, template: &str) -> String {
    let worktree = daemon.worktree();
    let made = run_cli(
        daemon,
        &[
            "session",
            "create",
            "--template-id",
            template,
            "--workspace-id",
            "w",
            "--base-commit",
            "c",
            "--worktree-path",
            worktree.to_str().unwrap(),
        ],
    );
    let lines = made.lines();
    assert_eq!(
        lines[1..],
        [
            "Status: ready",
            &format!("Template ID: {template}"),
            "Workspace ID: w",
            "Base Commit: c",
            &format!("Worktree Path: {}", worktree.display()),
        ]
    );
    lines[0]
        .strip_prefix("Created session: ")
        .expect(lines[0])
        .to_owned()
}
