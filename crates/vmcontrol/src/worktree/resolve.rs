//! Resolving a path of the worktree: its symbolic links are followed here, one name at a time.
//!
//! Below a directory handle the kernel refuses every absolute link, also one that leads back into
//! the directory. So links are read and followed by hand. Inside, each folder is opened from the
//! handle of the folder before it, by one name that is no link: nothing that is swapped meanwhile
//! leads outside. The target of an absolute link is walked from the root of the file system, by
//! handles that can open no file, until the walk comes to the worktree's own directory, whose
//! device and inode identify it under any name. From there on the walk is inside again. A link that
//! never gets there leads outside.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;

use super::error::FileError;
use super::resolved::{ResolvedPath, open_folder};
use super::tree::Worktree;
use crate::file_id::FileId;

/// The most links that are followed for one path, as in the kernel.
const MAX_LINKS: usize = 40;

/// The most names that are walked for one path. When a link's target goes up, its folder is opened
/// again from the worktree's, so that crafted links could take long.
const MAX_WALKED_NAMES: usize = 16 * 1024;

/// The longest path in bytes, as in the kernel (`PATH_MAX` without the NUL).
const MAX_PATH_BYTES: usize = 4095;

impl Worktree {
    /// Resolves a path below the worktree to a directory entry: a link at its end is not followed.
    ///
    /// # Errors
    /// [`FileError::Outside`] when a link leads outside; [`FileError::Io`], of the kind `NotFound`
    /// when the folder is missing.
    pub(super) fn resolve_entry(&self, given: PathBuf) -> Result<ResolvedPath, FileError> {
        let mut walk = PathWalk::inside(self, &given)?;
        let name = walk.go(LastName::Keep)?;
        walk.resolved(given, name)
    }

    /// Resolves a path below the worktree to what it leads to: a link at its end is followed. If
    /// that leads to nothing, the result is the link, marked as dangling.
    ///
    /// # Errors
    /// As [`resolve_entry`](Self::resolve_entry).
    pub(super) fn resolve_target(&self, given: PathBuf) -> Result<ResolvedPath, FileError> {
        let mut walk = PathWalk::inside(self, &given)?;
        let Some(name) = walk.go(LastName::Keep)? else {
            return walk.resolved(given, None);
        };
        let Some(target) = link_target(walk.folder()?, &name)? else {
            return walk.resolved(given, Some(name));
        };
        walk.follow_link(&target)?;
        match walk.go(LastName::Follow) {
            Ok(name) => {
                let target = walk.resolved(given.clone(), name)?;
                match target.metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    _ => return Ok(target),
                }
            }
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let link = self.resolve_entry(given)?;
        Ok(ResolvedPath {
            is_dangling: true,
            ..link
        })
    }

    /// Opens the folder that a path below the worktree leads to; returns it behind its path without
    /// links.
    ///
    /// # Errors
    /// [`FileError::Outside`] when a link leads outside; [`FileError::Io`], of the kind `NotFound`
    /// or `NotADirectory` when there is no such folder.
    pub fn open_folder(&self, below: &Path) -> Result<(PathBuf, Dir), FileError> {
        let mut walk = PathWalk::inside(self, below)?;
        // With `.` as the last name, the walk enters the folder before it as all others.
        walk.pending.insert(0, OsStr::new(".").to_owned());
        walk.go(LastName::Keep)?;
        let dir = walk.folder()?.try_clone()?;
        Ok((walk.real, dir))
    }

    /// The worktree's own directory as a resolved path.
    fn resolved_root(&self, given: PathBuf) -> Result<ResolvedPath, FileError> {
        Ok(ResolvedPath {
            given,
            real: PathBuf::new(),
            parent: self.dir().try_clone()?,
            name: ".".into(),
            is_dangling: false,
        })
    }

    /// Opens a folder below the worktree by a path without links, to list it.
    pub(super) fn open_real_folder(&self, real: &Path) -> io::Result<Dir> {
        let mut dir = self.dir().try_clone()?;
        for component in real.components() {
            if let Component::Normal(name) = component {
                dir = open_folder(&dir, name)?;
            }
        }
        Ok(dir)
    }

    /// The path below the worktree that an absolute path means which leads through the worktree's
    /// directory by another name of that; `None` if it does not. The path has no `..`.
    pub(super) fn below_by_other_name(&self, absolute: &Path) -> Option<PathBuf> {
        let mut walk = PathWalk::inside(self, Path::new("")).ok()?;
        walk.follow_link(absolute).ok()?;
        walk.walk_inside().ok()?;
        Some(walk.pending.into_iter().rev().collect())
    }
}

/// Whether a link at the end of a path is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastName {
    Follow,
    Keep,
}

/// A walk along a path.
struct PathWalk<'a> {
    tree: &'a Worktree,
    /// The current folder while it is outside the worktree; `None` inside.
    outside: Option<OwnedFd>,
    /// The current folder's path below the worktree, without links, while the walk is inside.
    real: PathBuf,
    /// The folder at `real`; `None` until it is opened.
    dir: Option<Dir>,
    /// The names still to walk, the last one first.
    pending: Vec<OsString>,
    /// The number of links that were followed.
    links: usize,
    /// The number of names that were walked.
    names: usize,
}

