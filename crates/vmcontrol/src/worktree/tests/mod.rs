//! What a worktree lets through, and what stays out of reach.

mod folders;
mod guarded;
mod moves;
mod open;
mod resolve;
mod scoped;
mod tree;

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::Value;

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
        let tree = Worktree::open_blocking(root.to_str().unwrap(), guarded).unwrap();
        Self { home, tree }
    }

    fn text(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.tree.path().join(path)).ok()
    }
}

fn grant(configs: &[(bool, Value)]) -> FsGrant {
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
fn read(files: &Scoped<'_>, path: &str, max_bytes: u64) -> Result<Vec<u8>, FileError> {
    let mut all = Vec::new();
    files.read_in_steps(path, max_bytes, |step| {
        all.extend_from_slice(step);
        Ok(())
    })?;
    Ok(all)
}

/// The memory budget is exhausted: enough for listings that are small.
fn no_room(_: usize) -> Option<crate::Lease> {
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

/// A worktree with a file, a guarded path in it, and a secret beside it.
fn worktree() -> (tempfile::TempDir, Worktree) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("tree")).unwrap();
    std::fs::write(dir.path().join("secret"), "secret").unwrap();
    std::fs::write(dir.path().join("tree/a.js"), "1").unwrap();
    let guarded = vec![dir.path().join("tree/guarded")];
    let tree = Worktree::open_blocking(dir.path().join("tree").to_str().unwrap(), guarded).unwrap();
    (dir, tree)
}

/// Opens a worktree without guarded paths.
fn open(path: &Path) -> Worktree {
    Worktree::open_blocking(path.to_str().unwrap(), Vec::new()).unwrap()
}
