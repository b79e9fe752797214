//! Folders, as the module `fs` of a session sees them: listing, making, walking through.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::scoped::{Scoped, open_folder};
use super::walk::Walk;
use super::{FileAccess, FileError, FileKind};
use crate::{FREE_BYTES, Lease};

/// The most that a listing may take, in bytes, with [`ENTRY_BYTES`] for each entry beside its path.
pub(super) const MAX_LISTING_BYTES: usize = 16 * 1024 * 1024;

/// What an entry of a listing takes beside its path, in bytes.
const ENTRY_BYTES: usize = 32;

/// What a folder holds, sorted by name, with what it takes in memory.
#[derive(Debug)]
pub struct Listing {
    /// The paths below the folder, and what is there.
    pub entries: Vec<(String, FileKind)>,
    /// The room that they take.
    pub charge: Lease,
}

impl Scoped<'_> {
    /// What a folder holds, sorted by name. With `recursive`, also what the folders in it hold, by their paths below it,
    /// as far as they may be read; links are not followed. `room` gives room for so many bytes, if there is any.
    ///
    /// # Errors
    /// As the variants of [`FileError`] say.
    pub fn read_dir(
        &self,
        path: &str,
        recursive: bool,
        room: impl Fn(usize) -> Option<Lease>,
    ) -> Result<Listing, FileError> {
        let place = self.follow(FileAccess::Read, path)?;
        let folder = self.tree.descend(&place.real)?;
        let may_enter = |below: &Path| {
            recursive
                && self.grant.may_read(&place.given.join(below))
                && self.grant.may_read(&place.real.join(below))
        };
        let mut walk = Walk::begin(self, &folder, true)?;
        let mut listing = Listing {
            entries: Vec::new(),
            charge: Lease::default(),
        };
        let mut bytes = 0;
        while let Some((path, kind)) = walk.next(may_enter)? {
            let before = bytes;
            bytes += path.as_os_str().len() + ENTRY_BYTES;
            if bytes > MAX_LISTING_BYTES {
                return Err(FileError::ListingTooLarge(MAX_LISTING_BYTES));
            }
            if bytes > FREE_BYTES && before <= FREE_BYTES {
                // Once as it is, and once as it is sent.
                listing.charge = room(2 * MAX_LISTING_BYTES).ok_or(FileError::Busy)?;
            }
            listing
                .entries
                .push((path.to_string_lossy().into_owned(), kind));
        }
        listing
            .entries
            .sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(listing)
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
}
