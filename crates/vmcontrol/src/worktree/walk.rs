//! Walking through a folder and all that is below it.
//!
//! The walk has one handle: of the folder where it is. From there it goes down by a name and up by `..`, and compares the
//! number of the folder with the one that it came from. So neither its memory nor its descriptors grow with the number of files,
//! and no path is looked up anew: a script can make paths so long that this would take hours. A folder that is moved
//! meanwhile ends the walk; it never goes on elsewhere.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, SeekFrom, openat, seek, statat, unlinkat};
use rustix::io::Errno;

use super::scoped::Scoped;
use super::{FileError, FileKind};
use crate::file_id::FileId;

/// The longest path below the folder where a walk began that is told of an entry, in bytes.
const MAX_BELOW_BYTES: usize = 1024 * 1024;

/// A walk, and where it is.
pub(super) struct Walk<'a> {
    files: &'a Scoped<'a>,
    folder: Dir,
    /// The folders above, up to the one where the walk began.
    above: Vec<Above>,
    /// The path of the folder below the one where the walk began, if it is asked for.
    below: Option<PathBuf>,
}

/// A folder to which the walk comes back.
struct Above {
    id: FileId,
    /// What of it has been read.
    position: u64,
}

/// An entry of the folder where the walk is.
pub(super) struct Entry {
    name: std::ffi::CString,
    pub(super) kind: FileKind,
    /// What comes after it in its folder.
    next: u64,
}

impl Entry {
    pub(super) fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }
}

impl<'a> Walk<'a> {
    /// Begins in a folder. With `has_paths` the entries' paths are known.
    ///
    /// # Errors
    /// When the folder can't be read.
    pub(super) fn begin(
        files: &'a Scoped<'a>,
        folder: impl AsFd,
        has_paths: bool,
    ) -> io::Result<Self> {
        Ok(Self {
            files,
            folder: Dir::new(open(folder.as_fd(), c".")?)?,
            above: Vec::new(),
            below: has_paths.then(PathBuf::new),
        })
    }

    /// The next entry of the folder where the walk is; at its end, of the one above, and so on.
    ///
    /// # Errors
    /// When a folder can't be read or is elsewhere now, and when it is enough.
    pub(super) fn next_entry(&mut self) -> io::Result<Option<Entry>> {
        loop {
            match self.next_here()? {
                Some(entry) => return Ok(Some(entry)),
                None if self.ascend()? => {}
                None => return Ok(None),
            }
        }
    }

    fn next_here(&mut self) -> io::Result<Option<Entry>> {
        loop {
            self.files.go_on()?;
            let Some(entry) = self.folder.read() else {
                return Ok(None);
            };
            let entry = entry?;
            let name = entry.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                FileType::Unknown => {
                    let found = statat(self.folder.fd()?, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    FileType::from_raw_mode(found.st_mode)
                }
                known => known,
            };
            return Ok(Some(Entry {
                name: name.to_owned(),
                kind: kind.into(),
                // The system gives it as a number without a sign.
                next: entry.offset().cast_unsigned(),
            }));
        }
    }

    /// The path of an entry of the folder where the walk is, below the one where it began.
    ///
    /// # Errors
    /// When the path is too long to be told.
    pub(super) fn path_of(&self, entry: &Entry) -> io::Result<PathBuf> {
        let below = self.below.as_deref().unwrap_or(Path::new(""));
        if below.as_os_str().len() + entry.name().len() > MAX_BELOW_BYTES {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(below.join(entry.name()))
    }

    /// Goes down to a folder, and comes back to what stands after it.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn descend(&mut self, entry: &Entry) -> io::Result<()> {
        self.descend_and_come_back(entry, entry.next)
    }

    /// Goes down to a folder, and comes back to the first entry of this one.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn descend_and_begin_anew(&mut self, entry: &Entry) -> io::Result<()> {
        self.descend_and_come_back(entry, 0)
    }

    fn descend_and_come_back(&mut self, entry: &Entry, position: u64) -> io::Result<()> {
        let here = self.folder.fd()?;
        let id = FileId::of(here)?;
        let folder = open(here, &entry.name)?;
        if self.below.is_some() {
            self.below = Some(self.path_of(entry)?);
        }
        self.folder = Dir::new(folder)?;
        self.above.push(Above { id, position });
        Ok(())
    }

    /// Goes up again; says whether there was somewhere to go.
    fn ascend(&mut self) -> io::Result<bool> {
        let Some(above) = self.above.pop() else {
            return Ok(false);
        };
        let folder = open(self.folder.fd()?, c"..")?;
        if FileId::of(&folder)? != above.id {
            return Err(io::Error::other(
                "a folder was moved while it was gone through",
            ));
        }
        seek(&folder, SeekFrom::Start(above.position))?;
        self.folder = Dir::new(folder)?;
        if let Some(below) = &mut self.below {
            below.pop();
        }
        Ok(true)
    }

    /// The next entry of all, with the folders before what is in them.
    ///
    /// # Errors
    /// When something can't be read, and when it is enough.
    pub(super) fn next(
        &mut self,
        enter: impl Fn(&Path) -> bool,
    ) -> io::Result<Option<(PathBuf, FileKind)>> {
        let Some(entry) = self.next_entry()? else {
            return Ok(None);
        };
        let path = self.path_of(&entry)?;
        if entry.kind == FileKind::Directory && enter(&path) {
            self.descend(&entry)?;
        }
        Ok(Some((path, entry.kind)))
    }

    /// What tells an entry from all other files.
    ///
    /// # Errors
    /// When it is gone.
    pub(super) fn id_of(&self, entry: &Entry) -> io::Result<FileId> {
        FileId::in_folder(self.folder.fd()?, entry.name())
    }

    /// Deletes an entry that is no folder.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn unlink(&self, entry: &Entry) -> io::Result<()> {
        Ok(unlinkat(self.folder.fd()?, &*entry.name, AtFlags::empty())?)
    }

    /// Deletes a folder if there is nothing in it; says whether it did.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn remove_if_empty(&self, entry: &Entry) -> io::Result<bool> {
        match unlinkat(self.folder.fd()?, &*entry.name, AtFlags::REMOVEDIR) {
            Ok(()) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Opens a folder that is no link.
fn open(folder: BorrowedFd<'_>, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(folder, name, flags, Mode::empty())?)
}

impl From<FileType> for FileKind {
    fn from(file_type: FileType) -> Self {
        match file_type {
            FileType::RegularFile => Self::File,
            FileType::Directory => Self::Directory,
            FileType::Symlink => Self::Symlink,
            _ => Self::Other,
        }
    }
}

impl From<Errno> for FileError {
    fn from(error: Errno) -> Self {
        Self::Io(error.into())
    }
}
