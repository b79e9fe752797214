//! The file of an incomplete download.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file of a download. It stays when the download is interrupted, so that a later one resumes
/// it.
///
/// It is locked while the value exists, so that two processes that download the same library do not
/// write to the same file.
#[derive(Debug)]
pub(crate) struct PartialDownload {
    file: File,
    path: PathBuf,
}

impl PartialDownload {
    /// Opens the file and locks it; waits until no other process holds the lock.
    pub(crate) fn lock(path: PathBuf) -> io::Result<Self> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)?;
            file.lock()?;
            // The previous holder of the lock may have removed the file: then the path names
            // another file or none.
            if is_same(&file, &path)? {
                return Ok(Self { file, path });
            }
        }
    }

    /// The size of the file, in bytes.
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Appends bytes.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Truncates the file, to start over.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// A reader of the whole file, from the start.
    pub(crate) fn reader(&self) -> io::Result<impl Read> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(file)
    }

    /// Removes the file: the next download starts with a new one.
    pub(crate) fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(theirs) => Ok((ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(part: &PartialDownload) -> String {
        let mut text = String::new();
        part.reader().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_download_is_resumed_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        let mut part = PartialDownload::lock(path.clone()).unwrap();
        part.append(b"ab").unwrap();
        drop(part);
        let mut part = PartialDownload::lock(path.clone()).unwrap();
        assert_eq!((part.len().unwrap(), text(&part)), (2, "ab".into()));
        part.append(b"c").unwrap();
        assert_eq!(text(&part), "abc");
        part.clear().unwrap();
        part.append(b"d").unwrap();
        assert_eq!(text(&part), "d");
        part.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn waiting_for_a_removed_file_opens_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        let mut part = PartialDownload::lock(path.clone()).unwrap();
        part.append(b"ab").unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || PartialDownload::lock(path).unwrap()
        });
        part.remove().unwrap();
        drop(part);
        let part = waiting.join().unwrap();
        assert_eq!(part.len().unwrap(), 0);
        assert!(path.exists());
    }
}
