use vmcontrol::catalog::{LIBRARIES, Library, is_library_name};
use vmcontrol::library::LockFile;

use crate::failure::Failure;

/// A library that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The package, as in `@scope/name`.
    pub package: String,
    /// Its version or a tag; nothing means the latest.
    pub version: Option<String>,
    /// The file of the package to take; nothing leaves it to be chosen.
    pub file: Option<String>,
    /// A line for the end of the file, or nothing.
    pub epilogue: &'static str,
}

impl Wanted {
    /// The package and the version as npm writes them.
    pub(crate) fn spec(&self) -> String {
        match &self.version {
            Some(version) => format!("{}@{version}", self.package),
            None => self.package.clone(),
        }
    }

    /// The name in the cache, unless only the registry can tell the version.
    pub(crate) fn name(&self) -> Option<String> {
        let version = self.version.as_ref()?;
        is_version(version).then(|| cached_name(&self.package, version))
    }

    /// The file, with what the lock file says when nothing else does.
    pub(crate) fn file_in(&self, lock: &LockFile, name: &str) -> Option<String> {
        let locked = lock.libraries.get(name).map(|locked| locked.file.clone());
        self.file.clone().or(locked)
    }

    /// Whether what the lock file says of that name came from another file of the package than is wanted now.
    pub(crate) fn is_another_file(&self, lock: &LockFile, name: &str) -> bool {
        let locked = lock.libraries.get(name);
        locked.is_some_and(|locked| self.file.as_ref().is_some_and(|file| *file != locked.file))
    }
}

/// The libraries of these names, each once; the whole catalogue when there are none.
///
/// # Errors
/// [`Failure::Usage`] for what can't be a name, and for a file that is named for more than one package.
pub(crate) fn all(
    names: &[String],
    file: Option<&str>,
    lock: &LockFile,
) -> Result<Vec<Wanted>, Failure> {
    if file.is_some() && names.len() != 1 {
        return Err(Failure::Usage("--file goes with one NAME".into()));
    }
    if names.is_empty() {
        return Ok(LIBRARIES.iter().map(of_catalogue).collect());
    }
    let mut all = Vec::new();
    for name in names {
        let wanted = one(name, file, lock)?;
        if !all.contains(&wanted) {
            all.push(wanted);
        }
    }
    Ok(all)
}

fn one(name: &str, file: Option<&str>, lock: &LockFile) -> Result<Wanted, Failure> {
    let known = LIBRARIES.iter().find(|library| {
        let (id, version) = (library.id, library.version);
        name == id || name == library.name() || name == format!("{id}@{version}")
    });
    if let Some(library) = known {
        return match file {
            None => Ok(of_catalogue(library)),
            Some(_) => Err(Failure::Usage(format!(
                "--file is for packages outside the catalogue: of {name} it is {}",
                library.npm_file
            ))),
        };
    }
    let (package, version) = match lock.libraries.get(name) {
        Some(locked) => (locked.package.clone(), Some(locked.package_version.clone())),
        None => parse(name),
    };
    let name_is_good = is_package(&package) && version.as_deref().is_none_or(is_version_or_tag);
    if !name_is_good {
        return Err(Failure::Usage(format!(
            "{name:?} is not the name of a library or a package: use names like lodash, is-number@7.0.0 or \
             @scope/package@1.0.0, with an exact version"
        )));
    }
    Ok(Wanted {
        package,
        version,
        file: file.map(|file| file.trim_start_matches("./").to_owned()),
        epilogue: "",
    })
}

fn of_catalogue(library: &Library) -> Wanted {
    Wanted {
        package: library.npm_package.to_owned(),
        version: Some(library.version.to_owned()),
        file: Some(library.npm_file.to_owned()),
        epilogue: library.epilogue,
    }
}

/// The name in the cache of a version of a package.
pub(crate) fn cached_name(package: &str, version: &str) -> String {
    format!("{}-{version}", package.replacen('/', "+", 1))
}

/// The package and version in `package@version`, or in the name that the cache gives them.
fn parse(name: &str) -> (String, Option<String>) {
    if let Some(at) = name.rfind('@').filter(|at| *at > 0) {
        return (name[..at].to_owned(), Some(name[at + 1..].to_owned()));
    }
    let package = |text: &str| match text.strip_prefix('@') {
        Some(_) if !text.contains('/') => text.replacen('+', "/", 1),
        _ => text.to_owned(),
    };
    let version = name
        .match_indices('-')
        .find(|(at, _)| is_version(&name[at + 1..]));
    match version {
        Some((at, _)) => (package(&name[..at]), Some(name[at + 1..].to_owned())),
        None => (package(name), None),
    }
}

