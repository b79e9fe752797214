//! Folders, as the module `fs` of a session sees them: listing, making, walking through.

use std::io;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Metadata;

use super::scoped::{Place, Scoped, open_folder};
use super::{FileAccess, FileError, FileKind};

/// The most entries that a listing can have.
const MAX_LISTED: usize = 100_000;

/// The most files that are looked through before a folder is deleted or moved.
const MAX_WALKED: usize = 1_000_000;

/// What [`Scoped::walk`] finds.
pub(super) struct Found {
    /// The path below the folder where the walk began.
    pub(super) below: PathBuf,
    pub(super) metadata: Metadata,
}

impl Scoped<'_> {
    /// What a folder holds, sorted by name. With `recursive`, also what the folders in it hold, by their paths below it,
    /// as far as they may be read; links are not followed.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn read_dir(
        &self,
        path: &str,
        recursive: bool,
    ) -> Result<Vec<(String, FileKind)>, FileError> {
        let place = self.follow(FileAccess::Read, path)?;
        let mut listed = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let dir = self.tree.descend(&place.real.join(&folder))?;
            for entry in dir.entries()? {
                self.go_on()?;
                let entry = entry?;
                let below = folder.join(entry.file_name());
                let kind = FileKind::from(entry.file_type()?);
                if listed.len() == MAX_LISTED {
                    return Err(FileError::TooMany(MAX_LISTED));
                }
                listed.push((below.to_string_lossy().into_owned(), kind));
                let enter = recursive
                    && kind == FileKind::Directory
                    && self.grant.may_read(&place.given.join(&below))
                    && self.grant.may_read(&place.real.join(&below));
                if enter {
                    folders.push(below);
                }
            }
        }
        listed.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(listed)
    }

    /// Makes a folder. With `recursive`, also those that lead to it, and it may be there already; then it says which is
    /// the first that was made.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn make_dir(&self, path: &str, recursive: bool) -> Result<Option<PathBuf>, FileError> {
        if !recursive {
            let place = self.name(FileAccess::Write, path)?;
            if place.is_root() {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
            }
            self.tree.check_guard(&place)?;
            place.parent.create_dir(&place.name)?;
            return Ok(Some(place.given));
        }
        let given = self.tree.relative(path)?;
        self.check_path(FileAccess::See, &given)?;
        let (there, real) = self.deepest(&given)?;
        let missing: PathBuf = given
            .strip_prefix(&there)
            .into_iter()
            .flat_map(Path::components)
            .filter(|component| *component != Component::CurDir)
            .collect();
        let mut wanted = real.clone();
        wanted.extend(&missing);
        self.check_path(FileAccess::See, &wanted)?;
        let mut dir = self.tree.descend(&real).map_err(|error| {
            // A file is in the way, or is where the folder should be.
            let not_a_folder = error.kind() == io::ErrorKind::NotADirectory;
            if not_a_folder && missing.as_os_str().is_empty() {
                io::ErrorKind::AlreadyExists.into()
            } else {
                error
            }
        })?;
        let (mut given, mut real) = (there, real);
        let mut first = None;
        for name in &missing {
            given.push(name);
            real.push(name);
            self.check_path(FileAccess::Write, &given)?;
            self.check_path(FileAccess::Write, &real)?;
            self.tree.check_place(&real)?;
            dir.create_dir(name)?;
            first.get_or_insert_with(|| given.clone());
            dir = open_folder(&dir, name)?;
        }
        Ok(first)
    }

    /// The longest part of a path that is there, as it was given and with links resolved.
    fn deepest(&self, given: &Path) -> Result<(PathBuf, PathBuf), FileError> {
        let mut there = given.to_owned();
        if there == Path::new(".") {
            there = PathBuf::new();
        }
        while !there.as_os_str().is_empty() {
            match self.tree.real_path_below(&there) {
                Ok(real) => return Ok((there, real)),
                Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    there.pop();
                }
                Err(error) => return Err(error),
            }
        }
        Ok((PathBuf::new(), PathBuf::new()))
    }

    /// Everything in a folder and below it. What is in a folder comes after the folder, and in one piece.
    pub(super) fn walk(&self, folder: &Place) -> Result<Vec<Found>, FileError> {
        let mut found = Vec::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(inner) = folders.pop() {
            let dir = self.tree.descend(&folder.real.join(&inner))?;
            for entry in dir.entries()? {
                self.go_on()?;
                let entry = entry?;
                let metadata = entry.metadata()?;
                let below = inner.join(entry.file_name());
                if found.len() == MAX_WALKED {
                    return Err(FileError::TooMany(MAX_WALKED));
                }
                if metadata.is_dir() {
                    folders.push(below.clone());
                }
                found.push(Found { below, metadata });
            }
        }
        Ok(found)
    }
}
