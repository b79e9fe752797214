//! `loader`: finds the files of the worktree that `import` and `require` load. Only the engine
//! calls it, and every session has it.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::MetadataExt as _;
use vmapi_types::Resolver;
use vmcontrol::runtime::{BoxFuture, HostModuleInfo};
use vmcontrol::{FileError, MAX_SOURCE_BYTES, Worktree, cleaned};

use super::broker::answering::Answering;
use super::broker::arguments::args;
use super::broker::module::{Access, HostModule, Reply, SessionModule};
use super::broker::reply::{answer, blocking, unknown_function};
use super::broker::session_context::SessionContext;
use crate::ipc::{HostCall, HostError, HostReply, LOADER, LoadedModule, PIECE_BYTES, WHOLE};

/// The module, as the registry lists it.
pub(super) const MODULE: HostModule = HostModule {
    info: HostModuleInfo {
        name: LOADER,
        summary: "files that import and require load",
        description: "Finds the files that import and require load",
        functions: &["changed", "load"],
        config_keys: &[],
    },
    access: Access::EverySession,
    script: None,
    open: |context| Box::new(Loader(Arc::clone(context))),
    process: None,
};

/// The longest specifier, in bytes: errors repeat it.
const MAX_SPECIFIER_BYTES: usize = 64 * 1024;

/// The largest `package.json` that is read, in bytes.
const MAX_PACKAGE_BYTES: u64 = 1024 * 1024;

/// The loader of one session. It keeps nothing between calls.
struct Loader(Arc<SessionContext>);

impl SessionModule for Loader {
    fn call<'a>(&'a self, call: HostCall, answering: &'a Answering) -> BoxFuture<'a, Reply> {
        let (context, answering) = (Arc::clone(&self.0), answering.clone());
        Box::pin(async move {
            let work = move || {
                let resolver = &context.policy.resolver;
                carry_out(&context.worktree, resolver, &call, &answering)
            };
            blocking(work).await.into()
        })
    }
}

fn carry_out(
    worktree: &Worktree,
    resolver: &Resolver,
    call: &HostCall,
    answering: &Answering,
) -> HostReply {
    match call.function.as_str() {
        "load" => load(worktree, resolver, call, answering),
        "changed" => changed(worktree, call),
        _ => Err(unknown_function(call)),
    }
}

/// Finds the file that a specifier refers to, and sends its text.
///
/// # Errors
/// `MODULE_NOT_FOUND` for `require`, `ERR_MODULE_NOT_FOUND` for `import`.
fn load(
    worktree: &Worktree,
    resolver: &Resolver,
    call: &HostCall,
    answering: &Answering,
) -> HostReply {
    let (specifier, importer, way): (String, Option<String>, String) =
        args(call, "load(specifier, importer, way)")?;
    if specifier.len() > MAX_SPECIFIER_BYTES {
        return Err(HostError::with_code(
            "ERR_INVALID_MODULE_SPECIFIER",
            format!("a specifier has at most {MAX_SPECIFIER_BYTES} bytes"),
        ));
    }
    let is_require = way == "require";
    let not_found = |reason: &str| {
        let from = importer.as_deref().unwrap_or("a script");
        if is_require {
            let stack = importer
                .as_deref()
                .map_or_else(String::new, |path| format!("\nRequire stack:\n- {path}"));
            HostError::with_code(
                "MODULE_NOT_FOUND",
                format!("Cannot find module '{specifier}'{reason}{stack}"),
            )
        } else {
            HostError::with_code(
                "ERR_MODULE_NOT_FOUND",
                format!("Cannot find module '{specifier}' imported from {from}{reason}"),
            )
        }
    };
    let importer_path = importer
        .as_deref()
        .and_then(|importer| worktree.relative(importer).ok());
    let specifier_path = path_of(&specifier, worktree);
    let candidates = bases(&specifier_path, importer_path.as_deref(), resolver)
        .ok_or_else(|| not_found(": it leads outside the worktree"))?;
    for base in candidates {
        for path in files_of(&base, resolver, is_require, worktree) {
            match worktree.open_to_read(&path, MAX_SOURCE_BYTES) {
                Ok((file, _)) => {
                    let stamp = stamp(worktree, &path).unwrap_or_default();
                    send(file, answering).map_err(|error| not_found(&format!(": {error}")))?;
                    return answer(&LoadedModule { path, stamp });
                }
                Err(FileError::NotAFile) => {}
                Err(FileError::Io(error)) if is_missing(&error) => {}
                Err(error) => return Err(not_found(&format!(": {error}"))),
            }
        }
    }
    Err(not_found(""))
}

