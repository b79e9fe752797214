//! Bringing one library into the cache: download, checksum, extraction, lock file.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::task::block_in_place;
use vmcontrol::library::{LibraryCache, LibraryState, LockedLibrary, integrity_of};

use super::checksum::Checksum;
use super::http::Http;
use super::origin::Origin;
use super::package_spec::{PackageSpec, cache_name};
use super::partial_download::PartialDownload;
use super::release::{Content, Release};
use super::{archive, entry_file};
use crate::output::{Bar, Progress};

/// The maximum number of files that an error message suggests for `--file`.
const SHOWN_FILES: usize = 10;

/// Brings libraries into the cache.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// The cache to fill.
    pub cache: LibraryCache,
    /// The origin of the downloads.
    pub origin: Origin,
    /// The HTTP client of the downloads.
    pub http: Http,
    /// The progress bars.
    pub progress: Arc<Progress>,
}

/// A library that is in the cache.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fetched {
    /// The name in the cache, as in `lodash-4.17.21`.
    pub name: String,
    /// Whether it was downloaded now, as opposed to earlier.
    pub downloaded: bool,
    /// The size of its file, in bytes.
    pub size_bytes: u64,
    /// Why sessions can't use it; `None` if they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Fetcher {
    /// Brings a library into the cache, unless it is there already.
    pub(crate) async fn fetch(&self, spec: &PackageSpec) -> Result<Fetched> {
        if let Some(cached) = find_cached(&self.cache, spec)? {
            return Ok(cached);
        }
        let lock = self.cache.lock()?;
        let release = self
            .origin
            .release(&self.http, spec, |name| spec.file_in(&lock, name))
            .await?;
        let name = cache_name(&spec.package, &release.version);
        let spec = &PackageSpec {
            version: Some(release.version.clone()),
            file: spec.file_in(&lock, &name),
            ..spec.clone()
        };
        if let Some(cached) = find_cached(&self.cache, spec)? {
            return Ok(cached);
        }
        self.cache.make()?;
        let path = self.cache.path_of(&name)?.with_extension("js.part");
        let lock_part = || PartialDownload::lock(path.clone());
        let mut part =
            block_in_place(lock_part).with_context(|| format!("cannot open {}", path.display()))?;
        // The process that held the lock until now may have stored the same library.
        if let Some(cached) = find_cached(&self.cache, spec)? {
            return Ok(cached);
        }
        let bar = self.progress.bar(&name);
        if let Err(error) = self.download(&release, &mut part, &bar).await {
            if part.len().is_ok_and(|bytes| bytes == 0) {
                // An empty file can't be resumed. The error of the download is reported, not that
                // of the removal.
                let _ = part.remove();
            }
            return Err(error);
        }
        block_in_place(|| self.store(name, spec, &release, &part))
    }

    /// Downloads the whole content. A package must have the checksum that the registry publishes.
    async fn download(
        &self,
        release: &Release,
        part: &mut PartialDownload,
        bar: &Bar,
    ) -> Result<()> {
        let url = &release.url;
        let Content::Package { checksum, .. } = &release.content else {
            // No checksum can tell whether the bytes of an earlier download belong to the same
            // file.
            part.clear().context("cannot truncate the download")?;
            return Ok(self.http.download(url, part, bar).await?);
        };
        let mut is_resumed = part.len().context("cannot resume the download")? > 0;
        loop {
            self.http.download(url, part, bar).await?;
            let actual = block_in_place(|| checksum_of(part, checksum))?;
            if actual == *checksum {
                return Ok(());
            }
            part.clear().context("cannot truncate the download")?;
            if !is_resumed {
                bail!("its checksum is {actual}, and the registry says {checksum}");
            }
            // The bytes of the earlier download belonged to another file.
            is_resumed = false;
        }
    }

    fn store(
        &self,
        name: String,
        spec: &PackageSpec,
        release: &Release,
        part: &PartialDownload,
    ) -> Result<Fetched> {
        let extracted = extract(spec, release, part);
        // The download is complete, so it is never resumed, even if its content is unusable.
        part.remove().context("cannot remove the download")?;
        let (file, code) = extracted?;
        let code = with_epilogue(code, spec.epilogue);
        if std::str::from_utf8(&code).is_err() {
            bail!("{file} is not UTF-8 text");
        }
        let locked = LockedLibrary {
            integrity: integrity_of(&code),
            size_bytes: code.len() as u64,
            package: spec.package.clone(),
            package_version: release.version.clone(),
            file,
            package_integrity: match &release.content {
                Content::Package { checksum, .. } => Some(checksum.to_string()),
                Content::File { .. } => None,
            },
        };
        self.check_lock(&name, &locked)?;
        self.cache.store(&name, &code, locked)?;
        Ok(Fetched {
            name,
            downloaded: true,
            size_bytes: code.len() as u64,
            warning: None,
        })
    }

    /// Compares a download with the lock file. A version of a package never changes, so a different
    /// checksum means that the content is not the one that was trusted before.
    fn check_lock(&self, name: &str, new: &LockedLibrary) -> Result<()> {
        let lock = self.cache.lock()?;
        let Some(old) = lock.libraries.get(name) else {
            return Ok(());
        };
        let differ = match (&old.package_integrity, &new.package_integrity) {
            // Checksums of two algorithms can't be compared.
            (Some(old), Some(new)) => {
                (old != new && old.split('-').next() == new.split('-').next()).then_some((old, new))
            }
            _ => (old.file == new.file && old.integrity != new.integrity)
                .then_some((&old.integrity, &new.integrity)),
        };
        match differ {
            None => Ok(()),
            Some((expected, actual)) => bail!(
                "its checksum is {actual}, and the lock file says {expected}: remove {name} from the lock file if \
                 you trust what is there now"
            ),
        }
    }
}

