use std::io::{self, Write};

use serde::Serialize;
use vmcontrol::catalog::LIBRARIES;
use vmcontrol::library::LibraryCache;

use crate::failure::Failure;
use crate::output::{Output, Paint, Table, size};

/// Lists what is in the cache, and what of the catalogue is not.
pub(crate) fn list(cache: &LibraryCache, output: &mut Output) -> Result<(), Failure> {
    let paint = output.paint();
    output.print(&entries(cache)?, |out, list| entry_list(out, paint, list))
}

/// Says where the cache is and how large.
pub(crate) fn info(cache: &LibraryCache, output: &mut Output) -> Result<(), Failure> {
    output.print(&cache_info(cache)?, write_info)
}

/// A library of the cache or the catalogue, as JSON.
#[derive(Serialize)]
struct Entry {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    global: Option<&'static str>,
    cached: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
}

/// What is in the cache, by name, and then what of the catalogue is not.
fn entries(cache: &LibraryCache) -> Result<Vec<Entry>, Failure> {
    let cached = cache.files()?;
    let missing: Vec<_> = LIBRARIES
        .iter()
        .filter(|library| cached.iter().all(|file| file.name != library.name()))
        .map(|library| Entry {
            name: library.name(),
            global: Some(library.global),
            cached: false,
            size_bytes: None,
        })
        .collect();
    let known = |name: &str| LIBRARIES.iter().find(|library| library.name() == name);
    let present = cached.into_iter().map(|file| Entry {
        global: known(&file.name).map(|library| library.global),
        name: file.name,
        cached: true,
        size_bytes: Some(file.size_bytes),
    });
    Ok(present.chain(missing).collect())
}

fn entry_list(out: &mut dyn Write, paint: Paint, entries: &[Entry]) -> io::Result<()> {
    let rows = entries.iter().map(|entry| {
        [
            entry.name.clone(),
            entry.global.unwrap_or("-").to_owned(),
            entry.size_bytes.map_or("not downloaded".into(), size),
        ]
    });
    Table::new(["NAME", "GLOBAL", "SIZE"], rows).write_or(out, paint, "No libraries.")
}

/// Where the cache is and how large, as JSON.
#[derive(Serialize)]
struct CacheInfo {
    directory: String,
    files: usize,
    size_bytes: u64,
}

fn cache_info(cache: &LibraryCache) -> Result<CacheInfo, Failure> {
    let files = cache.files()?;
    let directory = std::path::absolute(cache.dir()).unwrap_or_else(|_| cache.dir().to_owned());
    Ok(CacheInfo {
        directory: directory.display().to_string(),
        files: files.len(),
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
    })
}

fn write_info(out: &mut dyn Write, info: &CacheInfo) -> io::Result<()> {
    writeln!(out, "Directory: {}", info.directory)?;
    writeln!(out, "Files: {}", info.files)?;
    writeln!(out, "Size: {}", size(info.size_bytes))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use insta::assert_snapshot;

    use super::*;
    use crate::output::testing::printed;

    #[test]
    fn the_list_holds_what_is_there_and_what_is_missing() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join("dayjs-1.11.10.js"), [b' '; 7161]).unwrap();
        fs::write(cache.path().join("own.js"), "var own;").unwrap();
        let list = entries(&LibraryCache::new(cache.path())).unwrap();
        let plain = Paint::new(false);
        assert_snapshot!(printed(|out| entry_list(out, plain, &list)), @r"
        NAME            GLOBAL   SIZE
        dayjs-1.11.10   dayjs    7 KB
        own             -        8 B
        lodash-4.17.21  _        not downloaded
        moment-2.29.4   moment   not downloaded
        axios-1.6.0     axios    not downloaded
        ramda-0.29.0    R        not downloaded
        zustand-4.4.7   zustand  not downloaded
        ");
    }

    #[test]
    fn the_cache_is_described_in_three_lines() {
        let info = CacheInfo {
            directory: "/srv/.vm-cache/libraries".into(),
            files: 2,
            size_bytes: 1_234_567,
        };
        assert_snapshot!(printed(|out| write_info(out, &info)), @r"
        Directory: /srv/.vm-cache/libraries
        Files: 2
        Size: 1.2 MB
        ");
    }
}
