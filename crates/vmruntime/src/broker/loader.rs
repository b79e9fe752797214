//! Finding ES modules in the worktree.

use std::io;
use std::path::{Component, Path, PathBuf};

use vmapi_types::Resolver;
use vmcontrol::{FileError, MAX_SOURCE_BYTES, Worktree};

use super::{answer, args, unknown_function};
use crate::protocol::{HostCall, HostError, HostReply, LoadedModule};

/// What the module loader of an engine asks for.
pub(super) fn call(worktree: &Worktree, resolver: &Resolver, call: &HostCall) -> HostReply {
    if call.function != "load" {
        return Err(unknown_function(call));
    }
    let (specifier, importer): (String, Option<String>) = args(call, "load(specifier, importer)")?;
    let not_found = |reason: &str| {
        HostError::with_code(
            "ERR_MODULE_NOT_FOUND",
            format!(
                "Cannot find module '{specifier}' imported from {}{reason}",
                importer.as_deref().unwrap_or("a script")
            ),
        )
    };
    let importer_path = importer
        .as_deref()
        .and_then(|importer| worktree.relative(importer).ok());
    let candidates = bases(&specifier, importer_path.as_deref(), resolver)
        .ok_or_else(|| not_found(": it leads outside the worktree"))?;
    for base in candidates {
        for path in files_of(&base, resolver) {
            match worktree.read(&path, MAX_SOURCE_BYTES) {
                Ok(bytes) => {
                    let source = String::from_utf8_lossy(&bytes).into_owned();
                    return answer(&LoadedModule { path, source });
                }
                Err(FileError::NotAFile) => {}
                Err(FileError::Io(error)) if is_missing(&error) => {}
                Err(error) => return Err(not_found(&format!(": {error}"))),
            }
        }
    }
    Err(not_found(""))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The paths below the worktree that a specifier can mean, before endings are tried; nothing if it leads outside.
fn bases(specifier: &str, importer: Option<&Path>, resolver: &Resolver) -> Option<Vec<PathBuf>> {
    if specifier.starts_with("./") || specifier.starts_with("../") {
        let folder = importer.and_then(Path::parent).unwrap_or(Path::new(""));
        return Some(vec![normal(&folder.join(specifier))?]);
    }
    if let Some(absolute) = specifier.strip_prefix('/') {
        let below = normal(Path::new(absolute))?;
        return Some(if resolver.allow_absolute_repo_imports {
            vec![below]
        } else {
            Vec::new()
        });
    }
    resolver
        .roots
        .iter()
        .map(|root| normal(&Path::new(root).join(specifier)))
        .collect()
}

/// The path without `.` and `..`; nothing when it climbs above its start.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => clean.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !clean.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(clean)
}

/// The files that a path can mean, in the order they are looked for.
fn files_of(base: &Path, resolver: &Resolver) -> Vec<String> {
    let base = base.to_string_lossy();
    if base.is_empty() {
        return Vec::new();
    }
    let with = |start: String| {
        resolver
            .extensions
            .iter()
            .map(move |extension| format!("{start}{extension}"))
    };
    std::iter::once(base.clone().into_owned())
        .chain(with(base.clone().into_owned()))
        .chain(with(format!("{base}/index")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specifiers_resolve_against_the_importer_the_root_and_the_roots() {
        let resolver = Resolver {
            roots: vec![".".into(), "lib".into()],
            ..Resolver::default()
        };
        let of = |specifier| bases(specifier, Some(Path::new("a/b.js")), &resolver);
        let paths = |all: &[&str]| Some(all.iter().map(PathBuf::from).collect());
        assert_eq!(of("./c"), paths(&["a/c"]));
        assert_eq!(of("../c"), paths(&["c"]));
        assert_eq!(of("/c"), paths(&["c"]));
        assert_eq!(of("c"), paths(&["c", "lib/c"]));
        assert_eq!(of("../../c"), None);
        assert_eq!(of("c/../../../d"), None);
    }
}
