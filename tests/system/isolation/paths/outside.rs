//! Files outside the worktree that no path may reach, and calls that try to reach them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use vm_system_tests::{Answer, Daemon, Session};

/// The text in every file outside, which no answer may contain.
pub(crate) const CANARY: &str = "canary-4f1d";

/// Files outside the worktree that must be neither read nor changed.
pub(crate) struct Outside {
    folder: PathBuf,
    before: Vec<(PathBuf, Vec<u8>)>,
}

impl Outside {
    /// Creates the files beside the worktree.
    pub(crate) fn create(daemon: &Daemon) -> Self {
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

    /// The folder of the files.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Checks that the files are unchanged, and that there are no others.
    #[track_caller]
    pub(crate) fn assert_untouched(&self) {
        assert!(content(&self.folder) == self.before, "something changed");
    }
}

/// All files in a folder, with their contents.
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
pub(crate) fn session_with_files(daemon: &Daemon) -> Session {
    let template = daemon.template_with_modules(&["fs", "database"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    session.eval("var fs = require('fs'), database = require('database'); 1");
    session
}

/// Expressions that read the file at a path.
pub(crate) fn reads(path: &str) -> Vec<String> {
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

/// Expressions that change the file at a path.
pub(crate) fn writes(path: &str) -> Vec<String> {
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

/// Checks that a refusal of `run-file` names the path.
#[track_caller]
pub(crate) fn assert_refused(path: &str, answer: &Answer) {
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

/// Creates the worktree anew, with links that lead out of it.
pub(crate) fn reset_worktree(daemon: &Daemon) {
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