/// Whether it is an exact version, as in `1.0.0-beta.1`, and no tag.
fn is_version(text: &str) -> bool {
    let core = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    numbers.len() == 3
        && numbers
            .iter()
            .all(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
        && is_version_or_tag(text)
}

fn is_version_or_tag(text: &str) -> bool {
    is_library_name(text) && !text.contains('@')
}

fn is_package(text: &str) -> bool {
    let is_part = |part: &str| is_library_name(part) && !part.contains(['@', '+']);
    match text.strip_prefix('@') {
        Some(scoped) => scoped
            .split_once('/')
            .is_some_and(|(scope, name)| is_part(scope) && is_part(name)),
        None => is_part(text),
    }
}

#[cfg(test)]
mod tests {
    use vmcontrol::library::LockedLibrary;

    use super::*;

    fn wanted(name: &str) -> Wanted {
        one(name, None, &LockFile::default()).unwrap()
    }

    #[test]
    fn a_library_of_the_catalogue_is_found_with_or_without_its_version() {
        for name in ["zustand", "zustand-4.4.7", "zustand@4.4.7"] {
            let wanted = wanted(name);
            assert_eq!(wanted.name().unwrap(), "zustand-4.4.7");
            assert_eq!(wanted.file.as_deref(), Some("umd/vanilla.production.js"));
            assert!(!wanted.epilogue.is_empty());
        }
        let all = all(&[], None, &LockFile::default()).unwrap();
        assert_eq!(all.len(), LIBRARIES.len());
    }

    #[test]
    fn any_package_can_be_named_as_npm_or_as_the_cache_does() {
        for (name, package, version, cached) in [
            ("is-number", "is-number", None, None),
            (
                "is-number@7.0.0",
                "is-number",
                Some("7.0.0"),
                Some("is-number-7.0.0"),
            ),
            (
                "is-number-7.0.0",
                "is-number",
                Some("7.0.0"),
                Some("is-number-7.0.0"),
            ),
            (
                "a@1.0.0-rc.1",
                "a",
                Some("1.0.0-rc.1"),
                Some("a-1.0.0-rc.1"),
            ),
            (
                "a-1.0.0-rc.1",
                "a",
                Some("1.0.0-rc.1"),
                Some("a-1.0.0-rc.1"),
            ),
            ("a-2-b", "a-2-b", None, None),
            ("lodash@next", "lodash", Some("next"), None),
            (
                "lodash@4.17.20",
                "lodash",
                Some("4.17.20"),
                Some("lodash-4.17.20"),
            ),
            ("@s/p", "@s/p", None, None),
            ("@s/p@1.0.0", "@s/p", Some("1.0.0"), Some("@s+p-1.0.0")),
            ("@s+p-1.0.0", "@s/p", Some("1.0.0"), Some("@s+p-1.0.0")),
        ] {
            let wanted = wanted(name);
            assert_eq!(
                (wanted.package.as_str(), wanted.version.as_deref()),
                (package, version),
                "{name}"
            );
            assert_eq!(wanted.name().as_deref(), cached, "{name}");
        }
    }

    #[test]
    fn a_name_in_the_lock_file_is_what_that_says() {
        let mut lock = LockFile::default();
        let locked = LockedLibrary {
            integrity: String::new(),
            size_bytes: 0,
            package: "odd-1.0.0".into(),
            package_version: "2.0.0".into(),
            file: "dist/odd.js".into(),
            package_integrity: None,
        };
        lock.libraries.insert("odd-1.0.0-2.0.0".into(), locked);
        let wanted = one("odd-1.0.0-2.0.0", None, &lock).unwrap();
        assert_eq!(wanted.spec(), "odd-1.0.0@2.0.0");
        let file = wanted.file_in(&lock, "odd-1.0.0-2.0.0");
        assert_eq!(file.as_deref(), Some("dist/odd.js"));
    }

    #[test]
    fn what_can_not_be_a_name_is_a_usage_error() {
        for name in [
            "", "@", "a@", "a@^1.0.0", "../a", "a/b", "@s", "@/p", "a b", "a@1/2",
        ] {
            let error = one(name, None, &LockFile::default()).unwrap_err();
            assert!(
                matches!(&error, Failure::Usage(text) if text.contains(&format!("{name:?}"))),
                "{error:?}"
            );
        }
        let names = ["a".to_owned(), "b".to_owned()];
        let error = all(&names, Some("x.js"), &LockFile::default()).unwrap_err();
        assert!(matches!(error, Failure::Usage(_)));
        let error = one("lodash", Some("x.js"), &LockFile::default()).unwrap_err();
        assert!(matches!(error, Failure::Usage(text) if text.contains("lodash.min.js")));
    }

    #[test]
    fn a_library_that_is_named_twice_is_wanted_once() {
        let names = ["lodash", "lodash-4.17.21", "ramda"].map(String::from);
        assert_eq!(all(&names, None, &LockFile::default()).unwrap().len(), 2);
    }
}