impl<'a> PathWalk<'a> {
    /// A walk from the worktree's directory.
    fn inside(tree: &'a Worktree, path: &Path) -> io::Result<Self> {
        if path.as_os_str().len() > MAX_PATH_BYTES {
            return Err(Errno::NAMETOOLONG.into());
        }
        let mut walk = Self {
            tree,
            outside: None,
            real: PathBuf::new(),
            dir: None,
            pending: Vec::new(),
            links: 0,
            names: 0,
        };
        walk.push(path);
        Ok(walk)
    }

    fn push(&mut self, path: &Path) {
        let names = path.components().rev().filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some(OsStr::new("..").to_owned()),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
        });
        self.pending.extend(names);
    }

    /// Walks to the end of the path; returns its last name, or `None` when the path ends with the
    /// current folder.
    fn go(&mut self, last: LastName) -> Result<Option<OsString>, FileError> {
        loop {
            self.walk_inside()?;
            let Some(name) = self.next_name()? else {
                return Ok(None);
            };
            if name == "." {
                continue;
            }
            if name == ".." {
                self.go_up()?;
                continue;
            }
            let is_last = self.pending.is_empty();
            if is_last && last == LastName::Keep {
                return Ok(Some(name));
            }
            if !is_last {
                match open_folder_handle(self.folder()?, &name) {
                    Ok(folder) => {
                        self.real.push(name);
                        self.dir = Some(Dir::from_std_file(folder.into()));
                        continue;
                    }
                    Err(Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(io::Error::from(error).into()),
                }
            }
            match link_target(self.folder()?, &name)? {
                Some(target) => self.follow_link(&target)?,
                None if is_last => return Ok(Some(name)),
                None => return Err(io::Error::from(Errno::NOTDIR).into()),
            }
        }
    }

    fn next_name(&mut self) -> io::Result<Option<OsString>> {
        self.names += 1;
        if self.names > MAX_WALKED_NAMES {
            return Err(Errno::LOOP.into());
        }
        Ok(self.pending.pop())
    }

    /// Puts the target of a link in front of what is left of the path.
    fn follow_link(&mut self, target: &Path) -> io::Result<()> {
        self.links += 1;
        if self.links > MAX_LINKS {
            return Err(Errno::LOOP.into());
        }
        self.push(target);
        if target.is_absolute() {
            self.outside = Some(open_folder_handle(CWD, "/")?);
        }
        Ok(())
    }

    fn go_up(&mut self) -> io::Result<()> {
        self.dir = None;
        if !self.real.pop() {
            self.outside = Some(open_folder_handle(self.tree.dir(), "..")?);
        }
        Ok(())
    }

    /// Walks until the walk is in the worktree's directory, if it is outside. The error does not
    /// say why it does not get there: that would tell the script what is there.
    fn walk_inside(&mut self) -> Result<(), FileError> {
        if self.outside.is_none() {
            return Ok(());
        }
        let root = FileId::of(self.tree.dir())?;
        while let Some(folder) = self.outside.take() {
            if FileId::of(&folder)? == root {
                self.real = PathBuf::new();
                self.dir = None;
                return Ok(());
            }
            // Links in /proc lead elsewhere in each process.
            let is_of_a_process = fstatfs(&folder).is_ok_and(|of| of.f_type == PROC_SUPER_MAGIC);
            let name = self.next_name()?.filter(|_| !is_of_a_process);
            let name = name.ok_or_else(FileError::leads_outside)?;
            self.outside = Some(match open_folder_handle(&folder, &name) {
                Ok(next) => next,
                Err(_) => match link_target(&folder, &name) {
                    Ok(Some(target)) if !target.is_absolute() => {
                        self.follow_link(&target)?;
                        folder
                    }
                    Ok(Some(target)) => {
                        self.follow_link(&target)?;
                        continue;
                    }
                    Ok(None) | Err(_) => return Err(FileError::leads_outside()),
                },
            });
        }
        Ok(())
    }

    /// The current folder; the walk is inside.
    fn folder(&mut self) -> io::Result<&Dir> {
        let dir = match self.dir.take() {
            Some(dir) => dir,
            None => self.open_real()?,
        };
        Ok(self.dir.insert(dir))
    }

    /// Opens the folder at `real` from the worktree's directory.
    fn open_real(&mut self) -> io::Result<Dir> {
        let mut dir = self.tree.dir().try_clone()?;
        for name in &self.real {
            self.names += 1;
            dir = Dir::from_std_file(open_folder_handle(&dir, name)?.into());
        }
        Ok(dir)
    }

    fn resolved(
        mut self,
        given: PathBuf,
        name: Option<OsString>,
    ) -> Result<ResolvedPath, FileError> {
        let name = match name {
            Some(name) => name,
            None => match self.real.file_name().map(OsStr::to_owned) {
                Some(name) => {
                    self.go_up()?;
                    name
                }
                None => return self.tree.resolved_root(given),
            },
        };
        let parent = self.folder()?.try_clone()?;
        Ok(ResolvedPath {
            given,
            real: self.real.join(&name),
            parent,
            name,
            is_dangling: false,
        })
    }
}

/// Opens a folder that is no link, for nothing but to walk on from it.
fn open_folder_handle(dir: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// The target of a link; `None` for what is no link, or does not exist.
fn link_target(dir: impl AsFd, name: &OsStr) -> io::Result<Option<PathBuf>> {
    match readlinkat(dir, name, Vec::new()) {
        Ok(target) => {
            let target = OsString::from_vec(target.into_bytes());
            Ok(Some(target.into()))
        }
        Err(Errno::INVAL | Errno::NOENT) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
