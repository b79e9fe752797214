//! Links that are exchanged while calls of scripts follow them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use vm_system_tests::{Daemon, Session};

use crate::isolation::paths::outside::{CANARY, Outside, assert_refused, session_with_files};
use crate::support::attempts::{Outcome, attempt_all};

/// Exchanges the names of each pair in a folder until `stop` is set.
fn exchange(folder: &Path, pairs: &[(&str, &str)], stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        for (one, other) in pairs {
            let (one, other) = (folder.join(one), folder.join(other));
            renameat2(
                AT_FDCWD,
                &one,
                AT_FDCWD,
                &other,
                RenameFlags::RENAME_EXCHANGE,
            )
            .expect("both are there");
        }
    }
}

/// Calls that use `swapped`, which is by turns a file or a folder of the worktree and a link to one
/// outside.
const CALLS_AT_SWAPPED: &[&str] = &[
    "fs.readFileSync('swapped.txt')",
    "fs.readFileSync('swapped/a.txt')",
    "fs.readdirSync('swapped').includes('deep') ? leak : 'inside'",
    "fs.readdirSync('.', {recursive: true}).some((name) => name.includes('deep')) ? leak : 'inside'",
    "fs.statSync('swapped/a.txt').size === 6 ? 'inside' : leak",
    "fs.writeFileSync('swapped.txt', 'inside'), 'inside'",
    "fs.writeFileSync('swapped/a.txt', 'inside'), 'inside'",
    "fs.appendFileSync('swapped/log.txt', 'inside'), 'inside'",
    "fs.copyFileSync('swapped/a.txt', 'copy'), fs.readFileSync('copy')",
    "fs.copyFileSync('inside.txt', 'swapped/copy'), 'inside'",
    "fs.mkdirSync('swapped/x/y', {recursive: true}), 'inside'",
    "fs.renameSync('swapped/x', 'swapped/z'), 'inside'",
    "fs.rmSync('swapped/z', {recursive: true, force: true}), 'inside'",
    "fs.rmSync('swapped/log.txt', {force: true}), 'inside'",
    "database.configure('sqlite3', 'swapped/a.db'), database.query('SELECT a FROM t')[0].a",
    "database.configure('sqlite3', 'swapped.db'), database.query('SELECT a FROM t')[0].a",
    "database.configure('sqlite3', 'swapped/a.db'), database.exec(\"UPDATE t SET a = 'inside'\"), 'inside'",
    "require('./swapped/a.cjs'), globalThis.leaked ? leak : 'inside'",
    "import('./swapped/a.mjs').then(() => globalThis.leaked ? leak : 'inside')",
];

/// Makes the files and folders that are swapped, and the links outside that they are swapped with.
/// Returns the pairs.
fn make_pairs(daemon: &Daemon, outside: &Outside) -> Vec<(&'static str, &'static str)> {
    let root = daemon.worktree();
    for name in ["swapped.txt", "swapped/a.txt", "inside.txt"] {
        daemon.write(name, "inside");
    }
    for name in [
        "swapped.js",
        "swapped/a.js",
        "swapped/a.mjs",
        "swapped/a.cjs",
    ] {
        daemon.write(name, "'inside'");
    }
    for name in ["swapped.db", "swapped/a.db"] {
        let database = rusqlite::Connection::open(root.join(name)).unwrap();
        let sql = "CREATE TABLE t (a); INSERT INTO t VALUES ('inside')";
        database.execute_batch(sql).unwrap();
    }
    let mut pairs = vec![("swapped", "link")];
    symlink(outside.folder(), root.join("link")).unwrap();
    for (name, link) in [
        ("swapped.txt", "link.txt"),
        ("swapped.js", "link.js"),
        ("swapped.db", "link.db"),
    ] {
        let ending = name.replace("swapped", "a");
        symlink(outside.folder().join(ending), root.join(link)).unwrap();
        pairs.push((name, link));
    }
    pairs
}

/// How many calls went in, and how many were refused.
#[derive(Default)]
struct Counts {
    inside: u32,
    refused: u32,
}

impl Counts {
    /// Makes calls in a session. A value must be `inside`, and an exception must not have text of
    /// the files outside.
    fn attempt(&mut self, session: &Session, calls: &[&str]) {
        for (outcome, call) in attempt_all(session, calls).into_iter().zip(calls) {
            match outcome {
                Outcome::Value(value) => {
                    assert_eq!(value, "inside", "{call}");
                    self.inside += 1;
                }
                Outcome::Thrown { message, .. } => {
                    assert!(
                        !message.contains(CANARY) && !message.is_empty(),
                        "{message}"
                    );
                    self.refused += 1;
                }
            }
        }
    }
}

