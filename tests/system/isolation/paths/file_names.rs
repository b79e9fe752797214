//! Unusual file names and deep folders.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::json;
use vm_system_tests::Daemon;

use crate::isolation::paths::outside::{assert_refused, reads, session_with_files, writes};
use crate::support::attempts::{Outcome, assert_all_throw, assert_value, attempt, js_literal};

#[test]
fn odd_file_names_work() {
    let daemon = Daemon::start();
    let session = session_with_files(&daemon);
    let longest = format!("{}.js", "n".repeat(252));
    for name in [
        longest.as_str(),
        "...js",
        "-rf.js",
        " .js",
        "a\nb.js",
        "a\\b.js",
        "..\\a.js",
        "%2e%2e.js",
        "\u{202e}a.js",
        "a\u{301}.js",
        "\u{1f600}.js",
        "con.js",
        "a:b.js",
        "$(id).js",
        "\x1b[31m.js",
    ] {
        daemon.write(name, "'found'");
        let run = session.submit_file(name);
        if name.contains(['\n', '\u{202e}', '\x1b']) {
            // Paths are shown on terminals, so they must not have control characters.
            run.expect_error(422, "INVALID_PATH");
        } else {
            assert_eq!(
                run.expect_status(201)["result"]["preview"],
                "found",
                "{name}"
            );
        }
        let path = js_literal(&format!("./{name}"));
        assert_value(
            &session,
            &format!("fs.readFileSync({path})"),
            &json!("'found'"),
        );
        assert_value(
            &session,
            &format!("typeof require({path})"),
            &json!("object"),
        );
    }
    // The same letters in another case or another normal form are a different name.
    daemon.write("case.js", "1");
    for name in ["CASE.js", "case.JS", "\u{e1}.js", "case.js ", "case.js."] {
        session
            .submit_file(name)
            .expect_error(404, "FILE_NOT_FOUND");
    }
}

#[test]
fn impossible_file_names_are_refused() {
    let daemon = Daemon::start();
    let session = session_with_files(&daemon);
    for path in [
        "n".repeat(256),
        format!("{}/a.js", "n".repeat(256)),
        "n/".repeat(3000),
        "n".repeat(5_000),
        "../".repeat(2_000),
        "\u{1f600}".repeat(64),
        String::new(),
        "\0".into(),
        "a.js\0".into(),
    ] {
        assert_refused(&path, &session.submit_file(&path));
        let mut calls = reads(&js_literal(&path));
        calls.extend(writes(&js_literal(&path)).into_iter().filter(|call| {
            // `mkdir` succeeds, because the single names are short.
            !(path.starts_with("n/") && call.contains("mkdir"))
        }));
        for message in assert_all_throw(&session, &calls, None) {
            assert!(!message.is_empty());
        }
    }
    assert_eq!(session.eval("1"), "1");
}

#[test]
fn names_that_are_not_utf_8_do_no_harm() {
    let daemon = Daemon::start();
    let session = session_with_files(&daemon);
    let folder = daemon.worktree().join("odd");
    fs::create_dir(&folder).unwrap();
    for name in [&b"\xff.js"[..], b"\xc0\xae\xc0\xae", b"\xed\xa0\x80.js"] {
        fs::write(folder.join(OsStr::from_bytes(name)), "'found'").unwrap();
    }
    // Such names are listed with replacement characters, and can't be used as paths.
    assert_value(&session, "fs.readdirSync('odd').length", &json!(3));
    for path in [
        "'odd/\u{fffd}.js'",
        "'odd/\\udcff.js'",
        "new Uint8Array([111, 100, 100, 47, 255, 46, 106, 115])",
    ] {
        let outcome = attempt(&session, &format!("fs.readFileSync({path})"));
        assert!(
            matches!(outcome, Outcome::Thrown { .. }),
            "{path}: {outcome:?}"
        );
    }
    assert_refused("odd/\u{fffd}.js", &session.submit_file("odd/\u{fffd}.js"));
    assert_value(
        &session,
        "fs.rmSync('odd', {recursive: true})",
        &json!(null),
    );
    assert!(!folder.exists());
}

#[test]
fn deeply_nested_folders_can_be_walked_and_deleted() {
    let daemon = Daemon::start();
    let session = session_with_files(&daemon);
    let deep = "d/".repeat(300);
    daemon.write(&format!("{deep}a.js"), "'deep'");
    let run = session
        .submit_file(&format!("{deep}a.js"))
        .expect_status(201);
    assert_eq!(run["result"]["preview"], "deep");
    assert_value(
        &session,
        "fs.readdirSync('d', {recursive: true}).length",
        &json!(300),
    );
    assert_value(&session, "fs.rmSync('d', {recursive: true})", &json!(null));
    assert!(!daemon.worktree().join("d").exists());
    // Moving folders makes a tree that is deeper than the longest path.
    let half = "e/".repeat(600);
    let moves = format!(
        "fs.mkdirSync('{half}', {{recursive: true}}); \
         for (let i = 0; i < 1500; i++) {{ fs.mkdirSync('next'); fs.renameSync('e', 'next/e'); fs.renameSync('next', 'e'); }} 1"
    );
    session.eval(&moves);
    let outcome = attempt(&session, "fs.statSync('e/e/e').isDirectory()");
    assert_eq!(outcome, Outcome::Value(json!(true)));
    // This call may exceed the time limit; the daemon and the session go on.
    session.submit("fs.rmSync('e', {recursive: true})");
    assert_eq!(session.eval("1"), "1");
}
