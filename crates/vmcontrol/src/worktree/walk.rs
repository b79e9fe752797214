//! Walking through a folder and everything below it.
//!
//! The walk has one handle: of its current folder. From there it goes down by a name and up by
//! `..`, and compares the id of the folder with that of the one that it came from. So neither its
//! memory nor its descriptors grow with the number of files, and no path is looked up again from
//! the start: a script can make paths so long that this would take hours. If a folder is moved
//! meanwhile, the walk fails; it never goes on elsewhere.

use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, SeekFrom, openat, seek, statat, unlinkat};
use rustix::io::Errno;

use super::scoped::Scoped;
use super::stat::FileKind;
use crate::file_id::FileId;

/// The longest path of an entry below the folder where the walk began, in bytes.
const MAX_BELOW_BYTES: usize = 1024 * 1024;

/// A walk through a folder.
pub(super) struct Walk<'a> {
    files: &'a Scoped<'a>,
    /// The current folder.
    folder: Dir,
    /// The folders above, up to the one where the walk began.
    above: Vec<Parent>,
    /// The current folder's path below the one where the walk began; `None` when the caller needs
    /// no paths.
    below: Option<PathBuf>,
}

/// A folder to which the walk returns.
struct Parent {
    id: FileId,
    /// The offset in it where the walk goes on.
    position: u64,
}

/// An entry of the current folder.
pub(super) struct WalkEntry {
    name: std::ffi::CString,
    pub(super) kind: FileKind,
    /// The offset of the entry after it in its folder.
    next: u64,
}

impl WalkEntry {
    fn name(&self) -> &OsStr {
        OsStr::from_bytes(self.name.to_bytes())
    }
}

impl<'a> Walk<'a> {
    /// Begins in a folder. Only with `has_paths` may the paths of entries be asked for.
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

    /// The next entry of the current folder; at its end, of the one above, and so on; `None` at the
    /// end of the walk.
    ///
    /// # Errors
    /// When a folder can't be read or was moved, and when the stop flag is set.
    pub(super) fn next_entry(&mut self) -> io::Result<Option<WalkEntry>> {
        loop {
            match self.next_here()? {
                Some(entry) => return Ok(Some(entry)),
                None if self.ascend()? => {}
                None => return Ok(None),
            }
        }
    }

    fn next_here(&mut self) -> io::Result<Option<WalkEntry>> {
        loop {
            self.files.check_stop()?;
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
            return Ok(Some(WalkEntry {
                name: name.to_owned(),
                kind: kind.into(),
                // The system's offset is a number without a sign.
                next: entry.offset().cast_unsigned(),
            }));
        }
    }

    /// The path of an entry of the current folder, below the folder where the walk began.
    ///
    /// # Errors
    /// When the path is longer than [`MAX_BELOW_BYTES`].
    pub(super) fn path_of(&self, entry: &WalkEntry) -> io::Result<PathBuf> {
        let below = self.below.as_deref().unwrap_or(Path::new(""));
        if below.as_os_str().len() + entry.name().len() > MAX_BELOW_BYTES {
            return Err(Errno::NAMETOOLONG.into());
        }
        Ok(below.join(entry.name()))
    }

    /// Goes down to a folder. The walk returns to the entry after it.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn descend(&mut self, entry: &WalkEntry) -> io::Result<()> {
        self.descend_and_return(entry, entry.next)
    }

    /// Goes down to a folder. The walk returns to the first entry of the current one.
    ///
    /// # Errors
    /// When it can't be read.
    pub(super) fn descend_then_rewind(&mut self, entry: &WalkEntry) -> io::Result<()> {
        self.descend_and_return(entry, 0)
    }

    fn descend_and_return(&mut self, entry: &WalkEntry, position: u64) -> io::Result<()> {
        let here = self.folder.fd()?;
        let id = FileId::of(here)?;
        let folder = open(here, &entry.name)?;
        if self.below.is_some() {
            self.below = Some(self.path_of(entry)?);
        }
        self.folder = Dir::new(folder)?;
        self.above.push(Parent { id, position });
        Ok(())
    }

    /// Goes up again; returns false when the walk is where it began.
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

    /// The path and kind of the next file below the folder where the walk began, a folder before
    /// what is in it; `None` at the end. The walk goes down to the folders for which `enter` says
    /// so.
    ///
    /// # Errors
    /// As [`next_entry`](Self::next_entry) and [`path_of`](Self::path_of).
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

    /// The id of an entry.
    ///
    /// # Errors
    /// When the entry is gone.
    pub(super) fn id_of(&self, entry: &WalkEntry) -> io::Result<FileId> {
        FileId::in_folder(self.folder.fd()?, entry.name())
    }

    /// Deletes an entry that is no folder.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn unlink(&self, entry: &WalkEntry) -> io::Result<()> {
        Ok(unlinkat(self.folder.fd()?, &*entry.name, AtFlags::empty())?)
    }

    /// Deletes a folder if it is empty; returns whether it was.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn remove_if_empty(&self, entry: &WalkEntry) -> io::Result<bool> {
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
