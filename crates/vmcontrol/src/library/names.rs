//! The names of libraries: with their version, or without it where that is unambiguous.

use super::{LibraryCache, LibraryError, LockFile};
use crate::catalog::LIBRARIES;

impl LibraryCache {
    /// The full name of a library, given with or without its version, as in `lodash-4.17.21`,
    /// `lodash` or `@scope/name@1.0.0`. Without a version it is the version in the lock file, or
    /// else that in the catalogue. An unknown name is returned as it is: the library may be
    /// downloaded later.
    ///
    /// # Errors
    /// [`LibraryError::Ambiguous`] when the lock file has several versions;
    /// [`LibraryError::LockFile`] and [`LibraryError::Io`] when it can't be read.
    pub fn full_name(&self, name: &str) -> Result<String, LibraryError> {
        let name = file_name(name);
        let in_catalogue = LIBRARIES.iter().any(|library| library.name() == name);
        let exists = || self.path_of(&name).is_ok_and(|path| path.is_file());
        if in_catalogue || exists() {
            return Ok(name);
        }
        let lock = self.lock()?;
        if lock.libraries.contains_key(&name) {
            return Ok(name);
        }
        let versions = lock.versions_of(&name);
        match &*versions {
            [] => {
                let known = LIBRARIES.iter().find(|library| library.id == name);
                Ok(known.map_or(name, crate::catalog::Library::name))
            }
            [one] => Ok((*one).to_owned()),
            [..] => Err(LibraryError::Ambiguous {
                versions: versions.iter().map(|name| (*name).to_owned()).collect(),
                name,
            }),
        }
    }
}

impl LockFile {
    /// The full names of all versions of a library.
    fn versions_of(&self, id: &str) -> Vec<&str> {
        let libraries = self.libraries.iter();
        libraries
            .filter(|(_, locked)| file_name(&locked.package) == id)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// A name as the cache writes it: npm's `@scope/name@1.0.0` is `@scope+name-1.0.0`.
pub fn file_name(name: &str) -> String {
    let name = match name.strip_prefix('@') {
        Some(_) => name.replacen('/', "+", 1),
        None => name.to_owned(),
    };
    match name.rsplit_once('@') {
        Some((package, version))
            if !package.is_empty() && version.starts_with(|c: char| c.is_ascii_digit()) =>
        {
            format!("{package}-{version}")
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{LockedLibrary, integrity_of};

    fn cache(locked: &[(&str, &str)]) -> (tempfile::TempDir, LibraryCache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = LibraryCache::new(dir.path());
        for (package, version) in locked {
            let entry = LockedLibrary {
                integrity: integrity_of(b""),
                size_bytes: 0,
                package: (*package).to_owned(),
                package_version: (*version).to_owned(),
                file: "index.js".into(),
                package_integrity: None,
            };
            let name = file_name(&format!("{package}@{version}"));
            cache.store(&name, b"", entry).unwrap();
        }
        (dir, cache)
    }

    #[test]
    fn a_library_is_named_with_or_without_its_version() {
        let (_dir, cache) = cache(&[
            ("is-number", "7.0.0"),
            ("@scope/name", "1.0.0"),
            ("dayjs", "1.11.9"),
        ]);
        std::fs::write(cache.dir().join("own.js"), "").unwrap();
        for (name, full) in [
            ("lodash", "lodash-4.17.21"),
            ("lodash-4.17.21", "lodash-4.17.21"),
            ("lodash@4.17.21", "lodash-4.17.21"),
            ("lodash-4.17.20", "lodash-4.17.20"),
            ("is-number", "is-number-7.0.0"),
            ("is-number@7.0.0", "is-number-7.0.0"),
            ("@scope/name", "@scope+name-1.0.0"),
            ("@scope+name", "@scope+name-1.0.0"),
            ("@scope/name@1.0.0", "@scope+name-1.0.0"),
            // The version that is in the cache can be loaded.
            ("dayjs", "dayjs-1.11.9"),
            ("dayjs-1.11.10", "dayjs-1.11.10"),
            ("own", "own"),
            ("unknown", "unknown"),
            ("unknown@next", "unknown@next"),
        ] {
            assert_eq!(cache.full_name(name).unwrap(), full, "{name}");
        }
    }

    #[test]
    fn of_two_versions_one_has_to_be_named() {
        let (_dir, cache) = cache(&[
            ("lodash", "4.17.20"),
            ("lodash", "4.17.21"),
            ("other", "1.0.0"),
        ]);
        let error = cache.full_name("lodash").unwrap_err().to_string();
        assert!(
            error.contains("lodash-4.17.20") && error.contains("lodash-4.17.21"),
            "{error}"
        );
        assert_eq!(cache.full_name("lodash-4.17.20").unwrap(), "lodash-4.17.20");
        // A file of exactly that name takes precedence.
        std::fs::write(cache.dir().join("lodash.js"), "").unwrap();
        assert_eq!(cache.full_name("lodash").unwrap(), "lodash");
    }

    #[test]
    fn a_lock_file_that_is_not_understood_is_no_matter_for_a_full_name_of_the_catalogue() {
        let (_dir, cache) = cache(&[]);
        std::fs::write(cache.dir().join(crate::library::LOCK_FILE), "{").unwrap();
        assert_eq!(cache.full_name("lodash-4.17.21").unwrap(), "lodash-4.17.21");
        assert!(cache.full_name("lodash").is_err());
    }
}