/// Finds a library in the cache with the requested version and file, and with the checksum of the
/// lock file; `None` if it has to be downloaded.
pub(crate) fn find_cached(cache: &LibraryCache, spec: &PackageSpec) -> Result<Option<Fetched>> {
    let Some(name) = spec.cache_name() else {
        return Ok(None);
    };
    let lock = cache.lock()?;
    if spec.is_another_file(&lock, &name) {
        return Ok(None);
    }
    let Some(locked) = lock.libraries.get(&name) else {
        return Ok(None);
    };
    let checked = block_in_place(|| cache.check(&name, &locked.integrity))?;
    let size = checked
        .size_bytes
        .filter(|_| checked.state == LibraryState::Ok);
    Ok(size.map(|size_bytes| Fetched {
        name,
        downloaded: false,
        size_bytes,
        warning: None,
    }))
}

fn checksum_of(part: &PartialDownload, like: &Checksum) -> Result<Checksum> {
    let checksum = part
        .reader()
        .and_then(|reader| like.compute_same_kind(reader));
    checksum.context("cannot read the download")
}

/// Extracts the requested file of a download; returns its path in the package and its content.
fn extract(
    spec: &PackageSpec,
    release: &Release,
    part: &PartialDownload,
) -> Result<(String, Vec<u8>)> {
    let reader = || part.reader().context("cannot read the download");
    let entry_fields = match &release.content {
        Content::File { path } => return Ok((path.clone(), archive::read(reader()?, path)?)),
        Content::Package { entry_fields, .. } => entry_fields,
    };
    let file = if let Some(file) = &spec.file {
        file.clone()
    } else {
        let files = archive::files(reader()?)?;
        entry_file::choose(&spec.package, entry_fields, &files).with_context(|| {
            format!(
                "no file of the package is known to be the library: {}",
                file_suggestion(&files)
            )
        })?
    };
    if let Some(code) = archive::file(reader()?, &file)? {
        return Ok((file, code));
    }
    let files = archive::files(reader()?)?;
    bail!("the package holds no {file}: {}", file_suggestion(&files))
}

fn file_suggestion(files: &[String]) -> String {
    let scripts: Vec<_> = files
        .iter()
        .filter(|file| Path::new(file).extension() == Some(OsStr::new("js")))
        .take(SHOWN_FILES)
        .map(String::as_str)
        .collect();
    if scripts.is_empty() {
        "it holds no scripts".into()
    } else {
        format!("name one with --file, as in {}", scripts.join(", "))
    }
}

/// Appends the line that the catalogue adds to the code, on a line of its own.
fn with_epilogue(mut code: Vec<u8>, epilogue: &str) -> Vec<u8> {
    if !epilogue.is_empty() {
        if !code.ends_with(b"\n") {
            code.push(b'\n');
        }
        code.extend_from_slice(epilogue.as_bytes());
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epilogue_stands_on_a_line_of_its_own() {
        assert_eq!(with_epilogue(b"a".to_vec(), ""), b"a");
        assert_eq!(with_epilogue(b"a".to_vec(), "b\n"), b"a\nb\n");
        assert_eq!(with_epilogue(b"a\n".to_vec(), "b\n"), b"a\nb\n");
    }
}