#[test]
fn a_link_swapped_during_the_calls_does_not_escape_the_worktree() {
    let daemon = Daemon::start();
    let outside = Outside::create(&daemon);
    let root = daemon.worktree();
    let pairs = make_pairs(&daemon, &outside);
    let session = session_with_files(&daemon);
    session.eval("var leak = 'leak'; 1");
    let stop = AtomicBool::new(false);
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        let exchanging = scope.spawn(|| exchange(&root, &pairs, &stop));
        let calls: Vec<_> = CALLS_AT_SWAPPED.iter().copied().cycle().take(200).collect();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let deadline = Instant::now() + Duration::from_mins(3);
            let mut rounds = 0;
            while rounds < 10 || counts.inside < 100 || counts.refused < 100 {
                let Counts { inside, refused } = counts;
                assert!(
                    Instant::now() < deadline,
                    "{inside} went in, {refused} did not"
                );
                counts.attempt(&session, &calls);
                for path in ["swapped.js", "swapped/a.js"] {
                    let answer = session.submit_file(path);
                    if answer.status == 201 {
                        assert_eq!(
                            answer.json["result"]["preview"], "inside",
                            "{}",
                            answer.text
                        );
                    } else {
                        assert_refused(path, &answer);
                    }
                }
                rounds += 1;
            }
        }));
        stop.store(true, Ordering::Relaxed);
        exchanging.join().expect("the files are there");
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    let Counts { inside, refused } = counts;
    println!("{inside} calls went in, {refused} were refused");
    assert_eq!(session.eval("typeof leaked"), "undefined");
    outside.assert_untouched();
}

/// Calls that use a link which leads, by another name of the worktree, to a folder that is by turns
/// inside and outside.
const CALLS_AT_RETARGETED: &[&str] = &[
    "fs.readFileSync('turning/a.txt', 'utf8')",
    "fs.readFileSync('by-name/a.txt', 'utf8')",
    "fs.readdirSync('turning').includes('deep') ? leak : 'inside'",
    "fs.writeFileSync('turning/w.txt', 'inside'), 'inside'",
    "fs.copyFileSync('by-name/a.txt', 'copy.txt'), fs.readFileSync('copy.txt', 'utf8')",
    "fs.mkdirSync('by-name/x/y', {recursive: true}), 'inside'",
    "fs.rmSync('turning/x', {recursive: true, force: true}), 'inside'",
    "require('./turning/a.cjs'), globalThis.leaked ? leak : 'inside'",
    "import('./by-name/a.mjs').then(() => globalThis.leaked ? leak : 'inside')",
];

#[test]
fn an_absolute_link_retargeted_during_the_calls_does_not_escape_the_worktree() {
    let daemon = Daemon::start();
    let outside = Outside::create(&daemon);
    let (root, home) = (daemon.worktree(), daemon.home().to_owned());
    for name in ["real/a.txt", "copy.txt"] {
        daemon.write(name, "inside");
    }
    for name in ["real/a.js", "real/a.mjs", "real/a.cjs"] {
        daemon.write(name, "'inside'");
    }
    // A link in the worktree is exchanged with one that leaves the worktree. A second name of the
    // worktree is exchanged with a folder beside it, in which the path of the link exists as well.
    symlink(root.join("real"), root.join("turning")).unwrap();
    symlink(outside.folder(), root.join("turned")).unwrap();
    symlink(&root, home.join("alias")).unwrap();
    fs::create_dir(home.join("decoy")).unwrap();
    symlink(outside.folder(), home.join("decoy/real")).unwrap();
    symlink(home.join("alias/real"), root.join("by-name")).unwrap();
    let session = session_with_files(&daemon);
    session.eval("var leak = 'leak'; 1");
    let stop = AtomicBool::new(false);
    let exchange = |folder: &Path, one, other| exchange(folder, &[(one, other)], &stop);
    let mut counts = Counts::default();
    std::thread::scope(|scope| {
        scope.spawn(|| exchange(&root, "turning", "turned"));
        scope.spawn(|| exchange(&home, "alias", "decoy"));
        let calls: Vec<_> = CALLS_AT_RETARGETED
            .iter()
            .copied()
            .cycle()
            .take(180)
            .collect();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..12 {
                counts.attempt(&session, &calls);
                for path in ["turning/a.js", "by-name/a.js"] {
                    let answer = session.submit_file(path);
                    assert!(!answer.text.contains(CANARY), "{}", answer.text);
                }
            }
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    let Counts { inside, refused } = counts;
    assert!(
        inside > 0 && refused > 0,
        "{inside} went in, {refused} were refused"
    );
    assert_eq!(session.eval("typeof leaked"), "undefined");
    outside.assert_untouched();
}
