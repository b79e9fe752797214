//! The files of the worktree that the session has loaded, and which of them asked for which.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use boa_engine::{JsObject, Module};

/// How a file was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Way {
    Import,
    Require,
}

impl Way {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Import => "import",
            Self::Require => "require",
        }
    }
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Es,
    CommonJs,
    Json,
}

/// A loaded file.
pub(super) struct File {
    /// What told its content apart when it was read.
    pub(super) stamp: String,
    pub(super) source: Rc<str>,
    pub(super) format: Format,
    /// As `import` gives it.
    pub(super) module: Option<Module>,
    /// As `require` gives it: the object whose `exports` is the value.
    pub(super) common: Option<JsObject>,
}

/// All of them. They live on from one execution to the next, until a file has changed.
#[derive(Default)]
pub(super) struct Graph {
    files: HashMap<String, File>,
    /// Who asked for a file, by its path.
    importers: HashMap<String, HashSet<String>>,
    /// What specifiers meant in this execution.
    resolved: HashMap<(String, String, Way), String>,
    /// Whether the files have been compared with the worktree in this execution.
    pub(super) is_current: bool,
    /// What was loaded in this execution.
    fresh: Vec<String>,
}

impl Graph {
    /// A new execution begins.
    pub(super) fn begin(&mut self) {
        self.resolved.clear();
        self.fresh.clear();
        self.is_current = self.files.is_empty();
    }

    /// An execution failed: what it loaded may be half evaluated.
    pub(super) fn forget_fresh(&mut self) {
        for path in std::mem::take(&mut self.fresh) {
            self.remove(&path);
        }
    }

    /// The paths with their stamps.
    pub(super) fn stamps(&self) -> Vec<(String, String)> {
        let stamps = self.files.iter();
        stamps
            .map(|(path, file)| (path.clone(), file.stamp.clone()))
            .collect()
    }

    /// Forgets files that changed, and every file that asked for one of them, directly or not.
    pub(super) fn invalidate(&mut self, changed: Vec<String>) {
        let mut pending = changed;
        while let Some(path) = pending.pop() {
            self.files.remove(&path);
            pending.extend(self.importers.remove(&path).into_iter().flatten());
        }
    }

    pub(super) fn get(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    pub(super) fn get_mut(&mut self, path: &str) -> Option<&mut File> {
        self.files.get_mut(path)
    }

    /// Adds a file, unless it is there.
    pub(super) fn add(&mut self, path: &str, file: File) {
        if !self.files.contains_key(path) {
            self.files.insert(path.to_owned(), file);
            self.fresh.push(path.to_owned());
        }
    }

    pub(super) fn remove(&mut self, path: &str) {
        self.files.remove(path);
    }

    pub(super) fn resolved(&self, importer: &str, specifier: &str, way: Way) -> Option<String> {
        let key = (importer.to_owned(), specifier.to_owned(), way);
        self.resolved.get(&key).cloned()
    }

    pub(super) fn note(&mut self, importer: &str, specifier: &str, way: Way, path: &str) {
        let key = (importer.to_owned(), specifier.to_owned(), way);
        self.resolved.insert(key, path.to_owned());
        let importers = self.importers.entry(path.to_owned()).or_default();
        importers.insert(importer.to_owned());
    }
}
