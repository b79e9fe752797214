//! Opening a worktree.

use std::path::PathBuf;

use super::super::open::open_cached;
use super::*;
use crate::Error;

#[tokio::test]
async fn a_worktree_is_the_same_by_every_way_of_opening_it() {
    let (dir, tree) = worktree();
    symlink("tree", dir.path().join("link")).unwrap();
    for name in ["tree", "link", "link/", "./tree/../tree"] {
        let path = dir.path().join(name);
        let opened = Worktree::open(path.to_str().unwrap(), Vec::new()).await;
        let opened = opened.unwrap();
        assert_eq!(opened.path(), tree.path(), "{name}");
        assert_eq!(opened.read_script("a.js", 10).unwrap(), "1", "{name}");
        let given = path.join("a.js");
        let read = opened.read_script(given.to_str().unwrap(), 10);
        assert_eq!(read.unwrap(), "1", "{name}");
        // Whether the kernel has the path in memory is up to it and the file system.
        if let Some(cached) = open_cached(&path) {
            assert_eq!(cached.real, tree.path(), "{name}");
            assert!(cached.dir.exists("a.js"), "{name}");
        }
    }
}

#[tokio::test]
async fn what_is_no_worktree_is_not_opened_and_told_by_its_path() {
    let (dir, _tree) = worktree();
    let relative = PathBuf::from("tree");
    for (path, expected) in [
        (dir.path().join("secret"), "it is not a directory"),
        (dir.path().join("missing"), "No such file or directory"),
        (dir.path().join("tree\0"), "NUL byte"),
        (relative, "it is not an absolute path"),
        (PathBuf::new(), "it is not an absolute path"),
    ] {
        assert!(open_cached(&path).is_none(), "{}", path.display());
        let opened = Worktree::open(path.to_str().unwrap(), Vec::new()).await;
        let Err(Error::WorktreeInvalid {
            path: named,
            reason,
        }) = opened
        else {
            panic!("{}: {opened:?}", path.display());
        };
        assert_eq!(named, path.to_str().unwrap());
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_path_is_resolved_as_far_as_it_exists() {
    let fixture = Fixture::new();
    let root = fixture.tree.path();
    for (path, real) in [
        ("alias", "data"),
        ("alias/no/such", "data/no/such"),
        ("no", "no"),
    ] {
        assert_eq!(real_or_absolute(&root.join(path)).unwrap(), root.join(real));
    }
}
