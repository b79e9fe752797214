//! Generated paths, none of which leads out of the worktree.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use proptest::sample::select;
use vm_system_tests::Daemon;

use crate::isolation::paths::outside::{
    CANARY, Outside, reads, reset_worktree, session_with_files, writes,
};
use crate::support::attempts::{attempt_all, js_literal};
use crate::support::generated::for_generated_inputs;

/// Parts of paths. Words in capitals are replaced before a path is used.
const SEGMENTS: &[&str] = &[
    "..",
    "..",
    "..",
    ".",
    "",
    "outside",
    "outside",
    "a.js",
    "a.js",
    "a.txt",
    "a.db",
    "a.json",
    "index.js",
    "inside",
    "inside.txt",
    "deep",
    "up",
    "out",
    "file",
    "loop",
    "proc-root",
    "proc-cwd",
    "worktree",
    "WORKTREE",
    "HOME",
    "HOME/outside",
    "/proc/self/root",
    "/proc/self/cwd",
    "/proc/self/fd/3",
    "/dev/fd",
    "%2e%2e",
    "%2f",
    "..%2f..",
    "%00",
    "\0",
    "..\\",
    "\\",
    "\u{ff0e}\u{ff0e}",
    "..\u{2215}",
    "\u{2024}.",
    "\u{202e}",
    "..\n",
    " ..",
    ".. ",
    "...",
    "~",
    "*",
    "**",
    "[a]",
    "{..}",
    "file:",
    "file://",
    "\u{1f600}",
    "missing",
    "test.db",
];

fn path() -> impl Strategy<Value = String> {
    let segment = prop_oneof![
        12 => select(SEGMENTS).prop_map(str::to_owned),
        1 => "[./\\\\%~ a-c\u{0}]{0,6}",
        1 => any::<String>(),
    ];
    let start = select(vec![
        "",
        "",
        "",
        "./",
        "/",
        "WORKTREE/",
        "file://",
        "file://WORKTREE/",
        "HOME/",
    ]);
    let between = select(vec!["/", "/", "/", "//", "/./", "\\", "%2f"]);
    let segments = proptest::collection::vec((segment, between), 1..9);
    (start, segments).prop_map(|(start, segments)| {
        let segments = segments.into_iter();
        let mut path = start.to_owned();
        path.extend(segments.map(|(segment, between)| segment + between));
        // Otherwise half of the paths would end with a slash, and name no file.
        path.trim_end_matches('/').to_owned()
    })
}

/// The names in the daemon's directory, without the files of the database.
fn beside(daemon: &Daemon) -> BTreeSet<String> {
    let names = fs::read_dir(daemon.home()).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with("test.db"))
        .collect()
}

#[test]
fn no_path_leads_out_of_the_worktree() {
    let daemon = Daemon::start();
    let outside = Outside::create(&daemon);
    let session = session_with_files(&daemon);
    let (root, home) = (daemon.worktree(), daemon.home().to_owned());
    let names = beside(&daemon);
    for_generated_inputs(&(path(), path()), |(path, other)| {
        reset_worktree(&daemon);
        symlink(outside.folder(), root.join("out")).unwrap();
        symlink("../outside/a.js", root.join("file")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        let whole = |path: &str| {
            path.replace("WORKTREE", root.to_str().unwrap())
                .replace("HOME", home.to_str().unwrap())
        };
        let (path, other) = (whole(&path), whole(&other));
        let answer = session.submit_file(&path);
        prop_assert!(answer.status < 500, "{}", answer.text);
        prop_assert!(!answer.text.contains(CANARY), "{}", answer.text);
        let (path, other) = (js_literal(&path), js_literal(&other));
        let mut calls = reads(&path);
        calls.push(format!("fs.readdirSync({path}, {{recursive: true}})"));
        calls.push(format!("fs.statSync({path})"));
        calls.extend(writes(&path));
        calls.push(format!("fs.copyFileSync({path}, {other})"));
        calls.push(format!("fs.renameSync({path}, {other})"));
        calls.push("typeof leaked === 'undefined' ? 1 : globalThis.leaked".into());
        let outcomes = format!("{:?}", attempt_all(&session, &calls));
        prop_assert!(!outcomes.contains(CANARY), "{outcomes}");
        outside.assert_untouched();
        prop_assert_eq!(beside(&daemon), names.clone());
        Ok(())
    });
    assert_eq!(session.eval("1 + 1"), "2");
    assert!(!daemon.log().contains("panicked"), "{}", daemon.log());
}
