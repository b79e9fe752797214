//! The files of the worktree that the session has loaded, and which of them depend on which.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use boa_engine::{JsObject, Module};

/// How a file is requested.
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

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Es,
    CommonJs,
    Json,
}

/// A loaded file.
pub(super) struct File {
    /// Tells its content apart from a later one (see the host module `loader`).
    pub(super) stamp: String,
    pub(super) source: Rc<str>,
    pub(super) format: Format,
    /// The module for `import`; `None` before it is first imported.
    pub(super) module: Option<Module>,
    /// The object whose `exports` is the value for `require`; `None` before it is first required.
    pub(super) common: Option<JsObject>,
}

/// The loaded files, by path. They stay loaded from one execution to the next, until a file
/// changes.
#[derive(Default)]
pub(super) struct Graph {
    files: HashMap<String, File>,
    /// The files that depend on a file, by its path.
    importers: HashMap<String, HashSet<String>>,
    /// The paths that specifiers mean, in this execution.
    resolved: HashMap<(String, String, Way), String>,
    /// Whether the files have been compared with the worktree in this execution.
    pub(super) is_current: bool,
    /// The files that this execution has loaded.
    fresh: Vec<String>,
}

impl Graph {
    /// Notes that an execution begins.
    pub(super) fn begin(&mut self) {
        self.resolved.clear();
        self.fresh.clear();
        self.is_current = self.files.is_empty();
    }

    /// Forgets the files of an execution that threw: they may be half evaluated.
    pub(super) fn forget_fresh(&mut self) {
        for path in std::mem::take(&mut self.fresh) {
            self.remove(&path);
        }
    }

    /// The paths of all files with their stamps.
    pub(super) fn stamps(&self) -> Vec<(String, String)> {
        let stamps = self.files.iter();
        stamps
            .map(|(path, file)| (path.clone(), file.stamp.clone()))
            .collect()
    }

    /// Forgets files that have changed, with all that depend on them.
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

    /// Adds a file unless it is loaded.
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
