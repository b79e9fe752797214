//! The files of the repository.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Directories that hold no file written by hand.
const SKIPPED_DIRECTORIES: [&str; 3] = ["target", ".git", "node_modules"];

/// A file with its text.
pub(crate) struct TextFile {
    /// The path relative to the repository, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl TextFile {
    /// The text after the last dot of the name; empty if there is no dot.
    pub(crate) fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(_, extension)| extension)
    }

    /// Whether the file is a shell script, by its name or by its first line.
    pub(crate) fn is_shell(&self) -> bool {
        self.extension() == "sh"
            || self.extension().is_empty()
                && self.text.starts_with("#!")
                && self
                    .text
                    .lines()
                    .next()
                    .is_some_and(|line| line.ends_with("sh"))
    }

    /// Whether the file is JavaScript.
    pub(crate) fn is_javascript(&self) -> bool {
        ["js", "mjs", "cjs"].contains(&self.extension())
    }

    /// Whether the file was recorded or generated, and not written by hand.
    pub(crate) fn is_fixture(&self) -> bool {
        self.path
            .split('/')
            .any(|part| part == "fixtures" || part == "snapshots")
    }
}

/// All text files, in the order of their paths. Binary files (databases of tests) are left out.
pub(crate) static FILES: LazyLock<Vec<TextFile>> = LazyLock::new(|| {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(
        files.len() > 100,
        "the repository is not at {}",
        root().display()
    );
    files
});

/// The directory of the workspace.
pub(crate) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("tests/ is in the workspace")
        .to_owned()
}

/// The file at a path.
///
/// # Panics
/// If there is no such file.
#[track_caller]
pub(crate) fn file(path: &str) -> &'static TextFile {
    let found = FILES.iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("there is no {path}"))
}

/// The files of Rust code.
pub(crate) fn rust_files() -> impl Iterator<Item = &'static TextFile> {
    FILES.iter().filter(|file| file.extension() == "rs")
}

fn collect(directory: &Path, prefix: &str, files: &mut Vec<TextFile>) {
    let entries = fs::read_dir(directory).expect("the directory can be read");
    for entry in entries {
        let entry = entry.expect("the directory can be read");
        let name = entry.file_name().into_string().expect("names are UTF-8");
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().expect("a file has a type");
        if kind.is_dir() {
            if !SKIPPED_DIRECTORIES.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), files);
            }
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            files.push(TextFile { path, text });
        }
    }
}
