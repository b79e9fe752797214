use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{FsGrant, Grants};

/// A worktree with some files, a secret beside it, and a file in it that is guarded.
struct Fixture {
    home: tempfile::TempDir,
    tree: Worktree,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("tree");
        for folder in ["data/deep", "out", "db"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(home.path().join("secret"), "outside").unwrap();
        for file in ["data/a.txt", "data/deep/b.txt", "secret.txt", "db/own.db"] {
            fs::write(root.join(file), file).unwrap();
        }
        symlink("../secret.txt", root.join("data/link")).unwrap();
        symlink("../../secret", root.join("data/escape")).unwrap();
        symlink("data", root.join("alias")).unwrap();
        symlink("../new.txt", root.join("out/dangling")).unwrap();
        fs::hard_link(root.join("db/own.db"), root.join("out/hard.db")).unwrap();
        let guarded = vec![root.join("db/own.db")];
        let tree = Worktree::open(root.to_str().unwrap(), guarded).unwrap();
        Self { home, tree }
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.tree.path().join(path)).ok()
    }
}

pub(super) fn grant(configs: &[(bool, Value)]) -> FsGrant {
    let capabilities: Vec<_> = configs
        .iter()
        .map(|(enabled, config)| vmapi_types::Capability {
            id: uuid::Uuid::nil(),
            vm_id: uuid::Uuid::nil(),
            kind: "fs".into(),
            name: "n".into(),
            enabled: *enabled,
            config: config.as_object().unwrap().clone(),
        })
        .collect();
    Grants::of_capabilities(&capabilities, &[]).fs
}

fn refused<T: std::fmt::Debug>(result: &Result<T, FileError>) -> bool {
    matches!(result, Err(FileError::Refused { .. }))
}

fn io_kind<T: std::fmt::Debug>(result: Result<T, FileError>) -> io::ErrorKind {
    match result {
        Err(FileError::Io(error)) => error.kind(),
        other => panic!("not an error of the system: {other:?}"),
    }
}

/// What a file holds.
pub(super) fn read(files: &Scoped<'_>, path: &str, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    let mut all = Vec::new();
    files.read_in_steps(path, max_bytes, |step| {
        all.extend_from_slice(step);
        Ok(())
    })?;
    Ok(all)
}

/// For listings that are small.
pub(super) fn no_room(_: usize) -> Option<crate::Lease> {
    None
}

const NEW: WriteMode = WriteMode {
    append: false,
    exclusive: true,
};
const APPEND: WriteMode = WriteMode {
    append: true,
    exclusive: false,
};

#[test]
fn files_are_written_in_four_ways() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    files
        .write("x", b"long text", WriteMode::default())
        .unwrap();
    files.write("x", b"short", WriteMode::default()).unwrap();
    files.write("x", b"er", APPEND).unwrap();
    assert_eq!(fixture.text("x").unwrap(), "shorter");
    assert_eq!(
        io_kind(files.write("x", b"", NEW)),
        io::ErrorKind::AlreadyExists
    );
    files.write("y", b"1", NEW).unwrap();
    assert_eq!(read(&files, "y", 10).unwrap(), b"1");
    assert_eq!(
        io_kind(files.write("out", b"", WriteMode::default())),
        io::ErrorKind::IsADirectory
    );
    assert_eq!(io_kind(read(&files, ".", 10)), io::ErrorKind::IsADirectory);
    assert!(matches!(read(&files, "x", 3), Err(FileError::TooLarge(3))));
}

#[test]
fn a_link_does_not_reach_around_a_pattern() {
    let fixture = Fixture::new();
    let grant = grant(&[(true, json!({"read": ["data/**"], "write": ["out/**"]}))]);
    let files = fixture.tree.scoped(&grant);
    assert_eq!(read(&files, "data/a.txt", 100).unwrap(), b"data/a.txt");
    // Where it leads is not allowed, or the way is not.
    assert!(refused(&read(&files, "data/link", 100)));
    assert!(refused(&read(&files, "alias/a.txt", 100)));
    assert!(refused(&files.read_dir("alias", false, no_room)));
    assert!(refused(&files.stat("data/link", true)));
    assert_eq!(
        files.stat("data/link", false).unwrap().kind,
        FileKind::Symlink
    );
    // A link to nothing makes nothing where it leads.
    assert!(
        files
            .write("out/dangling", b"x", WriteMode::default())
            .is_err()
    );
    assert!(files.write("out/dangling", b"x", NEW).is_err());
    assert_eq!(fixture.text("new.txt"), None);
    symlink("../data", fixture.tree.path().join("out/in")).unwrap();
    assert!(refused(&files.write(
        "out/in/a.txt",
        b"x",
        WriteMode::default()
    )));
    assert!(refused(&files.make_dir("out/in/new", true)));
    assert!(refused(&files.remove("out/in/a.txt", false, true)));
    files.unlink("out/in").unwrap();
    assert_eq!(fixture.text("data/a.txt").unwrap(), "data/a.txt");
}

