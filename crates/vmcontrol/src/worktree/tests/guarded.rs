//! Guarded files and folders.

use super::*;

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
fn a_guarded_file_is_neither_moved_nor_deleted_nor_replaced() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    for path in ["db/own.db", "out/hard.db"] {
        assert!(read(&files, path, 100).is_err(), "{path}");
        assert!(files.write(path, b"", APPEND).is_err(), "{path}");
        assert!(files.unlink(path).is_err(), "{path}");
        assert!(files.remove(path, true, true).is_err(), "{path}");
        assert!(files.rename(path, "x").is_err(), "{path}");
        assert!(files.rename("secret.txt", path).is_err(), "{path}");
        assert!(files.copy(path, "x", false).is_err(), "{path}");
        assert!(files.copy("secret.txt", path, false).is_err(), "{path}");
    }
    for folder in ["db", "out"] {
        assert!(files.remove(folder, true, true).is_err(), "{folder}");
    }
    assert!(files.rename("db", "other").is_err());
    for path in ["db/own.db", "out/hard.db"] {
        assert_eq!(fixture.text(path).unwrap(), "db/own.db");
    }
}

#[test]
fn nothing_is_made_or_changed_in_a_guarded_folder() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.tree.path().join("own/cache")).unwrap();
    fs::write(fixture.tree.path().join("own/cache/library.js"), "own").unwrap();
    symlink("own/cache", fixture.tree.path().join("shortcut")).unwrap();
    let guarded = vec![fixture.tree.path().join("own/cache")];
    let tree = Worktree::open_blocking(fixture.tree.path().to_str().unwrap(), guarded).unwrap();
    let all = FsGrant::default();
    let files = tree.scoped(&all);
    let mode = WriteMode::default();
    for folder in ["own/cache", "./own/cache", "shortcut", "own//cache"] {
        let (known, new) = (format!("{folder}/library.js"), format!("{folder}/new.js"));
        assert!(files.write(&known, b"theirs", mode).is_err(), "{folder}");
        assert!(files.write(&new, b"theirs", mode).is_err(), "{folder}");
        assert!(files.copy("secret.txt", &new, false).is_err(), "{folder}");
        assert!(files.rename("secret.txt", &known).is_err(), "{folder}");
        assert!(files.rename("secret.txt", &new).is_err(), "{folder}");
        assert!(files.unlink(&known).is_err(), "{folder}");
        assert!(tree.real_path(Path::new(&new)).is_err(), "{folder}");
        assert!(files.make_dir(&new, false).is_err(), "{folder}");
        assert!(
            files.make_dir(&format!("{new}/x"), true).is_err(),
            "{folder}"
        );
    }
    assert!(files.remove("own", true, true).is_err());
    assert!(files.rename("own", "away").is_err());
    assert!(files.rename("own/cache", "away").is_err());
    assert_eq!(fixture.text("own/cache/library.js").as_deref(), Some("own"));
    assert!(files.write("own/beside.js", b"theirs", mode).is_ok());
    // Nor is there a way to make one that is not there yet.
    let later = vec![
        tree.path().join("later/cache"),
        tree.path().join("later.db"),
    ];
    let tree = Worktree::open_blocking(tree.path().to_str().unwrap(), later).unwrap();
    let files = tree.scoped(&all);
    assert!(files.write("later.db", b"theirs", mode).is_err());
    assert!(files.rename("own", "later").is_err());
    assert!(files.make_dir("later/cache", true).is_err());
    assert!(!files.exists("later/cache"));
}
