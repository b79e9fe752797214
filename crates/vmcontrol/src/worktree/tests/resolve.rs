//! Where symbolic links lead, absolute ones as well.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use tempfile::TempDir;

use super::*;

/// A worktree in `tree` with a file at its top and one in a folder, and beside it a file and a
/// folder outside.
struct Fixture {
    home: TempDir,
    tree: Worktree,
}

impl Fixture {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        for (path, text) in [
            ("tree/a.txt", "a"),
            ("tree/deep/er/b.txt", "b"),
            ("outside/a.txt", "secret"),
            ("outside/er/b.txt", "secret"),
        ] {
            let path = home.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let tree = open(&home.path().join("tree"));
        Self { home, tree }
    }

    /// Makes a link in the worktree to a path below the folder that the worktree is in.
    fn link(&self, target: &str, name: &str) {
        symlink(self.home.path().join(target), self.tree.path().join(name)).unwrap();
    }

    fn read(&self, path: &str) -> Result<String, FileError> {
        let grant = FsGrant::default();
        let scoped = read(&self.tree.scoped(&grant), path, 100);
        let own = self.tree.read(path, 100);
        // The service itself reads what a session with every right reads.
        assert_eq!(scoped.is_ok(), own.is_ok(), "{path}: {scoped:?}, {own:?}");
        Ok(String::from_utf8(scoped?).unwrap())
    }

    #[track_caller]
    fn assert_outside(&self, path: &str) {
        let read = self.read(path);
        assert!(
            matches!(read, Err(FileError::Outside(_))),
            "{path}: {read:?}"
        );
    }
}