#[test]
fn nothing_outside_is_reached() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    symlink("..", fixture.tree.path().join("up")).unwrap();
    for path in ["data/escape", "up/secret", "../secret", "/etc/passwd"] {
        assert!(
            matches!(read(&files, path, 100), Err(FileError::Outside(_))),
            "{path}"
        );
        assert!(
            files.write(path, b"x", WriteMode::default()).is_err(),
            "{path}"
        );
        assert!(files.stat(path, true).is_err(), "{path}");
        assert!(!files.exists(path), "{path}");
        assert!(files.copy(path, "out/copy", false).is_err(), "{path}");
        assert!(files.copy("secret.txt", path, false).is_err(), "{path}");
    }
    for path in ["up/secret", "up/new", "../new"] {
        assert!(files.remove(path, true, true).is_err(), "{path}");
        assert!(files.rename("secret.txt", path).is_err(), "{path}");
        assert!(files.make_dir(path, true).is_err(), "{path}");
        assert!(files.unlink(path).is_err(), "{path}");
        assert!(files.remove_dir(path).is_err(), "{path}");
    }
    assert!(files.read_dir("up", true, no_room).is_err());
    files.remove("up", true, false).unwrap();
    let secret = fs::read_to_string(fixture.home.path().join("secret")).unwrap();
    assert_eq!(secret, "outside");
    assert_eq!(fs::read_dir(fixture.home.path()).unwrap().count(), 2);
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
fn a_fifo_is_no_file_and_nobody_waits_for_it() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let fifo = fixture.tree.path().join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    assert!(matches!(read(&files, "fifo", 10), Err(FileError::NotAFile)));
    assert!(files.write("fifo", b"x", WriteMode::default()).is_err());
    assert!(files.copy("fifo", "x", false).is_err());
    assert_eq!(files.stat("fifo", true).unwrap().kind, FileKind::Other);
    files.unlink("fifo").unwrap();
}

#[test]
fn a_folder_is_listed_with_and_without_what_is_below() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let names = |path: &str, recursive| -> Vec<String> {
        let listed = files.read_dir(path, recursive, no_room).unwrap().entries;
        listed.into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(
        names(".", false),
        ["alias", "data", "db", "out", "secret.txt"]
    );
    assert_eq!(names("alias", false), ["a.txt", "deep", "escape", "link"]);
    assert_eq!(
        names("data", true),
        ["a.txt", "deep", "deep/b.txt", "escape", "link"]
    );
    assert_eq!(
        io_kind(files.read_dir("secret.txt", false, no_room)),
        io::ErrorKind::NotADirectory
    );
    let some = grant(&[(false, json!({"read": ["data/deep/**"]}))]);
    let some = fixture.tree.scoped(&some);
    let listed = some.read_dir("data", true, no_room).unwrap().entries;
    assert!(listed.iter().all(|(name, _)| name != "deep/b.txt"));
    assert!(refused(&some.read_dir("data/deep", false, no_room)));
}

#[test]
fn folders_are_made_one_by_one_or_with_those_that_lead_to_them() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    assert_eq!(
        io_kind(files.make_dir("a/b", false)),
        io::ErrorKind::NotFound
    );
    assert_eq!(
        io_kind(files.make_dir("out", false)),
        io::ErrorKind::AlreadyExists
    );
    assert_eq!(
        io_kind(files.make_dir(".", false)),
        io::ErrorKind::AlreadyExists
    );
    let first = |path| files.make_dir(path, true).unwrap();
    assert_eq!(first("a/b/c"), Some("a".into()));
    assert_eq!(first("a/b/d/e"), Some("a/b/d".into()));
    assert_eq!(first("a/b"), None);
    assert_eq!(first("."), None);
    assert_eq!(first("alias/new"), Some("alias/new".into()));
    assert!(fixture.tree.path().join("data/new").is_dir());
    assert_eq!(
        io_kind(files.make_dir("secret.txt", true)),
        io::ErrorKind::AlreadyExists
    );
    let some = grant(&[(true, json!({"write": ["build/out/**", "out/**"]}))]);
    let some = fixture.tree.scoped(&some);
    assert!(refused(&some.make_dir("build/out", true)));
    assert_eq!(
        some.make_dir("out/x/y", true).unwrap(),
        Some("out/x".into())
    );
    assert_eq!(some.make_dir("out", true).unwrap(), None);
}

