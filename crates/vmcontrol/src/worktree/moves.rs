//! Deleting and renaming, as the module `fs` of a session does it.
//!
//! What happens to a folder happens to all that is in it, so all of it has to be allowed, and none of it may be a guarded
//! file. That is looked at before anything is touched.

use std::io;
use std::path::Path;

use super::scoped::{Place, Scoped, open_folder};
use super::walk::{Entry, Walk};
use super::{FileAccess, FileError, FileKind, own_files};

impl Scoped<'_> {
    /// Deletes a file or a link; a folder with all that is in it only if `recursive`. Links are not followed. With
    /// `force`, what is not there is as good as deleted.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn remove(&self, path: &str, recursive: bool, force: bool) -> Result<(), FileError> {
        let is_missing = |error: &FileError| matches!(error, FileError::Io(error) if error.kind() == io::ErrorKind::NotFound);
        match self.remove_there(path, recursive) {
            Err(error) if force && is_missing(&error) => Ok(()),
            result => result,
        }
    }

    fn remove_there(&self, path: &str, recursive: bool) -> Result<(), FileError> {
        let place = self.deletable(path)?;
        if !place.metadata()?.is_dir() {
            return Ok(place.parent.remove_file(&place.name)?);
        }
        if !recursive {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        let folder = open_folder(&place.parent, &place.name)?;
        let guarded = self.tree.guarded_ids();
        let is_free = self.grant.is_unrestricted();
        let check = |walk: &Walk<'_>, entry: &Entry| {
            if !guarded.is_empty() && guarded.contains(&walk.id_of(entry)?) {
                return Err(own_files());
            }
            if is_free {
                return Ok(());
            }
            let below = walk.path_of(entry)?;
            self.check_path(FileAccess::Write, &place.given.join(&below))?;
            self.check_path(FileAccess::Write, &place.real.join(&below))
        };
        if !is_free || !guarded.is_empty() {
            let mut walk = Walk::begin(self, &folder, !is_free)?;
            while let Some(entry) = walk.next_entry()? {
                check(&walk, &entry)?;
                if entry.kind == FileKind::Directory {
                    walk.descend(&entry)?;
                }
            }
        }
        // Somebody may have put something there since: it is checked again where it is deleted.
        let mut walk = Walk::begin(self, &folder, !is_free)?;
        while let Some(entry) = walk.next_entry()? {
            check(&walk, &entry)?;
            if entry.kind != FileKind::Directory {
                walk.unlink(&entry)?;
            } else if !walk.remove_if_empty(&entry)? {
                walk.descend_and_begin_anew(&entry)?;
            }
        }
        Ok(place.parent.remove_dir(&place.name)?)
    }

    /// Deletes a file or a link.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn unlink(&self, path: &str) -> Result<(), FileError> {
        let place = self.deletable(path)?;
        if place.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
        }
        Ok(place.parent.remove_file(&place.name)?)
    }

    /// Deletes an empty folder.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn remove_dir(&self, path: &str) -> Result<(), FileError> {
        let place = self.deletable(path)?;
        Ok(place.parent.remove_dir(&place.name)?)
    }

    /// Gives a file or a folder another name. What has that name is replaced, as far as the system does that.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
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

    /// Checks what a move does to one of the files that are moved: under its new name it must not be readable to one
    /// who could not read it before.
    fn check_move(&self, from: &Place, to: &Place, below: &Path) -> Result<(), FileError> {
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

    /// A name that may be deleted or replaced.
    fn deletable(&self, path: &str) -> Result<Place, FileError> {
        let place = self.name(FileAccess::Write, path)?;
        if place.is_root() {
            return Err(FileError::Root);
        }
        self.tree.check_guard(&place)?;
        Ok(place)
    }
}
