use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use serde::Serialize;
use tokio::task::block_in_place;
use vmcontrol::library::{LibraryCache, LibraryState, LockedLibrary, integrity_of};

use super::checksum::Checksum;
use super::http::Http;
use super::origin::{Content, Origin, Release};
use super::part::Part;
use super::wanted::{Wanted, cached_name};
use super::{archive, choice};
use crate::output::{Bar, Progress};

/// How many files of a package are shown to somebody who has to choose one.
const SHOWN_FILES: usize = 10;

/// Brings libraries into the cache.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// The cache.
    pub cache: LibraryCache,
    /// Where they come from.
    pub origin: Origin,
    /// How they come.
    pub http: Http,
    /// Who watches.
    pub progress: Arc<Progress>,
}

/// A library that is in the cache now.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fetched {
    /// Its name.
    pub name: String,
    /// Whether it had to be downloaded.
    pub downloaded: bool,
    /// Its size.
    pub size_bytes: u64,
    /// Why sessions can't use it; nothing if they can.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl Fetcher {
    /// Brings a library into the cache, unless it is there.
    pub(crate) async fn fetch(&self, wanted: &Wanted) -> Result<Fetched> {
        if let Some(present) = present(&self.cache, wanted)? {
            return Ok(present);
        }
        let lock = self.cache.lock()?;
        let release = self
            .origin
            .release(&self.http, wanted, |name| wanted.file_in(&lock, name))
            .await?;
        let name = cached_name(&wanted.package, &release.version);
        let wanted = &Wanted {
            version: Some(release.version.clone()),
            file: wanted.file_in(&lock, &name),
            ..wanted.clone()
        };
        if let Some(present) = present(&self.cache, wanted)? {
            return Ok(present);
        }
        self.cache.make()?;
        let path = self.cache.path_of(&name)?.with_extension("js.part");
        let lock_part = || Part::lock(path.clone());
        let mut part =
            block_in_place(lock_part).with_context(|| format!("cannot open {}", path.display()))?;
        // Whoever had the file until now may have wanted the same.
        if let Some(present) = present(&self.cache, wanted)? {
            return Ok(present);
        }
        let bar = self.progress.bar(&name);
        if let Err(error) = self.download(&release, &mut part, &bar).await {
            if part.len().is_ok_and(|bytes| bytes == 0) {
                // There is nothing to go on with; the first error is the one to tell.
                let _ = part.remove();
            }
            return Err(error);
        }
        block_in_place(|| self.store(name, wanted, &release, &part))
    }

    /// Downloads all of it; what a registry gives is what the registry says.
    async fn download(&self, release: &Release, part: &mut Part, bar: &Bar) -> Result<()> {
        let url = &release.url;
        let Content::Package { checksum, .. } = &release.content else {
            // Nothing tells whether what an earlier download left belongs to the same file.
            part.clear().context("cannot start over")?;
            return Ok(self.http.download(url, part, bar).await?);
        };
        let mut goes_on = part.len().context("cannot go on")? > 0;
        loop {
            self.http.download(url, part, bar).await?;
            let actual = block_in_place(|| part_checksum(part, checksum))?;
            if actual == *checksum {
                return Ok(());
            }
            part.clear().context("cannot start over")?;
            if !goes_on {
                bail!("its checksum is {actual}, and the registry says {checksum}");
            }
            // What an earlier download left was of something else.
            goes_on = false;
        }
    }

    fn store(
        &self,
        name: String,
        wanted: &Wanted,
        release: &Release,
        part: &Part,
    ) -> Result<Fetched> {
        let taken = take(wanted, release, part);
        // It is whole: there is nothing to go on with, whatever it holds.
        part.remove().context("cannot remove the download")?;
        let (file, code) = taken?;
        let code = with_epilogue(code, wanted.epilogue);
        if std::str::from_utf8(&code).is_err() {
            bail!("{file} is not UTF-8 text");
        }
        let locked = LockedLibrary {
            integrity: integrity_of(&code),
            size_bytes: code.len() as u64,
            package: wanted.package.clone(),
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

    /// A version of a package never changes: one that is not what the lock file says is not what was trusted once.
    fn check_lock(&self, name: &str, new: &LockedLibrary) -> Result<()> {
        let lock = self.cache.lock()?;
        let Some(old) = lock.libraries.get(name) else {
            return Ok(());
        };
        let differ = match (&old.package_integrity, &new.package_integrity) {
            // Checksums of two kinds say nothing about each other.
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

/// A library that is in the cache already, as it is wanted.
pub(crate) fn present(cache: &LibraryCache, wanted: &Wanted) -> Result<Option<Fetched>> {
    let Some(name) = wanted.name() else {
        return Ok(None);
    };
    let lock = cache.lock()?;
    if wanted.is_another_file(&lock, &name) {
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

fn part_checksum(part: &Part, like: &Checksum) -> Result<Checksum> {
    let checksum = part.reader().and_then(|reader| like.of_same_kind(reader));
    checksum.context("cannot read the download")
}

/// The file of a download that is wanted: its path in the package, and its content.
fn take(wanted: &Wanted, release: &Release, part: &Part) -> Result<(String, Vec<u8>)> {
    let reader = || part.reader().context("cannot read the download");
    let hints = match &release.content {
        Content::File { path } => return Ok((path.clone(), archive::read(reader()?, path)?)),
        Content::Package { hints, .. } => hints,
    };
    let file = if let Some(file) = &wanted.file {
        file.clone()
    } else {
        let files = archive::files(reader()?)?;
        choice::choose(&wanted.package, hints, &files)
            .with_context(|| format!("nothing says which file to take: {}", remedy(&files)))?
    };
    if let Some(code) = archive::file(reader()?, &file)? {
        return Ok((file, code));
    }
    let files = archive::files(reader()?)?;
    bail!("the package holds no {file}: {}", remedy(&files))
}

fn remedy(files: &[String]) -> String {
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

/// The code with a line that the catalogue adds, on a line of its own.
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