#[test]
fn a_tree_is_deleted_and_what_its_links_lead_to_is_not() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    assert_eq!(
        io_kind(files.remove("data", false, true)),
        io::ErrorKind::IsADirectory
    );
    assert_eq!(
        io_kind(files.remove_dir("data")),
        io::ErrorKind::DirectoryNotEmpty
    );
    assert_eq!(io_kind(files.unlink("data")), io::ErrorKind::IsADirectory);
    files.make_dir("data/x/y/z", true).unwrap();
    files.remove("data", true, false).unwrap();
    assert!(!files.exists("data"));
    assert_eq!(fixture.text("secret.txt").unwrap(), "secret.txt");
    assert_eq!(
        io_kind(files.remove("data", true, false)),
        io::ErrorKind::NotFound
    );
    files.remove("data", true, true).unwrap();
    files.remove("no/such/folder", true, true).unwrap();
    for root in [".", "./", fixture.tree.path().to_str().unwrap()] {
        assert!(matches!(
            files.remove(root, true, true),
            Err(FileError::Root)
        ));
        assert!(matches!(files.remove_dir(root), Err(FileError::Root)));
        assert!(matches!(files.rename(root, "x"), Err(FileError::Root)));
    }
}

#[test]
fn a_tree_is_deleted_only_if_all_of_it_may_be() {
    let fixture = Fixture::new();
    let some = grant(&[(false, json!({"write": ["data/deep/b.txt"]}))]);
    let files = fixture.tree.scoped(&some);
    assert!(refused(&files.remove("data", true, true)));
    assert!(refused(&files.rename("data", "moved")));
    assert!(refused(&files.rename("data/deep", "moved")));
    assert!(fixture.text("data/a.txt").is_some());
    files.unlink("data/a.txt").unwrap();
}

#[test]
fn a_move_makes_nothing_readable() {
    let fixture = Fixture::new();
    let some = grant(&[(false, json!({"read": ["secret.txt", "data/deep/**"]}))]);
    let files = fixture.tree.scoped(&some);
    assert!(refused(&files.rename("secret.txt", "open.txt")));
    assert!(refused(&files.rename("data", "moved")));
    assert!(refused(&files.copy("secret.txt", "open.txt", false)));
    files.rename("data/a.txt", "out/a.txt").unwrap();
    files.rename("out/a.txt", "data/deep/a.txt").unwrap();
    let write_only = grant(&[(true, json!({"write": ["out/**"]}))]);
    let files = fixture.tree.scoped(&write_only);
    files.write("out/a.tmp", b"x", NEW).unwrap();
    files.rename("out/a.tmp", "out/a").unwrap();
}

#[test]
fn a_copy_keeps_the_mode_and_a_file_copied_onto_itself_stays() {
    use std::os::unix::fs::PermissionsExt;

    let fixture = Fixture::new();
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let root = fixture.tree.path();
    fs::set_permissions(root.join("secret.txt"), fs::Permissions::from_mode(0o700)).unwrap();
    files.copy("secret.txt", "copy", true).unwrap();
    assert_eq!(fixture.text("copy").unwrap(), "secret.txt");
    assert_eq!(files.stat("copy", true).unwrap().mode & 0o777, 0o700);
    assert_eq!(
        io_kind(files.copy("secret.txt", "copy", true)),
        io::ErrorKind::AlreadyExists
    );
    fs::hard_link(root.join("copy"), root.join("same")).unwrap();
    files.copy("copy", "same", false).unwrap();
    assert_eq!(fixture.text("copy").unwrap(), "secret.txt");
    assert_eq!(
        io_kind(files.copy("data", "x", false)),
        io::ErrorKind::IsADirectory
    );
}

