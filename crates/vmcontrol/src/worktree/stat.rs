//! The metadata of a file, as scripts see it.

use cap_std::fs::{FileType, Metadata, MetadataExt};

/// The kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A FIFO, a socket or a device.
    Other,
}

impl From<FileType> for FileKind {
    fn from(file_type: FileType) -> Self {
        if file_type.is_file() {
            Self::File
        } else if file_type.is_dir() {
            Self::Directory
        } else if file_type.is_symlink() {
            Self::Symlink
        } else {
            Self::Other
        }
    }
}

impl FileKind {
    /// All kinds.
    const ALL: [Self; 4] = [Self::File, Self::Directory, Self::Symlink, Self::Other];

    /// The letter that stands for it in listings: the first one of its name.
    pub fn letter(self) -> u8 {
        self.as_str().as_bytes()[0]
    }

    /// The kind that a letter stands for; `Other` for an unknown letter.
    pub fn of_letter(letter: u8) -> Self {
        let is_meant = |kind: &Self| kind.letter() == letter;
        Self::ALL.into_iter().find(is_meant).unwrap_or(Self::Other)
    }

    /// `file`, `directory`, `symlink` or `other`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Other => "other",
        }
    }
}

/// The metadata of a file. Times are in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct FileStat {
    /// The kind.
    pub kind: FileKind,
    /// The size in bytes.
    pub size: u64,
    /// The type and permission bits (`st_mode`).
    pub mode: u32,
    /// When its content last changed.
    pub mtime_ms: f64,
    /// When it was last read.
    pub atime_ms: f64,
    /// When its content or its metadata last changed.
    pub ctime_ms: f64,
    /// When it was made; `ctime_ms` where the file system does not record that.
    pub birthtime_ms: f64,
    /// The inode number.
    pub ino: u64,
    /// The device number of the file system.
    pub dev: u64,
    /// The number of hard links.
    pub nlink: u64,
    /// The user id of its owner.
    pub uid: u32,
    /// The group id of its owner.
    pub gid: u32,
}

impl From<&Metadata> for FileStat {
    fn from(metadata: &Metadata) -> Self {
        let ctime_ms = milliseconds(metadata.ctime(), metadata.ctime_nsec());
        let birthtime_ms = metadata
            .created()
            .ok()
            .and_then(|time| {
                let since = time
                    .into_std()
                    .duration_since(std::time::SystemTime::UNIX_EPOCH);
                Some(since.ok()?.as_secs_f64() * 1000.0)
            })
            .unwrap_or(ctime_ms);
        Self {
            kind: metadata.file_type().into(),
            size: metadata.size(),
            mode: metadata.mode(),
            mtime_ms: milliseconds(metadata.mtime(), metadata.mtime_nsec()),
            atime_ms: milliseconds(metadata.atime(), metadata.atime_nsec()),
            ctime_ms,
            birthtime_ms,
            ino: metadata.ino(),
            dev: metadata.dev(),
            nlink: metadata.nlink(),
            uid: metadata.uid(),
            gid: metadata.gid(),
        }
    }
}

/// Seconds and nanoseconds in milliseconds, as Node shows them: with the fraction that a double can
/// hold.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of any date that a file has are exact in a double"
)]
fn milliseconds(seconds: i64, nanoseconds: i64) -> f64 {
    seconds as f64 * 1000.0 + nanoseconds as f64 / 1e6
}
