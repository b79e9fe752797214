//! The functions of `fs`, as scripts use them.

use std::fs;
use std::os::unix::fs::symlink;

use vm_system_tests::Daemon;

use crate::host_modules::calls::{error_message, module_session};

#[test]
fn fs_reads_and_writes_inside_the_worktree() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "fs");
    daemon.write("dir/a.txt", "text \u{e4}\n");
    let root = daemon.worktree();
    assert_eq!(
        session.eval("fs.readFileSync('dir/a.txt')"),
        "text \u{e4}\n"
    );
    let absolute = root.join("dir/a.txt");
    let read = format!("fs.readFileSync('{}')", absolute.display());
    assert_eq!(session.eval(&read), "text \u{e4}\n");
    session.eval("fs.writeFileSync('new.txt', 'one')");
    assert_eq!(fs::read_to_string(root.join("new.txt")).unwrap(), "one");
    let write = format!("fs.writeFileSync('{}/new.txt', '\u{e4}')", root.display());
    session.eval(&write);
    assert_eq!(fs::read_to_string(root.join("new.txt")).unwrap(), "\u{e4}");
}

#[test]
fn fs_refuses_what_lies_outside() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "fs");
    let secret = daemon.home().join("secret.txt");
    fs::write(&secret, "secret").unwrap();
    symlink(&secret, daemon.worktree().join("link")).unwrap();
    symlink("..", daemon.worktree().join("up")).unwrap();
    for path in [
        secret.to_str().unwrap(),
        "../secret.txt",
        "a/../../secret.txt",
        "link",
        "up/secret.txt",
    ] {
        let message = error_message(&session, &format!("fs.readFileSync('{path}')"));
        assert!(message.contains(path), "{message}");
        error_message(&session, &format!("fs.writeFileSync('{path}', 'changed')"));
    }
    error_message(&session, "fs.writeFileSync('up/new.txt', 'new')");
    assert_eq!(fs::read_to_string(&secret).unwrap(), "secret");
    assert!(!daemon.home().join("new.txt").exists());
}

#[test]
fn fs_throws_errors_that_scripts_can_catch() {
    let daemon = Daemon::start();
    let session = module_session(&daemon, "fs");
    let missing = "try { fs.readFileSync('missing.txt') } catch (error) { error.code }";
    assert_eq!(session.eval(missing), "ENOENT");
    let message = error_message(&session, "fs.readFileSync('missing.txt')");
    assert!(message.contains("missing.txt"), "{message}");
    error_message(&session, "fs.readFileSync()");
    error_message(&session, "fs.writeFileSync('a.txt')");
    error_message(&session, "fs.readFileSync('.')");
}