#[test]
fn what_a_file_looks_like_is_what_the_system_says() {
    use std::os::unix::fs::MetadataExt as _;

    let fixture = Fixture::new();
    let all = FsGrant::default();
    let stat = fixture.tree.scoped(&all).stat("alias/a.txt", true).unwrap();
    let known = fs::metadata(fixture.tree.path().join("data/a.txt")).unwrap();
    assert_eq!(stat.kind, FileKind::File);
    assert_eq!((stat.size, stat.mode), (known.size(), known.mode()));
    assert_eq!(
        (stat.ino, stat.dev, stat.nlink),
        (known.ino(), known.dev(), known.nlink())
    );
    let modified = known.modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((stat.mtime_ms - since.as_secs_f64() * 1000.0).abs() < 1.0);
    assert!(stat.birthtime_ms > 0.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_done_nothing_outside_the_pattern_changes(
        path in "(out|data|alias|db|\\.|up)(/(\\.|\\.\\.|a\\.txt|in|deep|x)){0,3}",
        what in 0..6,
    ) {
        let fixture = Fixture::new();
        symlink("..", fixture.tree.path().join("up")).unwrap();
        symlink("../data", fixture.tree.path().join("out/in")).unwrap();
        let grant = grant(&[(true, json!({"write": ["out/**"], "read": ["**"]}))]);
        let files = fixture.tree.scoped(&grant);
        let _ = match what {
            0 => files.write(&path, b"changed", WriteMode::default()),
            1 => files.remove(&path, true, true),
            2 => files.rename(&path, "out/moved"),
            3 => files.copy("secret.txt", &path, false),
            4 => files.make_dir(&path, true).map(drop),
            _ => files.rename("out/x", &path),
        };
        prop_assert_eq!(fixture.text("data/a.txt").unwrap(), "data/a.txt");
        prop_assert_eq!(fixture.text("data/deep/b.txt").unwrap(), "data/deep/b.txt");
        let count = |folder: &str| fs::read_dir(fixture.tree.path().join(folder)).unwrap().count();
        prop_assert_eq!((count("data"), count("db"), count("data/deep")), (4, 1, 1));
        prop_assert_eq!(count(".."), 2);
    }
}

#[test]
fn what_goes_on_stops_when_it_is_enough() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let stop = AtomicBool::new(false);
    let files = fixture.tree.scoped(&all).until(&stop);
    let mode = WriteMode::default();
    files.make_dir("folder/inner", true).unwrap();
    files.write("folder/a.txt", b"a", mode).unwrap();
    stop.store(true, Ordering::Relaxed);
    let is_stopped = |result: Result<(), FileError>| match result {
        Err(FileError::Io(error)) => error.kind() == io::ErrorKind::Interrupted,
        _ => false,
    };
    assert!(is_stopped(files.remove("folder", true, false)));
    assert!(is_stopped(files.copy("folder/a.txt", "b.txt", false)));
    assert!(is_stopped(
        files.read_dir("folder", true, no_room).map(drop)
    ));
    assert!(files.exists("folder/inner") && files.exists("folder/a.txt"));
    stop.store(false, Ordering::Relaxed);
    files.copy("folder/a.txt", "b.txt", false).unwrap();
    files.remove("folder", true, false).unwrap();
    assert!(files.exists("b.txt") && !files.exists("folder"));
}

/// A folder in which one path of folders is much longer than a path may be that the system is given.
fn deep(fixture: &Fixture, levels: usize) {
    let root = fixture.tree.path();
    fs::create_dir(root.join("deep")).unwrap();
    fs::write(root.join("deep/leaf"), "leaf").unwrap();
    let name = "n".repeat(200);
    for _ in 0..levels {
        // From below: each folder is moved into the next one.
        fs::create_dir(root.join("next")).unwrap();
        fs::rename(root.join("deep"), root.join("next").join(&name)).unwrap();
        fs::rename(root.join("next"), root.join("deep")).unwrap();
    }
}

#[test]
fn paths_of_any_length_are_walked_with_one_handle() {
    let fixture = Fixture::new();
    deep(&fixture, 300);
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let room = |_| Some(crate::Lease::default());
    let listed = files.read_dir("deep", true, room).unwrap().entries;
    assert_eq!(listed.len(), 301);
    assert_eq!(
        listed.iter().map(|(path, _)| path.len()).max(),
        Some(300 * 201 + 4)
    );
    let some = grant(&[(
        true,
        json!({"read": ["deep/**", "moved/**"], "write": ["deep/**", "moved/**"]}),
    )]);
    let some = fixture.tree.scoped(&some);
    some.rename("deep", "moved").unwrap();
    some.remove("moved", true, false).unwrap();
    assert!(!files.exists("moved") && !files.exists("deep"));
}

