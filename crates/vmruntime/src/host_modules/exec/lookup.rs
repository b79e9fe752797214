//! The look-up of a program. It finds a program as `execvp` does, but before the program is run, so
//! that the policy is checked for exactly the file that will run.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

/// The folders in which programs are looked for if there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// Why a program can't be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// There is no such file.
    Missing,
    /// There is such a file, but it can't be run.
    NotExecutable,
}

/// The absolute path of a program. A name with a slash in it is relative to `cwd`; `path` is the
/// value of `PATH`.
///
/// # Errors
/// See [`NotFound`].
pub(super) fn find(program: &str, path: Option<&OsStr>, cwd: &Path) -> Result<PathBuf, NotFound> {
    if program.is_empty() {
        return Err(NotFound::Missing);
    }
    if program.contains('/') {
        return check(cwd.join(program));
    }
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut worst = NotFound::Missing;
    for folder in path.as_bytes().split(|byte| *byte == b':') {
        // An empty part stands for the folder in which the command runs.
        match check(cwd.join(OsStr::from_bytes(folder)).join(program)) {
            Ok(found) => return Ok(found),
            Err(NotFound::NotExecutable) => worst = NotFound::NotExecutable,
            Err(NotFound::Missing) => {}
        }
    }
    Err(worst)
}

fn check(path: PathBuf) -> Result<PathBuf, NotFound> {
    let Ok(metadata) = path.metadata() else {
        return Err(NotFound::Missing);
    };
    if metadata.is_file() && access(&path, AccessFlags::X_OK).is_ok() {
        Ok(path)
    } else {
        Err(NotFound::NotExecutable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn programs_are_found_where_execvp_finds_them() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        for folder in ["a", "b", "b/sub", "a/folder"] {
            fs::create_dir(at(folder)).unwrap();
        }
        for (file, mode) in [
            ("a/plain", 0o644),
            ("b/plain", 0o755),
            ("b/folder", 0o755),
            ("b/sub/tool", 0o755),
            ("here", 0o755),
            ("a/only", 0o644),
        ] {
            fs::write(at(file), "").unwrap();
            fs::set_permissions(at(file), fs::Permissions::from_mode(mode)).unwrap();
        }
        let path = format!("{}:b:", at("a").display());
        let found = |program: &str| find(program, Some(OsStr::new(&path)), home.path());
        for (program, expected) in [
            ("plain", "b/plain"),
            ("folder", "b/folder"),
            ("here", "here"),
            ("./here", "./here"),
            ("b/sub/tool", "b/sub/tool"),
        ] {
            let found = found(program).unwrap();
            assert_eq!(
                found.canonicalize().unwrap(),
                at(expected).canonicalize().unwrap()
            );
            assert!(found.is_absolute());
        }
        assert_eq!(found("tool"), Err(NotFound::Missing));
        assert_eq!(found(""), Err(NotFound::Missing));
        assert_eq!(found("only"), Err(NotFound::NotExecutable));
        assert_eq!(found("a/folder"), Err(NotFound::NotExecutable));
        assert!(find("sh", None, home.path()).is_ok());
    }
}