/// Sends the text of a file.
///
/// # Errors
/// When the file can't be read, or has grown too large since it was opened.
fn send(file: impl Read, answering: &Answering) -> Result<(), FileError> {
    let mut file = file.take(MAX_SOURCE_BYTES + 1);
    let mut buffer = vec![0; PIECE_BYTES];
    let mut total = 0;
    loop {
        let length = file.read(&mut buffer)?;
        total += length as u64;
        if total > MAX_SOURCE_BYTES {
            return Err(FileError::TooLarge(MAX_SOURCE_BYTES));
        }
        if length == 0 {
            return Ok(());
        }
        answering.send_blocking(&[WHOLE], &buffer[..length], || Ok(()))?;
    }
}

/// Returns those of the given files whose stamps have changed.
fn changed(worktree: &Worktree, call: &HostCall) -> HostReply {
    let (known,): (Vec<(String, String)>,) = args(call, "changed(files)")?;
    let changed = known
        .into_iter()
        .filter(|(path, known)| stamp(worktree, path).as_ref() != Some(known))
        .map(|(path, _)| path);
    answer(&changed.collect::<Vec<_>>())
}

/// A stamp that changes when the file changes: its inode, size and times. `None` if there is no
/// such file.
fn stamp(worktree: &Worktree, path: &str) -> Option<String> {
    let file = worktree.metadata(path).ok()?;
    Some(format!(
        "{}:{}:{}.{}:{}.{}",
        file.ino(),
        file.size(),
        file.mtime(),
        file.mtime_nsec(),
        file.ctime(),
        file.ctime_nsec()
    ))
}

/// A specifier as a path. An absolute path in the worktree and a `file:` URL become relative to the
/// worktree, after [`INSIDE`].
fn path_of(specifier: &str, worktree: &Worktree) -> String {
    let path = match specifier.strip_prefix("file://") {
        Some(_) => url::Url::parse(specifier)
            .ok()
            .and_then(|url| url.to_file_path().ok())
            .and_then(|path| path.to_str().map(str::to_owned)),
        None => None,
    };
    let path = path.unwrap_or_else(|| specifier.to_owned());
    if !path.starts_with('/') {
        return path;
    }
    match worktree.relative(&path) {
        Ok(below) => format!("{INSIDE}{}", below.display()),
        Err(_) => path,
    }
}

/// The prefix of a path that is known to be relative to the worktree.
const INSIDE: &str = "\0";

fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// The paths relative to the worktree that a specifier can refer to, before extensions are tried;
/// `None` if it leads outside the worktree.
fn bases(specifier: &str, importer: Option<&Path>, resolver: &Resolver) -> Option<Vec<PathBuf>> {
    if let Some(below) = specifier.strip_prefix(INSIDE) {
        return Some(vec![normal(Path::new(below))?]);
    }
    if specifier.starts_with("./")
        || specifier.starts_with("../")
        || matches!(specifier, "." | "..")
    {
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

/// A cleaned path relative to the worktree; `None` if it leads outside the worktree or is absolute.
fn normal(path: &Path) -> Option<PathBuf> {
    cleaned(path).filter(|clean| clean.is_relative())
}

/// The files that a path can refer to, in the order in which they are tried. A folder refers to the
/// file that its `package.json` names, or to its `index`.
fn files_of(
    base: &Path,
    resolver: &Resolver,
    is_require: bool,
    worktree: &Worktree,
) -> Vec<String> {
    let base = base.to_string_lossy().into_owned();
    let commonjs: &[&str] = if is_require { &[".cjs", ".json"] } else { &[] };
    let with = |start: &str| -> Vec<String> {
        let endings = resolver.extensions.iter().map(String::as_str);
        endings
            .chain(commonjs.iter().copied())
            .map(|ending| format!("{start}{ending}"))
            .collect()
    };
    let index = |folder: &str| {
        if folder.is_empty() {
            with("index")
        } else {
            with(&format!("{folder}/index"))
        }
    };
    if base.is_empty() {
        return index("");
    }
    let mut files = vec![base.clone()];
    files.extend(with(&base));
    if let Some(main) = package_main(&base, worktree) {
        files.push(main.clone());
        files.extend(with(&main));
        files.extend(index(&main));
    }
    files.extend(index(&base));
    files
}

/// The file that the `package.json` of a folder names as its `main`; `None` if it names none.
fn package_main(folder: &str, worktree: &Worktree) -> Option<String> {
    let text = worktree
        .read(&format!("{folder}/package.json"), MAX_PACKAGE_BYTES)
        .ok()?;
    let package: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let main = Path::new(folder).join(package.get("main")?.as_str()?);
    Some(normal(&main)?.to_string_lossy().into_owned())
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