fn kind_of<T>(result: Result<T, FileError>) -> io::ErrorKind {
    match result {
        Err(FileError::Io(error)) => error.kind(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it was done"),
    }
}

#[test]
fn an_absolute_link_that_stays_inside_is_followed() {
    let fixture = Fixture::new();
    fixture.link("tree/a.txt", "file");
    fixture.link("tree/deep", "folder");
    fixture.link("tree", "all");
    fixture.link("tree/file", "chain");
    fixture.link("tree/folder/er/b.txt", "through");
    symlink("folder/er", fixture.tree.path().join("relative")).unwrap();
    fixture.link("tree/deep/../a.txt", "up");
    fixture.link("outside/../tree/./a.txt", "around");
    fixture.link("tree/../tree/a.txt", "out-and-in");
    for (path, text) in [
        ("file", "a"),
        ("folder/er/b.txt", "b"),
        ("all/a.txt", "a"),
        ("all/all/all/deep/er/b.txt", "b"),
        ("chain", "a"),
        ("through", "b"),
        ("relative/b.txt", "b"),
        ("up", "a"),
        ("around", "a"),
        ("out-and-in", "a"),
    ] {
        assert_eq!(fixture.read(path).unwrap(), text, "{path}");
        let absolute = fixture.tree.path().join(path);
        assert_eq!(fixture.read(absolute.to_str().unwrap()).unwrap(), text);
    }
}

#[test]
fn another_name_of_the_worktree_is_the_worktree() {
    let fixture = Fixture::new();
    let home = fixture.home.path();
    symlink("tree", home.join("alias")).unwrap();
    symlink(home, home.join("outside/home")).unwrap();
    symlink(home.join("tree/deep"), home.join("part")).unwrap();
    for (number, name) in ["alias", "outside/home/alias", "outside/home/tree"]
        .into_iter()
        .enumerate()
    {
        fixture.link(&format!("{name}/a.txt"), &format!("link{number}"));
        assert_eq!(fixture.read(&format!("link{number}")).unwrap(), "a");
        // So it is in a path that is given.
        let given = home.join(name).join("deep/er/b.txt");
        assert_eq!(
            fixture.read(given.to_str().unwrap()).unwrap(),
            "b",
            "{name}"
        );
        let clean = fixture.tree.clean_name(given.to_str().unwrap()).unwrap();
        assert_eq!(clean, "deep/er/b.txt");
    }
    fixture.link("part/er/b.txt", "by-part");
    assert_eq!(fixture.read("by-part").unwrap(), "b");
    let given = home.join("part/er/b.txt");
    let clean = fixture.tree.clean_name(given.to_str().unwrap()).unwrap();
    assert_eq!(clean, "deep/er/b.txt");
    // And if the worktree was opened by that name.
    let tree = open(&home.join("alias"));
    for name in ["alias", "tree"] {
        let given = home.join(name).join("a.txt");
        assert_eq!(tree.read(given.to_str().unwrap(), 10).unwrap(), b"a");
    }
}

#[test]
fn an_absolute_link_that_leaves_is_refused() {
    let fixture = Fixture::new();
    symlink("../tree", fixture.home.path().join("outside/back")).unwrap();
    fixture.link("outside/a.txt", "file");
    fixture.link("outside", "folder");
    fixture.link("outside/missing", "missing");
    fixture.link("tree/../outside/a.txt", "up");
    fixture.link("outside/back/../outside/a.txt", "back-and-out");
    fixture.link("tree/file", "chain");
    fixture.link("", "home");
    symlink("/", fixture.tree.path().join("root")).unwrap();
    symlink("../outside/a.txt", fixture.tree.path().join("relative")).unwrap();
    for target in [
        "/proc/self/cwd",
        "/proc/self/root",
        "/proc/self/fd",
        "/dev/fd/0",
        "/etc/passwd",
    ] {
        let name = target.replace('/', "-");
        symlink(target, fixture.tree.path().join(&name)).unwrap();
        fixture.assert_outside(&name);
        fixture.assert_outside(&format!("{name}/a.txt"));
    }
    let below_root = format!(
        "root{}",
        fixture.home.path().join("outside/a.txt").display()
    );
    for path in [
        "file",
        "folder/a.txt",
        "missing",
        "up",
        "back-and-out",
        "chain",
        "home/outside/a.txt",
        "relative",
        "root",
        &below_root,
    ] {
        fixture.assert_outside(path);
    }
    let grant = FsGrant::default();
    let files = fixture.tree.scoped(&grant);
    for path in ["folder", "home", "root", "folder/er"] {
        let refused = |result: Result<(), FileError>| matches!(result, Err(FileError::Outside(_)));
        assert!(
            refused(files.read_dir(path, false, no_room).map(drop)),
            "{path}"
        );
        let new = format!("{path}/new");
        assert!(
            refused(files.write(&new, b"x", WriteMode::default())),
            "{path}"
        );
        assert!(
            refused(files.make_dir(&format!("{new}/er"), true).map(drop)),
            "{path}"
        );
        assert!(refused(files.rename("a.txt", &new)), "{path}");
    }
    assert_eq!(
        fs::read_dir(fixture.home.path().join("outside"))
            .unwrap()
            .count(),
        3
    );
}

#[test]
fn through_an_absolute_link_everything_is_done_to_what_it_leads_to() {
    let fixture = Fixture::new();
    fixture.link("tree/deep", "folder");
    fixture.link("tree/a.txt", "file");
    let grant = FsGrant::default();
    let files = fixture.tree.scoped(&grant);
    files.write("file", b"new", WriteMode::default()).unwrap();
    assert_eq!(fixture.read("a.txt").unwrap(), "new");
    assert_eq!(files.stat("file", true).unwrap().kind, FileKind::File);
    assert_eq!(files.stat("file", false).unwrap().kind, FileKind::Symlink);
    assert_eq!(
        files.stat("folder", true).unwrap().kind,
        FileKind::Directory
    );
    assert_eq!(
        files
            .read_dir("folder", true, no_room)
            .unwrap()
            .entries
            .len(),
        2
    );
    files.copy("file", "folder/copy", true).unwrap();
    files.rename("folder/copy", "folder/er/moved").unwrap();
    assert_eq!(fixture.read("deep/er/moved").unwrap(), "new");
    files.make_dir("folder/new/er", true).unwrap();
    assert!(files.exists("deep/new/er"));
    files.remove("folder/new", true, false).unwrap();
    let real = fixture
        .tree
        .real_path(Path::new("folder/er/b.txt"))
        .unwrap();
    assert_eq!(real, fixture.tree.path().join("deep/er/b.txt"));
    let (real, folder) = fixture.tree.open_folder(Path::new("folder/er")).unwrap();
    assert_eq!(real, Path::new("deep/er"));
    assert!(folder.exists("b.txt"));
    // A link itself is deleted and renamed, and not what it leads to.
    files.rename("file", "other").unwrap();
    files.remove("folder", true, false).unwrap();
    assert!(files.exists("deep/er/b.txt") && files.exists("a.txt"));
    assert_eq!(files.stat("other", false).unwrap().kind, FileKind::Symlink);
}

#[test]
fn capabilities_are_judged_by_what_an_absolute_link_leads_to() {
    let fixture = Fixture::new();
    let grant = grant(&[(true, serde_json::json!({"read": ["open/**"]}))]);
    fs::create_dir(fixture.tree.path().join("open")).unwrap();
    fs::write(fixture.tree.path().join("open/c.txt"), "c").unwrap();
    fixture.link("tree/open/c.txt", "open/inner");
    fixture.link("tree/a.txt", "open/file");
    fixture.link("tree/deep", "open/folder");
    let files = fixture.tree.scoped(&grant);
    assert_eq!(read(&files, "open/inner", 10).unwrap(), b"c");
    for path in ["open/file", "open/folder/er/b.txt"] {
        let read = read(&files, path, 10);
        assert!(matches!(read, Err(FileError::Refused { .. })), "{read:?}");
    }
}

#[test]
fn what_an_absolute_link_leads_to_stays_guarded() {
    let fixture = Fixture::new();
    let guarded = vec![
        fixture.tree.path().join("deep"),
        fixture.tree.path().join("a.txt"),
    ];
    let tree = Worktree::open_blocking(fixture.tree.path().to_str().unwrap(), guarded).unwrap();
    fixture.link("tree/deep", "folder");
    fixture.link("tree/a.txt", "file");
    let grant = FsGrant::default();
    for path in ["file", "folder/er/b.txt"] {
        assert!(
            matches!(tree.read(path, 10), Err(FileError::Outside(_))),
            "{path}"
        );
        let written = tree.scoped(&grant).write(path, b"x", WriteMode::default());
        assert!(matches!(written, Err(FileError::Outside(_))), "{path}");
        assert!(tree.real_path(Path::new(path)).is_err(), "{path}");
    }
}

#[test]
fn links_that_lead_nowhere_or_go_on_for_ever_are_told_apart() {
    let fixture = Fixture::new();
    fixture.link("tree/missing", "dangling");
    fixture.link("tree/missing/x", "dangling-folder");
    fixture.link("tree/loop", "loop");
    fixture.link("tree/two", "one");
    fixture.link("tree/one", "two");
    assert_eq!(kind_of(fixture.read("dangling")), io::ErrorKind::NotFound);
    assert_eq!(
        kind_of(fixture.read("dangling-folder")),
        io::ErrorKind::NotFound
    );
    assert_eq!(kind_of(fixture.read("dangling/x")), io::ErrorKind::NotFound);
    for path in ["loop", "one", "loop/x", "two/x"] {
        let read = fixture.read(path);
        let is_loop =
            matches!(&read, Err(FileError::Io(error)) if error.raw_os_error() == Some(libc::ELOOP));
        assert!(is_loop, "{path}: {read:?}");
    }
    assert_eq!(
        kind_of(fixture.read("a.txt/x")),
        io::ErrorKind::NotADirectory
    );
    // As many links as the kernel follows, and one more.
    fixture.link("tree/a.txt", "link1");
    for number in 2..=41 {
        fixture.link(
            &format!("tree/link{}", number - 1),
            &format!("link{number}"),
        );
    }
    assert_eq!(fixture.read("link40").unwrap(), "a");
    assert!(fixture.read("link41").is_err());
    let grant = FsGrant::default();
    let files = fixture.tree.scoped(&grant);
    assert!(!files.exists("dangling") && files.stat("dangling", false).is_ok());
    assert!(files.write("dangling", b"x", WriteMode::default()).is_err());
}

#[test]
fn a_crafted_link_takes_no_long_time() {
    let fixture = Fixture::new();
    let target = format!("/{}", "deep/../".repeat(500));
    let target = format!("{}{target}a.txt", fixture.tree.path().display());
    symlink(&target, fixture.tree.path().join("link")).unwrap();
    assert_eq!(fixture.read("link").unwrap(), "a");
    let deep = "d/".repeat(400);
    fs::create_dir_all(fixture.tree.path().join(&deep)).unwrap();
    let target = format!("{deep}{}", "../d/".repeat(500));
    symlink(target, fixture.tree.path().join("slow")).unwrap();
    assert!(fixture.read("slow/a.txt").is_err());
}

/// Exchanges what has two names until it is told to stop.
fn exchange(folder: &Path, pairs: &[(&str, &str)], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for (one, other) in pairs {
            let (one, other) = (folder.join(one), folder.join(other));
            renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).expect("both are there");
        }
    }
}

