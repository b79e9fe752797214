use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file that is being downloaded. It stays when the download is cut off, to be gone on with.
///
/// It is locked as long as this lives, so that two processes that want the same library don't write into one file.
#[derive(Debug)]
pub(crate) struct Part {
    file: File,
    path: PathBuf,
}

impl Part {
    /// Opens it at its end; waits until nobody else has it.
    pub(crate) fn lock(path: PathBuf) -> io::Result<Self> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .append(true)
                .create(true)
                .open(&path)?;
            file.lock()?;
            // Whoever had it may have removed it meanwhile: then this is not the file that the next one opens.
            if is_same(&file, &path)? {
                return Ok(Self { file, path });
            }
        }
    }

    /// How much there is.
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Adds to the end.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    /// Starts over.
    pub(crate) fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// All there is, from the start.
    pub(crate) fn reader(&self) -> io::Result<impl Read> {
        let mut file = &self.file;
        file.rewind()?;
        Ok(file)
    }

    /// Removes it: the next one to open it has a new one.
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

    fn text(part: &Part) -> String {
        let mut text = String::new();
        part.reader().unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn it_is_gone_on_with_until_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        let mut part = Part::lock(path.clone()).unwrap();
        part.append(b"ab").unwrap();
        drop(part);
        let mut part = Part::lock(path.clone()).unwrap();
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
    fn whoever_waited_for_one_that_was_removed_has_a_new_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.part");
        let mut part = Part::lock(path.clone()).unwrap();
        part.append(b"ab").unwrap();
        let waiting = std::thread::spawn({
            let path = path.clone();
            move || Part::lock(path).unwrap()
        });
        part.remove().unwrap();
        drop(part);
        let part = waiting.join().unwrap();
        assert_eq!(part.len().unwrap(), 0);
        assert!(path.exists());
    }
}
