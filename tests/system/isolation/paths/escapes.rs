//! Spellings of paths that try to leave the worktree, by `run-file`, `import`, `require`, `fs` and
//! `database`.

use serde_json::json;
use vm_system_tests::Daemon;

use crate::isolation::paths::outside::{
    CANARY, Outside, assert_refused, reads, reset_worktree, session_with_files, writes,
};
use crate::support::attempts::{Outcome, attempt_all, js_literal};

/// Paths that lead to a file outside if `..` is understood in one of its spellings.
fn ways_out(daemon: &Daemon) -> Vec<String> {
    let root = daemon.worktree().display().to_string();
    let mut paths = Vec::new();
    for up in [
        "..",
        "inside/../..",
        "./..",
        ".//..",
        "inside/./../..",
        "%2e%2e",
        "%2E%2e",
        ".%2e",
        "%252e%252e",
        "..%2foutside%2f..",
        "..%c0%af..",
        "%c0%ae%c0%ae",
        "%e0%80%ae%e0%80%ae",
        "\u{ff0e}\u{ff0e}",
        "\u{2024}\u{2024}",
        "\u{2025}",
        "..\u{200b}",
        "\u{202e}..",
        "..\u{2215}..",
        "..\u{2044}..",
        "..\\..",
        "..\\",
        "..\0",
        "\0..",
        "..;",
        ".. ",
        " ..",
        "..\t",
        "..\n",
        "...",
        "....",
        "..../..",
        "~/..",
        "$HOME/..",
        "C:/..",
        "file:..",
        "file://..",
        "inside.txt/..",
        "inside.txt/../..",
        "missing/../..",
        "up",
        "up/.",
        "UP",
        "inside/up",
        "inside/up/../up",
    ] {
        paths.push(format!("{up}/outside/a"));
        paths.push(format!("./{up}/outside/a"));
        paths.push(format!("{root}/{up}/outside/a"));
        paths.push(format!("file://{root}/{up}/outside/a"));
    }
    for start in [
        daemon.home().display().to_string(),
        format!("/{}", daemon.home().display()),
        format!("/proc/self/root{}", daemon.home().display()),
        "/proc/self/cwd".into(),
        format!("/proc/{}/cwd", daemon.pid()),
        format!("{root}/../"),
        format!("{root}/../worktree/.."),
        format!("{root}/proc-root{}", daemon.home().display()),
        format!("proc-root{}", daemon.home().display()),
        "proc-cwd".into(),
    ] {
        paths.push(format!("{start}/outside/a"));
        paths.push(format!("file://{start}/outside/a"));
    }
    paths
}

#[test]
fn no_spelling_of_an_escape_leaves_the_worktree() {
    let daemon = Daemon::start();
    let outside = Outside::create(&daemon);
    let session = session_with_files(&daemon);
    for (number, start) in ways_out(&daemon).into_iter().enumerate() {
        reset_worktree(&daemon);
        for ending in ["js", "txt", "db"] {
            let path = format!("{start}.{ending}");
            assert_refused(&path, &session.submit_file(&path));
            assert_refused(&path, &session.submit_file(&format!("{path}/")));
            assert_refused(&path, &session.submit_file(&format!("{path}\0.js")));
        }
        let mut calls = Vec::new();
        for ending in ["js", "mjs", "txt", "json", "db"] {
            let path = format!("{start}.{ending}");
            calls.extend(reads(&js_literal(&path)));
            calls.push(format!(
                "fs.readFileSync({})",
                js_literal(&format!("{path}/"))
            ));
            calls.push(format!(
                "fs.readFileSync({})",
                js_literal(&format!("{path}\0"))
            ));
        }
        // Some of the paths are plain names of files that do not exist.
        for (outcome, call) in attempt_all(&session, &calls).iter().zip(&calls) {
            assert!(
                !format!("{outcome:?}").contains(CANARY),
                "{call}: {outcome:?}"
            );
            let is_empty = *outcome == Outcome::Value(json!([]));
            assert!(
                matches!(outcome, Outcome::Thrown { .. }) || is_empty && call.contains("database"),
                "{call}: {outcome:?}"
            );
        }
        // Each path is passed to some of the functions that write, because a call that succeeds
        // creates files and folders.
        let path = js_literal(&format!("{start}.txt"));
        attempt_all(&session, &writes(&path)[number % 7..]);
    }
    assert_eq!(session.eval("typeof leaked"), "undefined");
    outside.assert_untouched();
}
