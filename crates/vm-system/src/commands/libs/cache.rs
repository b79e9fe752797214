use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::NamedTempFile;

/// The ending of the files in the cache.
const ENDING: &str = "js";

/// A library in the cache.
#[derive(Debug, PartialEq, Eq)]
pub struct CachedFile {
    /// Its name: that of the file, without the ending.
    pub name: String,
    /// Its size.
    pub size_bytes: u64,
}

/// The libraries in the cache, by name. A cache that is not there yet is an empty one.
///
/// # Errors
/// When the directory can't be read.
pub fn files(cache: &Path) -> Result<Vec<CachedFile>> {
    let reading = || format!("cannot read the library cache {}", cache.display());
    let entries = match fs::read_dir(cache) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(reading),
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(reading)?.path();
        let name = path.file_stem().and_then(|stem| stem.to_str());
        let ending = path.extension().is_some_and(|ending| ending == ENDING);
        if let (Some(name), true, Some(size_bytes)) = (name, ending, file_size(&path)?) {
            files.push(CachedFile {
                name: name.to_owned(),
                size_bytes,
            });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

/// The size of a library in the cache, if it is there.
///
/// # Errors
/// When the file system does not say.
pub fn size_of(cache: &Path, name: &str) -> Result<Option<u64>> {
    file_size(&path_of(cache, name))
}

/// Puts a library into the cache: whole or not at all, also when two do it at once.
///
/// # Errors
/// When the directory can't be made or written to.
pub fn store(cache: &Path, name: &str, code: &[u8]) -> Result<()> {
    let path = path_of(cache, name);
    let write = || -> io::Result<()> {
        fs::create_dir_all(cache)?;
        let mut file = shared_temporary_file(cache)?;
        file.write_all(code)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

fn path_of(cache: &Path, name: &str) -> PathBuf {
    cache.join(format!("{name}.{ENDING}"))
}

fn file_size(path: &Path) -> Result<Option<u64>> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.is_file().then_some(metadata.len())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot look at {}", path.display())),
    }
}

/// Readable for whoever the umask lets read: the daemon may be another user's.
#[cfg(unix)]
fn shared_temporary_file(directory: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;

    tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)
}

#[cfg(not(unix))]
fn shared_temporary_file(directory: &Path) -> io::Result<NamedTempFile> {
    NamedTempFile::new_in(directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_listed_by_name_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("not/there/yet");
        assert_eq!(files(&cache).unwrap(), []);
        assert_eq!(size_of(&cache, "b-1.0.0").unwrap(), None);
        store(&cache, "b-1.0.0", b"var b;").unwrap();
        store(&cache, "a", b"old").unwrap();
        store(&cache, "a", b"var a = 1;").unwrap();
        fs::write(cache.join("notes.txt"), "").unwrap();
        fs::create_dir(cache.join("directory.js")).unwrap();
        let file = |name: &str, size_bytes| CachedFile {
            name: name.into(),
            size_bytes,
        };
        assert_eq!(files(&cache).unwrap(), [file("a", 10), file("b-1.0.0", 6)]);
        assert_eq!(size_of(&cache, "b-1.0.0").unwrap(), Some(6));
    }

    #[test]
    fn a_cache_that_is_a_file_is_named() {
        let file = NamedTempFile::new().unwrap();
        let path = file.path().display().to_string();
        let error = store(file.path(), "a", b"").unwrap_err().to_string();
        assert_eq!(error, format!("cannot write {path}/a.js"));
        let error = files(file.path()).unwrap_err().to_string();
        assert_eq!(error, format!("cannot read the library cache {path}"));
    }
}
