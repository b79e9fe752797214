//! Where a path of the worktree leads: the symbolic links on it are followed here, one name at a time.
//!
//! Below a directory handle the kernel refuses every absolute link, also one that leads back into the directory. So links
//! are read and followed by hand. Inside, each folder is opened from the handle of the folder before it, by one name that is
//! no link: nothing that is swapped meanwhile leads outside. What an absolute link says is walked from the root of the file
//! system, by handles that can open no file, until it comes to the worktree's own directory, which its device and inode tell
//! from all others under whatever name. From there on the walk is inside again. A link that never gets there leads outside.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use cap_std::fs::Dir;
use rustix::fs::{CWD, Mode, OFlags, PROC_SUPER_MAGIC, fstatfs, openat, readlinkat};
use rustix::io::Errno;

use super::scoped::Place;
use super::{FileError, Worktree};
use crate::file_id::FileId;

/// The most links that one path may lead over: what the kernel allows.
const MAX_LINKS: usize = 40;

/// The most names that are walked for one path. A link whose target goes up has its folder opened anew from the worktree's, so
/// that crafted links could take long.
const MAX_WALKED_NAMES: usize = 16 * 1024;

/// The longest path in bytes, as the kernel has it (`PATH_MAX` without the NUL).
const MAX_PATH_BYTES: usize = 4095;

impl Worktree {
    /// Where a path below the worktree leads when a link at its end is meant itself.
    ///
    /// # Errors
    /// [`FileError::Outside`] when a link leads outside; [`FileError::Io`], of the kind `NotFound` when the folder is missing.
    pub(super) fn place_of_name(&self, given: PathBuf) -> Result<Place, FileError> {
        let mut walk = PathWalk::inside(self, &given)?;
        let name = walk.go(LastName::Keep)?;
        walk.place(given, name)
    }

    /// Where a path below the worktree leads when a link at its end is followed. A link that leads to nothing is not followed,
    /// and the place says that it is one.
    ///
    /// # Errors
    /// As [`place_of_name`](Self::place_of_name).
    pub(super) fn place_of_target(&self, given: PathBuf) -> Result<Place, FileError> {
        let mut walk = PathWalk::inside(self, &given)?;
        let Some(name) = walk.go(LastName::Keep)? else {
            return walk.place(given, None);
        };
        let Some(target) = link_target(walk.folder()?, &name)? else {
            return walk.place(given, Some(name));
        };
        walk.begin_link(&target)?;
        match walk.go(LastName::Follow) {
            Ok(name) => {
                let place = walk.place(given.clone(), name)?;
                match place.metadata() {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    _ => return Ok(place),
                }
            }
            Err(FileError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let link = self.place_of_name(given)?;
        Ok(Place {
            is_dangling: true,
            ..link
        })
    }

    /// The folder that a path below the worktree leads to, with its path without links.
    ///
    /// # Errors
    /// As `place_of_name`, and of the kind `NotADirectory`.
    pub fn open_folder(&self, below: &Path) -> Result<(PathBuf, Dir), FileError> {
        let mut walk = PathWalk::inside(self, below)?;
        // Whatever stands last is entered as the names before it are.
        walk.pending.insert(0, OsStr::new(".").to_owned());
        walk.go(LastName::Keep)?;
        let dir = walk.folder()?.try_clone()?;
        Ok((walk.real, dir))
    }

    /// The path below the worktree that an absolute path means which goes by another name of the worktree; nothing if it
    /// does not come by there. The path has no `..`.
    pub(super) fn below_by_other_name(&self, absolute: &Path) -> Option<PathBuf> {
        let mut walk = PathWalk::inside(self, Path::new("")).ok()?;
        walk.begin_link(absolute).ok()?;
        walk.come_inside().ok()?;
        Some(walk.pending.into_iter().rev().collect())
    }
}

/// What becomes of a link at the end of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastName {
    Follow,
    Keep,
}

/// A walk along a path.
struct PathWalk<'a> {
    tree: &'a Worktree,
    /// Where it is outside the worktree; `None` inside.
    outside: Option<OwnedFd>,
    /// Where it is below the worktree, without links, while it is inside.
    real: PathBuf,
    /// The folder at `real`; `None` until it is opened.
    dir: Option<Dir>,
    /// The names to walk, the last one first.
    pending: Vec<OsString>,
    links: usize,
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

    /// Walks to the end of the path; gives its last name, unless it ends with the folder that the walk has come to.
    fn go(&mut self, last: LastName) -> Result<Option<OsString>, FileError> {
        loop {
            self.come_inside()?;
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
                Some(target) => self.begin_link(&target)?,
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

    /// Puts what a link says in front of what is left of the path.
    fn begin_link(&mut self, target: &Path) -> io::Result<()> {
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

    /// Walks until it is in the worktree's directory, if it is outside. Why it does not get there is not told: that would tell
    /// what is there.
    fn come_inside(&mut self) -> Result<(), FileError> {
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
            // What is found there depends on who looks.
            let is_of_a_process = fstatfs(&folder).is_ok_and(|of| of.f_type == PROC_SUPER_MAGIC);
            let name = self.next_name()?.filter(|_| !is_of_a_process);
            let name = name.ok_or_else(outside)?;
            self.outside = Some(match open_folder_handle(&folder, &name) {
                Ok(next) => next,
                Err(_) => match link_target(&folder, &name) {
                    Ok(Some(target)) if !target.is_absolute() => {
                        self.begin_link(&target)?;
                        folder
                    }
                    Ok(Some(target)) => {
                        self.begin_link(&target)?;
                        continue;
                    }
                    Ok(None) | Err(_) => return Err(outside()),
                },
            });
        }
        Ok(())
    }

    /// The folder that the walk has come to inside.
    fn folder(&mut self) -> io::Result<&Dir> {
        let dir = match self.dir.take() {
            Some(dir) => dir,
            None => self.open_real()?,
        };
        Ok(self.dir.insert(dir))
    }

    /// Opens the folder at `real` from the worktree's.
    fn open_real(&mut self) -> io::Result<Dir> {
        let mut dir = self.tree.dir().try_clone()?;
        for name in &self.real {
            self.names += 1;
            dir = Dir::from_std_file(open_folder_handle(&dir, name)?.into());
        }
        Ok(dir)
    }

    fn place(mut self, given: PathBuf, name: Option<OsString>) -> Result<Place, FileError> {
        let name = match name {
            Some(name) => name,
            None => match self.real.file_name().map(OsStr::to_owned) {
                Some(name) => {
                    self.go_up()?;
                    name
                }
                None => return self.tree.root(given),
            },
        };
        let parent = self.folder()?.try_clone()?;
        Ok(Place {
            given,
            real: self.real.join(&name),
            parent,
            name,
            is_dangling: false,
        })
    }
}

fn outside() -> FileError {
    FileError::Outside("it leads outside the worktree".into())
}

/// Opens a folder that is no link, to go on from there and for nothing else.
fn open_folder_handle(dir: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(dir, name, flags, Mode::empty())
}

/// What a link says; nothing for what is none, or is not there.
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
