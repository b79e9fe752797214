//! The libraries that a template names: their full names, and whether sessions can use them.

use std::sync::Arc;

use uuid::Uuid;

use crate::catalog::is_library_name;
use crate::library::{LibraryCache, LibraryError, LoadedLibrary, file_name};
use crate::names::check_name;
use crate::runtime::OpenSessionError;
use crate::tasks::blocking;
use crate::{Control, Error, Result};

impl Control {
    /// The full name of a library that is to be added to a template. A library in the cache must be
    /// usable; another one may be downloaded later.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::TemplateNotFound`], [`Error::LibraryRefused`],
    /// [`Error::Unavailable`] when no worker can try it.
    pub(crate) async fn usable_library(&self, template_id: Uuid, name: &str) -> Result<String> {
        check_name("name", name)?;
        if !is_library_name(&file_name(name)) {
            return Err(Error::validation(format!(
                "name {name:?} is not the name of a library: use <id>-<version> as in lodash-4.17.21"
            )));
        }
        let template = self.get_template(template_id).await?.template;
        let engine = self.resolve_engine(&template.engine)?;
        let (cache, given) = (Arc::clone(&self.inner().libraries), name.to_owned());
        let listed = template.libraries;
        let found = blocking(move || find(&cache, &given, &listed)).await;
        let (name, candidates) = found.map_err(|error| match error {
            LibraryError::Ambiguous { .. } => Error::validation(error.to_string()),
            error => Error::LibraryRefused {
                template_id,
                name: name.to_owned(),
                message: error.full_text(),
            },
        })?;
        if candidates.is_empty() {
            return Ok(name);
        }
        match self.inner().runtime.try_libraries(engine, candidates).await {
            Err(OpenSessionError::NoScript {
                name: refused,
                message,
            }) if refused == name => Err(Error::LibraryRefused {
                template_id,
                name,
                message,
            }),
            Err(OpenSessionError::Unavailable(error)) => Err(Error::Unavailable {
                message: error.to_string(),
            }),
            // Whether the library can be loaded depends on the libraries before it. The client gets
            // that error when it creates a session.
            Ok(()) | Err(OpenSessionError::Library { .. } | OpenSessionError::NoScript { .. }) => {
                Ok(name)
            }
        }
    }

    /// The full name of a library, and the names in a template's list that mean the same library.
    ///
    /// # Errors
    /// [`Error::Validation`] for a name without a version of which several exist;
    /// [`Error::Unavailable`] when the cache can't be read.
    pub(crate) async fn libraries_meant(
        &self,
        listed: Vec<String>,
        name: String,
    ) -> Result<(String, Vec<String>)> {
        let cache = Arc::clone(&self.inner().libraries);
        blocking(move || {
            if listed.contains(&name) {
                return Ok((name.clone(), vec![name]));
            }
            let full = full_name(&cache, &name)?;
            let is_meant = |listed: &String| {
                *listed == full || cache.full_name(listed).is_ok_and(|meant| meant == full)
            };
            let meant = listed.into_iter().filter(is_meant).collect();
            Ok((full, meant))
        })
        .await
    }

    /// The code of the libraries that a template names, each once.
    ///
    /// # Errors
    /// [`Error::LibraryUnavailable`].
    pub(crate) fn load_named(
        cache: &LibraryCache,
        names: &[String],
        session_id: Uuid,
    ) -> Result<Vec<LoadedLibrary>> {
        let mut loaded: Vec<LoadedLibrary> = Vec::new();
        for name in names {
            let library = cache.full_name(name).and_then(|full| cache.load(&full));
            let library = library.map_err(|error| Error::LibraryUnavailable {
                session_id,
                name: name.clone(),
                message: error.full_text(),
            })?;
            if loaded.iter().all(|known| known.name != library.name) {
                loaded.push(library);
            }
        }
        Ok(loaded)
    }
}

fn full_name(cache: &LibraryCache, name: &str) -> Result<String> {
    cache.full_name(name).map_err(|error| match error {
        LibraryError::Ambiguous { .. } => Error::validation(error.to_string()),
        error => Error::Unavailable {
            message: error.full_text(),
        },
    })
}

/// The full name of a library, and the libraries whose loading shows whether it can be used: none
/// if that is certain, otherwise the readable ones of the template, followed by this one.
fn find(
    cache: &LibraryCache,
    name: &str,
    listed: &[String],
) -> std::result::Result<(String, Vec<LoadedLibrary>), LibraryError> {
    let name = cache.full_name(name)?;
    let Ok(library) = cache.load(&name) else {
        return Ok((name, Vec::new()));
    };
    if listed.contains(&name) || !library.may_be_module() {
        return Ok((name, Vec::new()));
    }
    let known = listed.iter().filter_map(|listed| {
        let full = cache.full_name(listed).ok()?;
        cache.load(&full).ok()
    });
    let mut candidates: Vec<_> = known.filter(|known| known.name != name).collect();
    candidates.push(library);
    Ok((name, candidates))
}
