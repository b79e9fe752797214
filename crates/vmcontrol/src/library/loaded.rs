//! A library that was loaded.

use std::sync::Arc;

/// The code of a library, checked and ready to be run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedLibrary {
    /// Its full name, as in `lodash-4.17.21`.
    pub name: String,
    /// Its source text.
    pub source: Arc<str>,
    /// The checksum of its file, as [`integrity_of`](super::integrity_of) writes it.
    pub integrity: String,
}

/// A text without these words is neither a `CommonJS` nor an ES module.
const WORDS_OF_MODULES: [&str; 4] = ["module", "exports", "import", "export"];

impl LoadedLibrary {
    /// Whether the library may be a module, which defines no global. Only a process that may parse
    /// it can tell for sure.
    pub fn may_be_module(&self) -> bool {
        WORDS_OF_MODULES
            .iter()
            .any(|word| self.source.contains(word))
    }
}