#[test]
fn a_link_that_is_swapped_while_it_is_followed_leads_nowhere_else() {
    const ROUNDS: usize = 4_000;
    const PAIRS: &[(&str, &str)] = &[
        ("swapped", "outer"),
        ("inner", "outer"),
        ("swapped", "inner"),
    ];
    let fixture = Fixture::new();
    let (home, root) = (fixture.home.path(), fixture.tree.path());
    // A folder, a link that stays inside, a link that leaves, and a name of the worktree that
    // becomes another folder's.
    fixture.link("tree/deep", "inner");
    fixture.link("outside", "outer");
    fixture.link("alias/deep/er/b.txt", "by-alias");
    fs::create_dir_all(home.join("outside/deep/er")).unwrap();
    fs::write(home.join("outside/deep/er/b.txt"), "secret").unwrap();
    symlink("tree", home.join("alias")).unwrap();
    symlink("outside", home.join("alias-of-outside")).unwrap();
    fs::create_dir_all(root.join("swapped/er")).unwrap();
    fs::write(root.join("swapped/er/b.txt"), "b").unwrap();
    let stop = AtomicBool::new(false);
    let (mut inside, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| exchange(root, PAIRS, &stop));
        scope.spawn(|| exchange(home, &[("alias", "alias-of-outside")], &stop));
        let grant = FsGrant::default();
        let files = fixture.tree.scoped(&grant);
        let mut seen = Vec::new();
        for _ in 0..ROUNDS {
            for path in ["swapped/er/b.txt", "inner/er/b.txt", "by-alias"] {
                seen.push(read(&files, path, 100));
                seen.push(fixture.tree.read(path, 100));
            }
            let written = files.write("swapped/er/new.txt", b"b", WriteMode::default());
            seen.push(written.map(|()| b"b".to_vec()));
        }
        stop.store(true, Ordering::Relaxed);
        for read in seen {
            match read {
                Ok(text) => {
                    assert_eq!(text, b"b");
                    inside += 1;
                }
                Err(_) => refused += 1,
            }
        }
    });
    assert!(
        inside > 0 && refused > 0,
        "{inside} went in, {refused} did not"
    );
    let left = |path: &str| fs::read_dir(home.join(path)).unwrap().count();
    assert_eq!((left("outside/er"), left("outside/deep/er")), (1, 1));
}
