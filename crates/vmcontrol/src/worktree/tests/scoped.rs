//! Reading, writing and copying files within capabilities.

use std::sync::atomic::{AtomicBool, Ordering};

use proptest::prelude::*;
use serde_json::json;

use super::*;

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
fn a_fifo_is_no_file_and_no_call_waits_for_it() {
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
