//! Spellings of paths that try to leave the worktree, by `run-file`, `import`, `require`, `fs` and
//! `database`.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;
use vm_system_tests::{Answer, Daemon, Session};

use crate::support::attempts::{
    Outcome, assert_all_throw, assert_value, attempt, attempt_all, js_literal,
};

/// What is in every file outside, and what no answer may show.
pub const CANARY: &str = "canary-4f1d";

/// How long an answer may take that must not wait for anything.
const AT_ONCE: Duration = Duration::from_secs(20);

/// Files outside the worktree that must be neither read nor changed.
pub struct Outside {
    folder: PathBuf,
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl Outside {
    /// Makes them, beside the worktree.
    pub fn plant(daemon: &Daemon) -> Self {
        let folder = daemon.home().join("outside");
        fs::create_dir_all(folder.join("deep")).unwrap();
        let script = format!("globalThis.leaked = '{CANARY}'; '{CANARY}'");
        for name in ["a.js", "a.mjs", "a.cjs", "a.txt", "index.js", "deep/a.js"] {
            fs::write(folder.join(name), &script).unwrap();
        }
        fs::write(folder.join("a.json"), format!("\"{CANARY}\"")).unwrap();
        let database = rusqlite::Connection::open(folder.join("a.db")).unwrap();
        let sql = format!("CREATE TABLE t (a); INSERT INTO t VALUES ('{CANARY}')");
        database.execute_batch(&sql).unwrap();
        drop(database);
        let before = content(&folder);
        Self { folder, before }
    }

    /// Where they are.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Checks that they are what they were, and that there are no others.
    #[track_caller]
    pub fn assert_untouched(&self) {
        assert!(content(&self.folder) == self.before, "something changed");
    }
}

/// Everything in a folder, with what it holds.
fn content(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(content(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

/// A session with `fs` and `database`.
pub fn session(daemon: &Daemon) -> Session {
    let template = daemon.template_with_modules(&["fs", "database"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    session.eval("var fs = require('fs'), database = require('database'); 1");
    session
}

/// Expressions that read what is at a path.
pub fn reads(path: &str) -> Vec<String> {
    vec![
        format!("import({path}).then((module) => module.default)"),
        format!("require({path})"),
        format!("fs.readFileSync({path})"),
        format!("fs.promises.readFile({path}, null)"),
        format!("fs.copyFileSync({path}, 'copy')"),
        format!("fs.readdirSync({path})"),
        format!(
            "database.configure('sqlite3', {path}), database.query('SELECT * FROM sqlite_schema')"
        ),
    ]
}

/// Expressions that change what is at a path.
pub fn writes(path: &str) -> Vec<String> {
    vec![
        format!("fs.writeFileSync({path}, 'changed')"),
        format!("fs.appendFileSync({path}, 'changed')"),
        format!("fs.copyFileSync('inside.txt', {path})"),
        format!("fs.renameSync({path}, 'moved')"),
        format!("fs.rmSync({path}, {{recursive: true}})"),
        format!("fs.mkdirSync({path} + '/new', {{recursive: true}})"),
        format!("database.configure('sqlite3', {path}), database.exec('CREATE TABLE made (a)')"),
    ]
}

/// Checks that a refusal of `run-file` says what it is about.
#[track_caller]
pub fn assert_refused(path: &str, answer: &Answer) {
    assert!(
        matches!(
            (answer.status, answer.code()),
            (422, "INVALID_PATH") | (404, "FILE_NOT_FOUND") | (400, "VALIDATION_ERROR")
        ),
        "{path:?}: {}",
        answer.text
    );
    assert!(!answer.message().is_empty(), "{path:?}");
    assert!(!answer.text.contains(CANARY), "{path:?}: {}", answer.text);
}

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

/// Makes the worktree anew, with links that lead out of it.
pub fn plant_inside(daemon: &Daemon) {
    let root = daemon.worktree();
    for entry in fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() {
            fs::remove_dir_all(path).unwrap();
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    daemon.write("inside/a.txt", "inside");
    daemon.write("inside.txt", "inside");
    symlink("..", root.join("up")).unwrap();
    symlink("../..", root.join("inside/up")).unwrap();
    symlink("/proc/self/root", root.join("proc-root")).unwrap();
    symlink("/proc/self/cwd", root.join("proc-cwd")).unwrap();
}

#[test]
fn no_spelling_of_an_escape_leaves_the_worktree() {
    let daemon = Daemon::start();
    let outside = Outside::plant(&daemon);
    let session = session(&daemon);
    for (number, start) in ways_out(&daemon).into_iter().enumerate() {
        plant_inside(&daemon);
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
        // Some are names like any other, and lead to nothing.
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
        // Every one is tried in full by one function, and some by all: a call that goes through makes files and folders.
        let path = js_literal(&format!("{start}.txt"));
        attempt_all(&session, &writes(&path)[number % 7..]);
    }
    assert_eq!(session.eval("typeof leaked"), "undefined");
    outside.assert_untouched();
}

/// Lets each pair in a folder change their names until it is told to stop.
pub fn exchange(folder: &Path, pairs: &[(&str, &str)], stop: &AtomicBool) {
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

/// Calls that meet `swapped`, which is now a file or a folder of the worktree and now a link to one outside.
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

#[test]
fn a_link_swapped_during_the_calls_does_not_escape_the_worktree() {
    let daemon = Daemon::start();
    let outside = Outside::plant(&daemon);
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
    let session = session(&daemon);
    session.eval("var leak = 'leak'; 1");
    let stop = AtomicBool::new(false);
    let (mut inside, mut refused) = (0, 0);
    std::thread::scope(|scope| {
        let exchanging = scope.spawn(|| exchange(&root, &pairs, &stop));
        let calls: Vec<_> = CALLS_AT_SWAPPED.iter().cycle().take(200).collect();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let deadline = Instant::now() + Duration::from_mins(3);
            let mut rounds = 0;
            while rounds < 10 || inside < 100 || refused < 100 {
                assert!(
                    Instant::now() < deadline,
                    "{inside} went in, {refused} did not"
                );
                for (outcome, call) in attempt_all(&session, &calls).into_iter().zip(&calls) {
                    match outcome {
                        Outcome::Value(value) => {
                            assert_eq!(value, "inside", "{call}");
                            inside += 1;
                        }
                        Outcome::Thrown { message, .. } => {
                            assert!(
                                !message.contains(CANARY) && !message.is_empty(),
                                "{message}"
                            );
                            refused += 1;
                        }
                    }
                }
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
    println!("{inside} calls went in, {refused} were refused");
    assert_eq!(session.eval("typeof leaked"), "undefined");
    outside.assert_untouched();
}

#[test]
fn fifos_sockets_devices_and_folders_are_refused_at_once() {
    let daemon = Daemon::start();
    let session = session(&daemon);
    daemon.write("inside.txt", "inside");
    daemon.write("folder.js/a.txt", "");
    let root = daemon.worktree();
    mkfifo(&root.join("fifo.js"), Mode::S_IRWXU).unwrap();
    let _listener = UnixListener::bind(root.join("socket.js")).unwrap();
    symlink("fifo.js", root.join("fifo-link.js")).unwrap();
    symlink("loop.js", root.join("loop.js")).unwrap();
    let mut paths: Vec<String> = [
        "fifo.js",
        "fifo-link.js",
        "socket.js",
        "folder.js",
        "loop.js",
    ]
    .map(str::to_owned)
    .into();
    for (number, target) in [
        "/dev/stdin",
        "/dev/stdout",
        "/dev/fd/0",
        "/dev/fd/3",
        "/dev/zero",
        "/dev/full",
        "/dev/tty",
        "/dev/ptmx",
        "/proc/self/environ",
        "/proc/self/mem",
        "/proc/self/fd/1",
        "/proc/self/exe",
        "/proc/kmsg",
    ]
    .into_iter()
    .enumerate()
    {
        let link = format!("device{number}.js");
        symlink(target, root.join(&link)).unwrap();
        paths.extend([target.to_owned(), link]);
    }
    let asked = Instant::now();
    for path in paths {
        let answer = session.submit_file(&path);
        assert!(matches!(answer.status, 404 | 422), "{}", answer.text);
        assert_refused(&path, &answer);
        let path = js_literal(&path);
        let mut calls = reads(&path);
        // What is a folder is listed, and what is none is not.
        calls.retain(|call| !call.contains("readdir"));
        calls.extend([
            format!("require('./' + {path})"),
            format!("fs.writeFileSync({path}, 'changed')"),
            format!("fs.appendFileSync({path}, 'changed')"),
            format!("fs.copyFileSync('inside.txt', {path})"),
            format!(
                "database.configure('sqlite3', {path}), database.exec('CREATE TABLE made (a)')"
            ),
        ]);
        if !path.contains("folder") {
            // Nor is it one.
            calls.push(format!(
                "database.configure('sqlite3', {path} + '/in.db'), database.exec('CREATE TABLE made (a)')"
            ));
        }
        for message in assert_all_throw(&session, &calls, None) {
            assert!(!message.is_empty());
        }
    }
    assert!(asked.elapsed() < 3 * AT_ONCE, "{:?}", asked.elapsed());
    // A writer that opens the FIFO later finds no reader.
    assert_value(&session, "fs.statSync('fifo.js').isFile()", &json!(false));
}

/// A hard link is the file itself, under a name inside: nothing tells it from one that was made inside, so that it is read and
/// written. The user who makes one can read the file already; a script can make none. What is the service's own stays out of reach.
#[test]
fn a_hard_link_is_a_file_of_the_worktree() {
    let daemon = Daemon::start();
    let session = session(&daemon);
    let outside = daemon.home().join("outside.js");
    fs::write(&outside, "'shared'").unwrap();
    fs::hard_link(&outside, daemon.worktree().join("hard.js")).unwrap();
    let run = session.submit_file("hard.js").expect_status(201);
    assert_eq!(run["result"]["preview"], "shared");
    session.eval("fs.appendFileSync('hard.js', ';2'); 1");
    assert_eq!(fs::read_to_string(&outside).unwrap(), "'shared';2");
    // The name goes, the file stays.
    session.eval("fs.rmSync('hard.js'); 1");
    assert!(outside.exists());
    let makers = "['link', 'linkSync', 'symlink', 'symlinkSync'].every((name) => !(name in fs) && !(name in fs.promises))";
    assert_eq!(session.eval(makers), "true");
    for own in ["test.db", "test.db-wal"] {
        fs::hard_link(daemon.home().join(own), daemon.worktree().join("own.js")).unwrap();
        assert_refused("own.js", &session.submit_file("own.js"));
        let mut calls = reads("'./own.js'");
        calls.retain(|call| !call.contains("readdir"));
        calls.push("fs.writeFileSync('own.js', '')".into());
        calls.push("fs.appendFileSync('own.js', '')".into());
        assert_all_throw(&session, &calls, None);
        fs::remove_file(daemon.worktree().join("own.js")).unwrap();
    }
    assert_eq!(session.eval("1 + 1"), "2");
}

#[test]
fn odd_file_names_work() {
    let daemon = Daemon::start();
    let session = session(&daemon);
    let longest = format!("{}.js", "n".repeat(252));
    for name in [
        longest.as_str(),
        "...js",
        "-rf.js",
        " .js",
        "a\nb.js",
        "a\\b.js",
        "..\\a.js",
        "%2e%2e.js",
        "\u{202e}a.js",
        "a\u{301}.js",
        "\u{1f600}.js",
        "con.js",
        "a:b.js",
        "$(id).js",
        "\x1b[31m.js",
    ] {
        daemon.write(name, "'found'");
        let run = session.submit_file(name);
        if name.contains(['\n', '\u{202e}', '\x1b']) {
            // What is shown to people does not steer their terminals.
            run.expect_error(422, "INVALID_PATH");
        } else {
            assert_eq!(
                run.expect_status(201)["result"]["preview"],
                "found",
                "{name}"
            );
        }
        let path = js_literal(&format!("./{name}"));
        assert_value(
            &session,
            &format!("fs.readFileSync({path})"),
            &json!("'found'"),
        );
        assert_value(
            &session,
            &format!("typeof require({path})"),
            &json!("object"),
        );
    }
    // The same letters in another case or another normal form are another name.
    daemon.write("case.js", "1");
    for name in ["CASE.js", "case.JS", "\u{e1}.js", "case.js ", "case.js."] {
        session
            .submit_file(name)
            .expect_error(404, "FILE_NOT_FOUND");
    }
}

#[test]
fn impossible_file_names_are_refused() {
    let daemon = Daemon::start();
    let session = session(&daemon);
    for path in [
        "n".repeat(256),
        format!("{}/a.js", "n".repeat(256)),
        "n/".repeat(3000),
        "n".repeat(5_000),
        "../".repeat(2_000),
        "\u{1f600}".repeat(64),
        String::new(),
        "\0".into(),
        "a.js\0".into(),
    ] {
        assert_refused(&path, &session.submit_file(&path));
        let mut calls = reads(&js_literal(&path));
        calls.extend(writes(&js_literal(&path)).into_iter().filter(|call| {
            // Folders of short names can be made.
            !(path.starts_with("n/") && call.contains("mkdir"))
        }));
        for message in assert_all_throw(&session, &calls, None) {
            assert!(!message.is_empty());
        }
    }
    assert_eq!(session.eval("1"), "1");
}

#[test]
fn names_that_are_not_utf_8_do_no_harm() {
    let daemon = Daemon::start();
    let session = session(&daemon);
    let folder = daemon.worktree().join("odd");
    fs::create_dir(&folder).unwrap();
    for name in [&b"\xff.js"[..], b"\xc0\xae\xc0\xae", b"\xed\xa0\x80.js"] {
        fs::write(folder.join(OsStr::from_bytes(name)), "'found'").unwrap();
    }
    // They are listed with signs that stand for what they are, and can't be asked for.
    assert_value(&session, "fs.readdirSync('odd').length", &json!(3));
    for path in [
        "'odd/\u{fffd}.js'",
        "'odd/\\udcff.js'",
        "new Uint8Array([111, 100, 100, 47, 255, 46, 106, 115])",
    ] {
        let outcome = attempt(&session, &format!("fs.readFileSync({path})"));
        assert!(
            matches!(outcome, Outcome::Thrown { .. }),
            "{path}: {outcome:?}"
        );
    }
    assert_refused("odd/\u{fffd}.js", &session.submit_file("odd/\u{fffd}.js"));
    assert_value(
        &session,
        "fs.rmSync('odd', {recursive: true})",
        &json!(null),
    );
    assert!(!folder.exists());
}

#[test]
fn deeply_nested_folders_can_be_walked_and_deleted() {
    let daemon = Daemon::start();
    let session = session(&daemon);
    let deep = "d/".repeat(300);
    daemon.write(&format!("{deep}a.js"), "'deep'");
    let run = session
        .submit_file(&format!("{deep}a.js"))
        .expect_status(201);
    assert_eq!(run["result"]["preview"], "deep");
    assert_value(
        &session,
        "fs.readdirSync('d', {recursive: true}).length",
        &json!(300),
    );
    assert_value(&session, "fs.rmSync('d', {recursive: true})", &json!(null));
    assert!(!daemon.worktree().join("d").exists());
    // Deeper than a path can say, by way of folders that are moved.
    let half = "e/".repeat(600);
    let moves = format!(
        "fs.mkdirSync('{half}', {{recursive: true}}); \
         for (let i = 0; i < 1500; i++) {{ fs.mkdirSync('next'); fs.renameSync('e', 'next/e'); fs.renameSync('next', 'e'); }} 1"
    );
    session.eval(&moves);
    let outcome = attempt(&session, "fs.statSync('e/e/e').isDirectory()");
    assert_eq!(outcome, Outcome::Value(json!(true)));
    // It may take longer than it has; the daemon and the session go on.
    session.submit("fs.rmSync('e', {recursive: true})");
    assert_eq!(session.eval("1"), "1");
}
