//! Paths of files below a worktree, and scripts that are read from it.

use std::path::Component;

use proptest::prelude::*;

use super::*;
use crate::Error;

#[test]
fn files_inside_are_read_by_relative_and_by_absolute_path() {
    let (dir, tree) = worktree();
    assert_eq!(tree.read_script("./a.js", 10).unwrap(), "1");
    let absolute = dir.path().join("tree/a.js");
    assert_eq!(
        tree.read_script(absolute.to_str().unwrap(), 10).unwrap(),
        "1"
    );
}

#[test]
fn nothing_outside_is_read() {
    let (dir, tree) = worktree();
    let secret = dir.path().join("secret");
    std::os::unix::fs::symlink(&secret, dir.path().join("tree/link")).unwrap();
    std::os::unix::fs::symlink("..", dir.path().join("tree/up")).unwrap();
    for path in [
        "../secret",
        "x/../../secret",
        secret.to_str().unwrap(),
        "link",
        "up/secret",
        "/proc/self/root/etc/passwd",
        "",
        "a\0b",
        ".",
    ] {
        assert!(
            matches!(tree.read_script(path, 100), Err(Error::InvalidPath { .. })),
            "{path:?}"
        );
    }
}

#[test]
fn a_missing_file_and_a_long_one_are_told_apart() {
    let (_dir, tree) = worktree();
    assert!(matches!(
        tree.read_script("b.js", 10),
        Err(Error::FileNotFound { .. })
    ));
    assert!(matches!(
        tree.read_script("a.js", 0),
        Err(Error::FileTooLarge { .. })
    ));
}

proptest! {
    #[test]
    fn a_relative_path_never_climbs(path in "[./a\\\\~]{0,24}") {
        let (_dir, tree) = worktree();
        if let Ok(below) = tree.relative(&path) {
            prop_assert!(below.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)));
        }
    }
}
