//! The handle of a worktree, its guarded paths, and the names of files below it.

use std::path::{Component, Path, PathBuf};

use cap_std::fs::{Dir, Metadata};

use super::clean::{cleaned, cleaned_below};
use super::error::FileError;
use super::resolved::ResolvedPath;
use crate::Error;
use crate::file_id::FileId;

/// An open worktree.
#[derive(Debug)]
pub struct Worktree {
    /// The path that it was opened by.
    given: PathBuf,
    /// Its absolute path, without symbolic links.
    path: PathBuf,
    dir: Dir,
    guarded: Vec<PathBuf>,
}

impl Worktree {
    /// A worktree that was opened by the path `given`; `path` is its path without symbolic links.
    pub(super) fn new(given: &str, path: PathBuf, dir: Dir, guarded: Vec<PathBuf>) -> Self {
        Self {
            given: given.into(),
            path,
            dir,
            guarded,
        }
    }

    /// The directory's absolute path, without symbolic links.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The paths of the files and folders that are never opened through the worktree.
    pub fn guarded(&self) -> &[PathBuf] {
        &self.guarded
    }

    /// Refuses a guarded file, under whatever name, and what is in a guarded folder.
    pub(super) fn check_guard(&self, resolved: &ResolvedPath) -> Result<(), FileError> {
        self.check_guarded_path(&resolved.real)?;
        match resolved.metadata() {
            Ok(file) => self.check_guarded_file(&file),
            // What has no metadata can't be opened either, or does not exist yet.
            Err(_) => Ok(()),
        }
    }

    /// Refuses what is in a guarded folder. The path below the worktree is one without links.
    pub(super) fn check_guarded_path(&self, real: &Path) -> Result<(), FileError> {
        let real = self.path.join(real);
        if self.guarded.iter().any(|guarded| real.starts_with(guarded)) {
            return Err(FileError::guarded());
        }
        Ok(())
    }

    /// Refuses a folder below which a guarded file lies. The path below the worktree is one without
    /// links.
    pub(super) fn check_guarded_below(&self, folder: &Path) -> Result<(), FileError> {
        let folder = self.path.join(folder);
        if self
            .guarded
            .iter()
            .any(|guarded| guarded.starts_with(&folder))
        {
            return Err(FileError::guarded());
        }
        Ok(())
    }

    /// The ids of the guarded files that exist.
    pub(super) fn guarded_ids(&self) -> Vec<FileId> {
        let ids = self.guarded.iter().map(|path| FileId::at(path));
        ids.filter_map(Result::ok).collect()
    }

    fn check_guarded_file(&self, file: &Metadata) -> Result<(), FileError> {
        let file = FileId::from(file);
        let is_file = |path: &PathBuf| FileId::at(path).is_ok_and(|guarded| guarded == file);
        if self.guarded.iter().any(is_file) {
            return Err(FileError::guarded());
        }
        Ok(())
    }

    /// The handle that everything inside is reached through.
    pub fn dir(&self) -> &Dir {
        &self.dir
    }

    /// The path below the worktree that `path` names: a relative path is inside, an absolute one
    /// must be. The worktree's own directory is `.`.
    ///
    /// # Errors
    /// [`FileError::Outside`] for an empty path, `..`, a NUL, and an absolute path elsewhere.
    pub fn relative(&self, path: &str) -> Result<PathBuf, FileError> {
        let outside = |reason: &str| Err(FileError::Outside(reason.into()));
        if path.is_empty() {
            return outside("it is empty");
        }
        if path.contains('\0') {
            return outside("it contains a NUL");
        }
        let path = Path::new(path);
        let by_other_name;
        let below = if path.is_absolute() {
            let stripped = path
                .strip_prefix(&self.given)
                .or_else(|_| path.strip_prefix(&self.path));
            if let Ok(below) = stripped {
                below
            } else {
                by_other_name = self.below_by_other_name(path);
                match &by_other_name {
                    Some(below) => below,
                    None => return outside("it is an absolute path outside the worktree"),
                }
            }
        } else {
            path
        };
        let mut clean = PathBuf::new();
        for component in below.components() {
            match component {
                Component::Normal(name) => clean.push(name),
                Component::CurDir => {}
                Component::ParentDir => return outside("`..` is not allowed"),
                Component::RootDir | Component::Prefix(_) => return outside("it is absolute"),
            }
        }
        if clean.as_os_str().is_empty() {
            clean.push(".");
        }
        Ok(clean)
    }

    /// The clean path of a file below the worktree: `x/../b.js` is `b.js`, and an absolute path
    /// that lies inside becomes relative. The text alone is cleaned; links are left as they are.
    ///
    /// # Errors
    /// [`Error::InvalidPath`] for a path that is blank or has a NUL, and for one that names the
    /// worktree's own directory or something outside.
    pub fn clean_name(&self, path: &str) -> Result<String, Error> {
        let invalid = |error: FileError| Error::InvalidPath {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        if !Path::new(path).is_absolute() {
            return cleaned_below(path).map_err(invalid);
        }
        // Cleaning may remove a part of the name that the worktree was opened by, so that is tried
        // second.
        let below = self.relative(path).or_else(|_| {
            let clean = cleaned(Path::new(path)).unwrap_or_default();
            self.relative(&clean.to_string_lossy())
        });
        let below = below.map_err(invalid)?;
        cleaned_below(&below.to_string_lossy()).map_err(invalid)
    }
}
