//! Worktrees that the user of the daemon has no access to.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::json;
use vm_system_tests::{ANY_PORT, Process, binary};

/// The id of a user and a group that own nothing.
const UNPRIVILEGED_USER: u32 = 65_534;

/// A daemon of an unprivileged user; it is killed when this is dropped.
struct UnprivilegedDaemon {
    child: Child,
    /// The standard output, which stays open so that the daemon can print.
    _stdout: BufReader<ChildStdout>,
    api: vm_system_tests::Api,
}

impl UnprivilegedDaemon {
    /// Starts the daemon in a folder of its own below `home`, with a copy of the program that the
    /// user may read.
    fn start(home: &Path) -> Self {
        let own = home.join("daemon");
        fs::create_dir(&own).unwrap();
        chown(&own, Some(UNPRIVILEGED_USER), Some(UNPRIVILEGED_USER)).unwrap();
        let program = home.join("vm-system");
        fs::copy(binary(), &program).unwrap();
        let mut child = Command::new(&program)
            .args(["serve", "--db", "test.db"])
            .args(ANY_PORT)
            .current_dir(&own)
            .uid(UNPRIVILEGED_USER)
            .gid(UNPRIVILEGED_USER)
            .env("HOME", &own)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let server = line
            .split_whitespace()
            .find(|word| word.starts_with("http://"))
            .unwrap_or_else(|| panic!("the daemon did not start: {line}"));
        let api = vm_system_tests::Api::new(server);
        Self {
            child,
            _stdout: stdout,
            api,
        }
    }
}

impl Drop for UnprivilegedDaemon {
    fn drop(&mut self) {
        Process::kill(self.child.id().cast_signed());
        let _ = self.child.wait();
    }
}

#[test]
fn a_worktree_that_the_daemon_may_not_use_is_refused_with_the_session() {
    let home = tempfile::tempdir().unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o755)).unwrap();
    if chown(home.path(), Some(0), Some(0)).is_err() {
        println!("skipped: only root can run a daemon as another user");
        return;
    }
    let daemon = UnprivilegedDaemon::start(home.path());
    let template = daemon
        .api
        .post("/templates", &json!({"name": "t"}))
        .expect_status(201);
    let create = |worktree: &Path| {
        let body = json!({
            "template_id": template["id"],
            "workspace_id": "w",
            "base_commit_oid": "c",
            "worktree_path": worktree,
        });
        daemon.api.post("/sessions", &body)
    };
    for (name, mode, is_usable) in [
        ("all", 0o755, true),
        ("nothing", 0o700, false),
        ("no-reading", 0o711, false),
        ("no-entering", 0o744, false),
    ] {
        let worktree = home.path().join(name);
        fs::create_dir(&worktree).unwrap();
        fs::create_dir(worktree.join("inner")).unwrap();
        fs::set_permissions(&worktree, fs::Permissions::from_mode(mode)).unwrap();
        std::os::unix::fs::symlink(name, home.path().join(format!("{name}-link"))).unwrap();
        let mut worktrees = vec![worktree.clone(), home.path().join(format!("{name}-link"))];
        // A directory that can't be entered makes its content unreachable.
        if mode & 0o001 == 0 {
            worktrees.push(worktree.join("inner"));
        }
        for worktree in worktrees {
            // The second request finds the path in the caches of the kernel.
            for _ in 0..2 {
                let answer = create(&worktree);
                if is_usable {
                    answer.expect_status(201);
                    continue;
                }
                let answer = answer.expect_error(422, "WORKTREE_INVALID");
                assert!(
                    answer.message().contains(&UNPRIVILEGED_USER.to_string()),
                    "{}",
                    answer.message()
                );
                assert_eq!(answer.json["error"]["details"]["path"], json!(worktree));
            }
        }
    }
    let sessions = daemon.api.get("/sessions").expect_status(200);
    assert_eq!(
        sessions.as_array().unwrap().len(),
        4,
        "refused ones leave no row"
    );
}
