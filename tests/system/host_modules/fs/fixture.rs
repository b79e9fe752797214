//! Files of which a session may reach some, for tests of capabilities of kind `fs`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use vm_system_tests::{Daemon, Session};

use crate::support::attempts::template_with_capabilities;

/// The content that no script may read.
pub(crate) const SECRET: &str = "top secret";

/// Files that may be reached, and files that may not.
pub(crate) fn plant(daemon: &Daemon) {
    for (path, text) in [
        ("open/a.txt", "a"),
        ("open/deep/b.txt", "b"),
        ("secret/key.txt", SECRET),
        ("out/mine.txt", "mine"),
        ("box/plain.txt", "plain"),
        ("box/inner/.env", SECRET),
    ] {
        daemon.write(path, text);
    }
    fs::write(daemon.home().join("outside.txt"), SECRET).unwrap();
}

/// A session with `fs` and capabilities of that kind, enabled or not.
#[track_caller]
pub(crate) fn fs_session(daemon: &Daemon, capabilities: &[(bool, Value)]) -> Session {
    let capabilities: Vec<_> = capabilities
        .iter()
        .zip(["one", "two", "three"])
        .map(|((enabled, config), name)| ("fs", name, *enabled, config.clone()))
        .collect();
    let session = daemon.session_of(&template_with_capabilities(daemon, &["fs"], &capabilities));
    session.eval("var fs = require('fs'); 1");
    session
}

/// A session that can read `open` and write `out`, and reach no other file.
pub(crate) fn restricted_session(daemon: &Daemon) -> Session {
    plant(daemon);
    let config = json!({"read": ["open/**"], "write": ["out/**"]});
    fs_session(daemon, &[(true, config)])
}

/// Checks that the files are unchanged.
#[track_caller]
pub(crate) fn assert_untouched(daemon: &Daemon) {
    let root = daemon.worktree();
    for (path, expected) in [
        ("open/a.txt", "a"),
        ("open/deep/b.txt", "b"),
        ("secret/key.txt", SECRET),
        ("box/plain.txt", "plain"),
        ("box/inner/.env", SECRET),
        ("../outside.txt", SECRET),
    ] {
        let there = fs::read_to_string(root.join(path));
        assert_eq!(there.ok().as_deref(), Some(expected), "{path}");
    }
    let mut names = names(&root);
    names.retain(|name| !["box", "open", "out", "secret"].contains(&name.as_str()));
    assert!(names.is_empty(), "{names:?}");
    assert_eq!(names_in(&root, "secret"), ["key.txt"]);
    assert_eq!(names_in(&root, "open"), ["a.txt", "deep"]);
}

/// The sorted names in a folder below another one.
pub(crate) fn names_in(root: &Path, folder: &str) -> Vec<String> {
    names(&root.join(folder))
}

/// The sorted names in a folder.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        entry.unwrap().file_name().to_string_lossy().into_owned()
    };
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(entry).collect();
    names.sort();
    names
}
