//! Deleting and renaming, as the module `fs` of a session does it.
//!
//! An operation on a folder is one on everything in it, so each file in it has to be allowed, and
//! none may be guarded. All of them are checked before anything is changed.

use std::io;
use std::path::Path;

use super::error::{FileAccess, FileError};
use super::resolved::{ResolvedPath, open_folder};
use super::scoped::Scoped;
use super::stat::FileKind;
use super::walk::{Walk, WalkEntry};

impl Scoped<'_> {
    /// Deletes a file or a link; with `recursive`, also a folder with everything in it. Links are
    /// not followed. With `force`, a path that leads to nothing is no error.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn remove(&self, path: &str, recursive: bool, force: bool) -> Result<(), FileError> {
        let is_missing = |error: &FileError| matches!(error, FileError::Io(error) if error.kind() == io::ErrorKind::NotFound);
        match self.remove_existing(path, recursive) {
            Err(error) if force && is_missing(&error) => Ok(()),
            result => result,
        }
    }

    fn remove_existing(&self, path: &str, recursive: bool) -> Result<(), FileError> {
        let entry = self.deletable(path)?;
        if !entry.metadata()?.is_dir() {
            return Ok(entry.parent.remove_file(&entry.name)?);
        }
        if !recursive {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        let folder = open_folder(&entry.parent, &entry.name)?;
        let guarded = self.tree.guarded_ids();
        let is_free = self.grant.is_unrestricted();
        let check = |walk: &Walk<'_>, found: &WalkEntry| {
            if !guarded.is_empty() && guarded.contains(&walk.id_of(found)?) {
                return Err(FileError::guarded());
            }
            if is_free {
                return Ok(());
            }
            let below = walk.path_of(found)?;
            self.check_path(FileAccess::Write, &entry.given.join(&below))?;
            self.check_path(FileAccess::Write, &entry.real.join(&below))
        };
        if !is_free || !guarded.is_empty() {
            let mut walk = Walk::begin(self, &folder, !is_free)?;
            while let Some(found) = walk.next_entry()? {
                check(&walk, &found)?;
                if found.kind == FileKind::Directory {
                    walk.descend(&found)?;
                }
            }
        }
        // Another process may have added files since: each is checked again where it is deleted.
        let mut walk = Walk::begin(self, &folder, !is_free)?;
        while let Some(found) = walk.next_entry()? {
            check(&walk, &found)?;
            if found.kind != FileKind::Directory {
                walk.unlink(&found)?;
            } else if !walk.remove_if_empty(&found)? {
                walk.descend_then_rewind(&found)?;
            }
        }
        Ok(entry.parent.remove_dir(&entry.name)?)
    }

    /// Deletes a file or a link.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn unlink(&self, path: &str) -> Result<(), FileError> {
        let entry = self.deletable(path)?;
        if entry.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        Ok(entry.parent.remove_file(&entry.name)?)
    }

    /// Deletes an empty folder.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn remove_dir(&self, path: &str) -> Result<(), FileError> {
        let entry = self.deletable(path)?;
        Ok(entry.parent.remove_dir(&entry.name)?)
    }

    /// Gives a file or a folder another name. A file of that name is replaced, and so is an empty
    /// folder by a folder.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn rename(&self, from: &str, to: &str) -> Result<(), FileError> {
        let (source, target) = (self.deletable(from)?, self.deletable(to)?);
        let metadata = source.metadata()?;
        self.tree.check_guarded_below(&target.real)?;
        self.check_move(&source, &target, Path::new(""))?;
        if metadata.is_dir() {
            self.tree.check_guarded_below(&source.real)?;
            if !self.grant.is_unrestricted() {
                let folder = open_folder(&source.parent, &source.name)?;
                let mut walk = Walk::begin(self, &folder, true)?;
                while let Some((below, _)) = walk.next(|_| true)? {
                    self.check_move(&source, &target, &below)?;
                }
            }
        }
        Ok(source
            .parent
            .rename(&source.name, &target.parent, &target.name)?)
    }

    /// Checks the move of one of the files that are moved: if the session may not read it now, it
    /// may not read it under its new name either.
    fn check_move(
        &self,
        from: &ResolvedPath,
        to: &ResolvedPath,
        below: &Path,
    ) -> Result<(), FileError> {
        let join = |path: &Path| {
            if below.as_os_str().is_empty() {
                path.to_owned()
            } else {
                path.join(below)
            }
        };
        for path in [&from.given, &from.real, &to.given, &to.real] {
            self.check_path(FileAccess::Write, &join(path))?;
        }
        if self.grant.may_read(&join(&to.real)) {
            self.check_path(FileAccess::Read, &join(&from.real))?;
        }
        Ok(())
    }

    /// Resolves a path to a directory entry that may be deleted or replaced.
    fn deletable(&self, path: &str) -> Result<ResolvedPath, FileError> {
        let entry = self.entry(FileAccess::Write, path)?;
        if entry.is_root() {
            return Err(FileError::Root);
        }
        self.tree.check_guard(&entry)?;
        Ok(entry)
    }
}
