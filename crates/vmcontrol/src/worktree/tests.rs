use super::*;
use proptest::prelude::*;

fn worktree() -> (tempfile::TempDir, Worktree) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tree")).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    std::fs::write(dir.path().join("tree/a.js"), "1").unwrap();
    let guarded = vec![dir.path().join("tree/guarded")];
    let tree = Worktree::open(dir.path().join("tree").to_str().unwrap(), guarded).unwrap();
    (dir, tree)
}

#[test]
fn a_worktree_that_is_opened_at_once_is_the_one_that_is_opened() {
    let (dir, tree) = worktree();
    std::os::unix::fs::symlink("tree", dir.path().join("link")).unwrap();
    for name in ["tree", "link", "link/", "./tree/../tree"] {
        let path = dir.path().join(name);
        // Whether it can be is up to the kernel and the file system.
        let Some(opened) = Worktree::open_at_once(path.to_str().unwrap(), Vec::new()) else {
            continue;
        };
        assert_eq!(opened.path(), tree.path(), "{name}");
        assert_eq!(opened.read_script("a.js", 10).unwrap(), "1", "{name}");
        let given = path.join("a.js");
        let read = opened.read_script(given.to_str().unwrap(), 10);
        assert_eq!(read.unwrap(), "1", "{name}");
    }
}

#[test]
fn what_is_no_worktree_is_not_opened_at_once_either() {
    let (dir, _tree) = worktree();
    for path in [
        dir.path().join("secret"),
        dir.path().join("missing"),
        dir.path().join("tree\0"),
        "tree".into(),
        "".into(),
    ] {
        let opened = Worktree::open_at_once(path.to_str().unwrap(), Vec::new());
        assert!(opened.is_none(), "{}", path.display());
    }
}

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
fn a_guarded_file_is_not_opened_under_any_name() {
    let (dir, tree) = worktree();
    std::fs::write(dir.path().join("tree/guarded"), "kept").unwrap();
    std::os::unix::fs::symlink("guarded", dir.path().join("tree/link")).unwrap();
    std::fs::hard_link(
        dir.path().join("tree/guarded"),
        dir.path().join("tree/other"),
    )
    .unwrap();
    for name in ["guarded", "link", "other", "./guarded"] {
        assert!(tree.read(name, 100).is_err(), "{name}");
    }
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