#[test]
fn a_listing_is_bounded_in_bytes_and_what_is_too_long_to_list_can_still_be_removed() {
    let fixture = Fixture::new();
    deep(&fixture, 600);
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    let room = |_| Some(crate::Lease::default());
    assert!(matches!(
        files.read_dir("deep", true, room),
        Err(FileError::ListingTooLarge(_))
    ));
    assert_eq!(
        files
            .read_dir("deep", false, no_room)
            .unwrap()
            .entries
            .len(),
        1
    );
    assert!(matches!(
        files.read_dir("deep", true, no_room),
        Err(FileError::Busy)
    ));
    files.remove("deep", true, false).unwrap();
    assert!(!files.exists("deep"));
}

#[test]
fn a_wide_tree_with_links_and_guarded_files_is_removed_whole_or_not_at_all() {
    let fixture = Fixture::new();
    let root = fixture.tree.path();
    for folder in 0..30 {
        let folder = root.join(format!("wide/{folder}/inner"));
        fs::create_dir_all(&folder).unwrap();
        for file in 0..30 {
            fs::write(folder.join(file.to_string()), "x").unwrap();
        }
        symlink("../../../data", folder.join("link")).unwrap();
    }
    let all = FsGrant::default();
    let files = fixture.tree.scoped(&all);
    fs::hard_link(root.join("db/own.db"), root.join("wide/29/inner/own")).unwrap();
    assert!(matches!(
        files.remove("wide", true, false),
        Err(FileError::Outside(_))
    ));
    let any = |_| Some(crate::Lease::default());
    let count = files.read_dir("wide", true, any).unwrap().entries.len();
    assert_eq!(count, 30 * 2 + 30 * 31 + 1);
    fs::remove_file(root.join("wide/29/inner/own")).unwrap();
    files.remove("wide", true, false).unwrap();
    assert!(!files.exists("wide"));
    assert_eq!(fixture.text("data/a.txt").unwrap(), "data/a.txt");
}

#[test]
fn an_execution_writes_no_more_than_it_may_and_leaves_the_disk_some_room() {
    let fixture = Fixture::new();
    let all = FsGrant::default();
    let limits = WriteLimits {
        max_write_bytes: 100,
        min_free_bytes: 0,
    };
    let allowance = WriteAllowance::new(limits);
    let files = fixture.tree.scoped(&all).within(&allowance);
    let no_room = |result: Result<(), FileError>| matches!(result, Err(FileError::NoRoom(_)));
    files.write("a", &[7; 60], WriteMode::default()).unwrap();
    assert!(no_room(files.write("a", &[7; 41], APPEND)));
    assert!(no_room(files.write("b", &[7; 41], NEW)));
    assert!(no_room(files.copy("a", "c", false)));
    assert!(!files.exists("b") && !files.exists("c"));
    files.write("a", &[7; 40], APPEND).unwrap();
    allowance.begin();
    files.copy("a", "c", false).unwrap();
    let full = WriteAllowance::new(WriteLimits {
        max_write_bytes: 100,
        min_free_bytes: u64::MAX,
    });
    let files = fixture.tree.scoped(&all).within(&full);
    assert!(no_room(files.write("d", b"x", NEW)));
    assert!(no_room(full.limits().check_disk(fixture.tree.path())));
}

#[test]
fn nothing_is_made_or_changed_in_a_guarded_folder() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.tree.path().join("own/cache")).unwrap();
    fs::write(fixture.tree.path().join("own/cache/library.js"), "own").unwrap();
    symlink("own/cache", fixture.tree.path().join("shortcut")).unwrap();
    let guarded = vec![fixture.tree.path().join("own/cache")];
    let tree = Worktree::open(fixture.tree.path().to_str().unwrap(), guarded).unwrap();
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
    let tree = Worktree::open(tree.path().to_str().unwrap(), later).unwrap();
    let files = tree.scoped(&all);
    assert!(files.write("later.db", b"theirs", mode).is_err());
    assert!(files.rename("own", "later").is_err());
    assert!(files.make_dir("later/cache", true).is_err());
    assert!(!files.exists("later/cache"));
}

#[test]
fn a_path_is_resolved_as_far_as_there_is_something() {
    let fixture = Fixture::new();
    let root = fixture.tree.path();
    for (path, real) in [
        ("alias", "data"),
        ("alias/no/such", "data/no/such"),
        ("no", "no"),
    ] {
        assert_eq!(
            crate::worktree::resolved(&root.join(path)).unwrap(),
            root.join(real)
        );
    }
}
