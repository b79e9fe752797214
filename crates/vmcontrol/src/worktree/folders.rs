//! Listing and making folders, as the module `fs` of a session does it.

use std::io;
use std::path::{Component, Path, PathBuf};

use super::error::{FileAccess, FileError};
use super::resolved::open_folder;
use super::scoped::Scoped;
use super::stat::FileKind;
use super::walk::Walk;
use crate::{FREE_BYTES, Lease};

/// The largest listing, in bytes: the paths, and [`ENTRY_BYTES`] for each entry.
pub(super) const MAX_LISTING_BYTES: usize = 16 * 1024 * 1024;

/// The size of an entry of a listing without its path, in bytes.
const ENTRY_BYTES: usize = 32;

/// The entries of a folder, sorted by path.
#[derive(Debug)]
pub struct Listing {
    /// The paths below the folder, with the kind of each file.
    pub entries: Vec<(String, FileKind)>,
    /// The share of the memory budget that the entries take; empty for a small listing.
    pub charge: Lease,
}

impl Scoped<'_> {
    /// Lists a folder, sorted by path. With `recursive`, also the folders in it, as far as they may
    /// be read; links are not followed. `room` takes a number of bytes from the memory budget;
    /// `None` when that is exhausted.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn read_dir(
        &self,
        path: &str,
        recursive: bool,
        room: impl Fn(usize) -> Option<Lease>,
    ) -> Result<Listing, FileError> {
        let listed = self.follow(FileAccess::Read, path)?;
        let folder = self.tree.open_real_folder(&listed.real)?;
        let may_enter = |below: &Path| {
            recursive
                && self.grant.may_read(&listed.given.join(below))
                && self.grant.may_read(&listed.real.join(below))
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
                // The listing is in memory twice: as it is made, and as it is sent.
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

    /// Makes a folder. With `recursive`, also the missing folders that lead to it, and it may exist
    /// already. Returns the path of the first folder that was made; `None` when none was.
    ///
    /// # Errors
    /// See [`FileError`].
    pub fn make_dir(&self, path: &str, recursive: bool) -> Result<Option<PathBuf>, FileError> {
        if !recursive {
            let entry = self.entry(FileAccess::Write, path)?;
            if entry.is_root() {
                return Err(io::Error::from(io::ErrorKind::AlreadyExists).into());
            }
            self.tree.check_guard(&entry)?;
            entry.parent.create_dir(&entry.name)?;
            return Ok(Some(entry.given));
        }
        let given = self.tree.relative(path)?;
        self.check_path(FileAccess::See, &given)?;
        let (existing, real) = self.deepest_existing(&given)?;
        let missing: PathBuf = given
            .strip_prefix(&existing)
            .into_iter()
            .flat_map(Path::components)
            .filter(|component| *component != Component::CurDir)
            .collect();
        let mut wanted = real.clone();
        wanted.extend(&missing);
        self.check_path(FileAccess::See, &wanted)?;
        let mut dir = self.tree.open_real_folder(&real).map_err(|error| {
            // A file is on the way, or has the name of the folder.
            let not_a_folder = error.kind() == io::ErrorKind::NotADirectory;
            if not_a_folder && missing.as_os_str().is_empty() {
                io::ErrorKind::AlreadyExists.into()
            } else {
                error
            }
        })?;
        let (mut given, mut real) = (existing, real);
        let mut first = None;
        for name in &missing {
            given.push(name);
            real.push(name);
            self.check_path(FileAccess::Write, &given)?;
            self.check_path(FileAccess::Write, &real)?;
            self.tree.check_guarded_path(&real)?;
            dir.create_dir(name)?;
            first.get_or_insert_with(|| given.clone());
            dir = open_folder(&dir, name)?;
        }
        Ok(first)
    }

    /// The longest part of a path that exists, as it was given and with links resolved.
    fn deepest_existing(&self, given: &Path) -> Result<(PathBuf, PathBuf), FileError> {
        let mut existing = given.to_owned();
        if existing == Path::new(".") {
            existing = PathBuf::new();
        }
        while !existing.as_os_str().is_empty() {
            match self.tree.real_path_below(&existing) {
                Ok(real) => return Ok((existing, real)),
                Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    existing.pop();
                }
                Err(error) => return Err(error),
            }
        }
        Ok((PathBuf::new(), PathBuf::new()))
    }
}
