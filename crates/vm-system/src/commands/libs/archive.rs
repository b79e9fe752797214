use std::io::Read;
use std::path::{Component, Path};

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use tar::Archive;
use vmcontrol::library::MAX_LIBRARY_BYTES;

/// How much of an archive is unpacked in search of a file. Nothing of it is written anywhere.
const MAX_UNPACKED_BYTES: u64 = 1024 * 1024 * 1024;

/// The files of a package, without the directory that npm puts all of them in.
pub(crate) fn files(package: impl Read) -> Result<Vec<String>> {
    let mut files = Vec::new();
    each_file(package, |path, _| {
        files.push(path);
        Ok(true)
    })?;
    Ok(files)
}

/// The content of one file of a package, if there is such a file.
pub(crate) fn file(package: impl Read, wanted: &str) -> Result<Option<Vec<u8>>> {
    let mut content = None;
    each_file(package, |path, entry| {
        if path != wanted {
            return Ok(true);
        }
        content = Some(read(entry, wanted)?);
        Ok(false)
    })?;
    Ok(content)
}

/// What can be read, if it is no more than a library may have.
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

/// Shows the regular files until one is enough. Links are none: what they lead to is a file as well.
fn each_file(
    package: impl Read,
    mut show: impl FnMut(String, &mut dyn Read) -> Result<bool>,
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
            && !show(path, &mut entry)?
        {
            break;
        }
    }
    Ok(())
}

/// A path below the first directory, or nothing for one that is not below it.
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
    fn a_file_is_found_below_whatever_directory_holds_the_package() {
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
    fn what_is_no_package_is_an_error() {
        let whole = package(&[("package/a.js", EntryType::Regular, &"var a;".repeat(1000))]);
        for bytes in [&b"<html>"[..], &whole[..whole.len() / 2]] {
            assert!(file(bytes, "a.js").is_err());
        }
    }
}
