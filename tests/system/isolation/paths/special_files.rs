//! FIFOs, sockets, devices and hard links in the worktree.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use vm_system_tests::Daemon;

use crate::isolation::paths::outside::{assert_refused, reads, session_with_files};
use crate::support::attempts::{assert_all_throw, assert_value, js_literal};

/// The bound on an answer that must not wait for a file.
const AT_ONCE: Duration = Duration::from_secs(20);

#[test]
fn fifos_sockets_devices_and_folders_are_refused_at_once() {
    let daemon = Daemon::start();
    let session = session_with_files(&daemon);
    daemon.write("inside.txt", "inside");
    daemon.write("folder.js/a.txt", "");
    let root = daemon.worktree();
    mkfifo(&root.join("fifo.js"), Mode::S_IRWXU).unwrap();
    let _listener = UnixListener::bind(root.join("socket.js")).unwrap();
    symlink("fifo.js", root.join("fifo-link.js")).unwrap();
    symlink("loop.js", root.join("loop.js")).unwrap();
    let mut paths: Vec<String> = [
        "fifo.js",
        "fifo-link.js",
        "socket.js",
        "folder.js",
        "loop.js",
    ]
    .map(str::to_owned)
    .into();
    for (number, target) in [
        "/dev/stdin",
        "/dev/stdout",
        "/dev/fd/0",
        "/dev/fd/3",
        "/dev/zero",
        "/dev/full",
        "/dev/tty",
        "/dev/ptmx",
        "/proc/self/environ",
        "/proc/self/mem",
        "/proc/self/fd/1",
        "/proc/self/exe",
        "/proc/kmsg",
    ]
    .into_iter()
    .enumerate()
    {
        let link = format!("device{number}.js");
        symlink(target, root.join(&link)).unwrap();
        paths.extend([target.to_owned(), link]);
    }
    let asked = Instant::now();
    for path in paths {
        let answer = session.submit_file(&path);
        assert!(matches!(answer.status, 404 | 422), "{}", answer.text);
        assert_refused(&path, &answer);
        let path = js_literal(&path);
        let mut calls = reads(&path);
        // `readdir` works on folders, so it is left out.
        calls.retain(|call| !call.contains("readdir"));
        calls.extend([
            format!("require('./' + {path})"),
            format!("fs.writeFileSync({path}, 'changed')"),
            format!("fs.appendFileSync({path}, 'changed')"),
            format!("fs.copyFileSync('inside.txt', {path})"),
            format!(
                "database.configure('sqlite3', {path}), database.exec('CREATE TABLE made (a)')"
            ),
        ]);
        if !path.contains("folder") {
            // The path is no folder, so no file can be created in it.
            calls.push(format!(
                "database.configure('sqlite3', {path} + '/in.db'), database.exec('CREATE TABLE made (a)')"
            ));
        }
        for message in assert_all_throw(&session, &calls, None) {
            assert!(!message.is_empty());
        }
    }
    assert!(asked.elapsed() < 3 * AT_ONCE, "{:?}", asked.elapsed());
    // A writer that opens the FIFO later finds no reader.
    assert_value(&session, "fs.statSync('fifo.js').isFile()", &json!(false));
}

/// A hard link in the worktree can't be distinguished from a file that was created there, so it is
/// read and written. The user who creates one can read the file already; a script can't create one.
/// The files of the service stay out of reach.
#[test]
fn a_hard_link_is_a_file_of_the_worktree() {
    let daemon = Daemon::start();
    let session = session_with_files(&daemon);
    let outside = daemon.home().join("outside.js");
    fs::write(&outside, "'shared'").unwrap();
    fs::hard_link(&outside, daemon.worktree().join("hard.js")).unwrap();
    let run = session.submit_file("hard.js").expect_status(201);
    assert_eq!(run["result"]["preview"], "shared");
    session.eval("fs.appendFileSync('hard.js', ';2'); 1");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "'shared';2");
    // The name is removed, and the file stays.
    session.eval("fs.rmSync('hard.js'); 1");
    assert!(outside.exists());
    let makers = "['link', 'linkSync', 'symlink', 'symlinkSync'].every((name) => !(name in fs) && !(name in fs.promises))";
    assert_eq!(session.eval(makers), "true");
    for own in ["test.db", "test.db-wal"] {
        fs::hard_link(daemon.home().join(own), daemon.worktree().join("own.js")).unwrap();
        assert_refused("own.js", &session.submit_file("own.js"));
        let mut calls = reads("'./own.js'");
        calls.retain(|call| !call.contains("readdir"));
        calls.push("fs.writeFileSync('own.js', '')".into());
        calls.push("fs.appendFileSync('own.js', '')".into());
        assert_all_throw(&session, &calls, None);
        fs::remove_file(daemon.worktree().join("own.js")).unwrap();
    }
    assert_eq!(session.eval("1 + 1"), "2");
}
