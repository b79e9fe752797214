//! What this daemon offers to templates, and the ids that begin with a text.

use std::sync::Arc;

use vmapi_types::{AvailableLibrary, AvailableModule, Identified};

use crate::catalog::{self, LIBRARIES, Library, is_library_name};
use crate::library::{CachedFile, LibraryCache, LibraryError, LockFile};
use crate::tasks::blocking;
use crate::{Control, Error, Result};

/// How many ids of a kind are given: enough to show that several begin with a text.
const MAX_IDS: usize = 10;

/// The kind of a module that is a part of the service. The name is the Go service's, for its
/// clients.
const NATIVE: &str = "native";

impl Control {
    /// The native modules, by name.
    pub fn available_modules(&self) -> Vec<AvailableModule> {
        let modules = self.inner().runtime.host_modules();
        modules
            .iter()
            .map(|module| AvailableModule {
                name: module.name.to_owned(),
                summary: module.summary.to_owned(),
                kind: NATIVE.to_owned(),
                description: module.description.to_owned(),
                functions: module
                    .functions
                    .iter()
                    .map(|&name| name.to_owned())
                    .collect(),
            })
            .collect()
    }

    /// The records whose ids begin with `prefix`, by kind and id: at most ten of each kind.
    ///
    /// # Errors
    /// [`Error::Validation`] for a text that no id can begin with.
    pub async fn ids_like(&self, prefix: &str) -> Result<Vec<Identified>> {
        let is_start = !prefix.is_empty()
            && prefix
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f' | b'-'));
        if !is_start {
            return Err(Error::validation(format!(
                "{prefix:?} is not the start of an id: those have the digits 0 to 9 and a to f, and hyphens"
            )));
        }
        Ok(self.store().ids_like(prefix.to_owned(), MAX_IDS).await?)
    }

    /// The libraries of the catalogue, and then the others in the cache, by name.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the cache can't be read.
    pub async fn available_libraries(&self) -> Result<Vec<AvailableLibrary>> {
        let libraries = Arc::clone(&self.inner().libraries);
        blocking(move || list(&libraries))
            .await
            .map_err(|error| Error::Unavailable {
                message: error.full_text(),
            })
    }
}

fn list(cache: &LibraryCache) -> std::result::Result<Vec<AvailableLibrary>, LibraryError> {
    let files = cache.files()?;
    // The lock file only tells versions here: that it can't be read is reported when a library is
    // loaded.
    let lock = cache.lock().unwrap_or_default();
    let known = LIBRARIES
        .iter()
        .map(|library| of_catalogue(library, &files));
    let others = files
        .iter()
        .filter(|file| is_library_name(&file.name))
        .filter(|file| LIBRARIES.iter().all(|library| library.name() != file.name))
        .map(|file| of_cache(file, &lock));
    Ok(known.chain(others).collect())
}

fn of_catalogue(library: &Library, files: &[CachedFile]) -> AvailableLibrary {
    let name = library.name();
    let file = files.iter().find(|file| file.name == name);
    let about = catalog::about(library.id);
    AvailableLibrary {
        id: Some(library.id.to_owned()),
        version: Some(library.version.to_owned()),
        global: Some(library.global.to_owned()),
        title: about.map(|about| about.title.to_owned()),
        description: about.map(|about| about.description.to_owned()),
        source: Some(library.source()),
        homepage: about.map(|about| about.homepage.to_owned()),
        cached: file.is_some(),
        size_bytes: file.map(|file| file.size_bytes),
        name,
    }
}

fn of_cache(file: &CachedFile, lock: &LockFile) -> AvailableLibrary {
    let version = lock
        .libraries
        .get(&file.name)
        .map(|locked| locked.package_version.clone());
    let id = version.as_ref().and_then(|version| {
        let id = file.name.strip_suffix(version.as_str())?;
        id.strip_suffix('-').map(str::to_owned)
    });
    AvailableLibrary {
        name: file.name.clone(),
        id,
        version,
        global: None,
        title: None,
        description: None,
        source: None,
        homepage: None,
        cached: true,
        size_bytes: Some(file.size_bytes),
    }
}
