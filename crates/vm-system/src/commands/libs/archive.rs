//! The files of an npm package, a gzipped tar archive.

use std::io::Read;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use tar::Archive;
use vmcontrol::library::MAX_LIBRARY_BYTES;

/// The limit for the unpacked size of an archive in which a file is searched, in bytes. Nothing is
/// written to the disk.
const MAX_UNPACKED_BYTES: u64 = 1024 * 1024 * 1024;

/// The paths of the regular files of a package, relative to the directory that contains all of
/// them.
pub(crate) fn files(package: impl Read) -> Result<Vec<String>> {
    let mut files = Vec::new();
    each_file(package, |path, _| {
        files.push(path);
        Ok(true)
    })?;
    Ok(files)
}

/// The content of one file of a package; `None` if the package has no such file.
pub(crate) fn file(package: impl Read, path_in_package: &str) -> Result<Option<Vec<u8>>> {
    let mut content = None;
    each_file(package, |path, entry| {
        if path != path_in_package {
            return Ok(true);
        }
        content = Some(read(entry, path_in_package)?);
        Ok(false)
    })?;
    Ok(content)
}

/// Reads all of `reader`; an error if it exceeds the size limit of a library.
pub(crate) fn read(reader: impl Read, name: &str) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    reader
        .take(MAX_LIBRARY_BYTES + 1)
        .read_to_end(&mut content)
        .with_context(|| format!("cannot read {name}"))?;
    if content.len() as u64 > MAX_LIBRARY_BYTES {
        bail!("{name} is larger than the {MAX_LIBRARY_BYTES} bytes that a library may have");
    }
    Ok(content)
}

/// Calls `visit` for each regular file until it returns false. Links are skipped: their targets are
/// regular files as well.
fn each_file(
    package: impl Read,
    mut visit: impl FnMut(String, &mut dyn Read) -> Result<bool>,
) -> Result<()> {
    let unpacked = GzDecoder::new(package).take(MAX_UNPACKED_BYTES);
    let mut archive = Archive::new(unpacked);
    let bad = "the package is not an archive as npm makes them";
    for entry in archive.entries().context(bad)? {
        let mut entry = entry.context(bad)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = inner_path(&entry.path().context(bad)?);
        if let Some(path) = path
            && !visit(path, &mut entry)?
        {
            break;
        }
    }
    Ok(())
}

/// The part of a path below its first directory; `None` if it has no such part, or leaves the
/// directory.
fn inner_path(path: &Path) -> Option<String> {
    let parts: Option<Vec<_>> = path
        .components()
        .filter(|part| *part != Component::CurDir)
        .skip(1)
        .map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    parts
        .map(|parts| parts.join("/"))
        .filter(|path| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use tar::{Builder, EntryType, Header};

    use super::*;

    fn package(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut archive = Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, kind, content) in entries {
            let mut header = Header::new_gnu();
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            archive.append(&header, content.as_bytes()).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap()
    }

    #[test]
    fn a_file_is_found_below_any_first_directory() {
        for directory in ["package", "lodash", "./package"] {
            let path = format!("{directory}/dist/a.js");
            let package = package(&[(&path, EntryType::Regular, "var a;")]);
            assert_eq!(files(&package[..]).unwrap(), ["dist/a.js"]);
            let content = file(&package[..], "dist/a.js").unwrap();
            assert_eq!(content.as_deref(), Some(&b"var a;"[..]));
            assert_eq!(file(&package[..], "b.js").unwrap(), None);
        }
    }

    #[test]
    fn links_and_paths_that_leave_the_package_are_no_files() {
        let package = package(&[
            ("package/../../etc/a.js", EntryType::Regular, "evil()"),
            ("package/link.js", EntryType::Symlink, ""),
            ("package/hard.js", EntryType::Link, ""),
            ("package/ok.js", EntryType::Regular, ""),
        ]);
        assert_eq!(files(&package[..]).unwrap(), ["ok.js"]);
    }

    #[test]
    fn other_bytes_than_a_package_are_an_error() {
        let whole = package(&[("package/a.js", EntryType::Regular, &"var a;".repeat(1000))]);
        for bytes in [&b"<html>"[..], &whole[..whole.len() / 2]] {
            assert!(file(bytes, "a.js").is_err());
        }
    }
}
