//! `vm-system libs`: the cache of JavaScript libraries, which templates name and sessions load.

mod cache;
mod npm;

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use vmcontrol::catalog::{LIBRARIES, Library};

use crate::cli::{Format, LibsArgs, LibsCommand};
use crate::failure::Failure;
use crate::output::{Output, Paint, Table, size};

/// Runs one of the commands.
pub fn run(args: &LibsArgs, output: &mut Output) -> Result<(), Failure> {
    let cache = args.cache.as_path();
    let paint = output.paint();
    match &args.command {
        LibsCommand::Download { names } => download(names, cache, output),
        LibsCommand::List => {
            output.print(&entries(cache)?, |out, list| entry_list(out, paint, list))
        }
        LibsCommand::CacheInfo => output.print(&info(cache)?, cache_info),
    }
}

/// What `download` did with one library, as JSON.
#[derive(Serialize)]
struct Outcome {
    name: String,
    downloaded: bool,
    size_bytes: u64,
}

fn download(names: &[String], cache: &Path, output: &mut Output) -> Result<(), Failure> {
    let mut outcomes = Vec::new();
    for library in wanted(names)? {
        let name = library.name();
        let cached = cache::size_of(cache, &name)?;
        let outcome = Outcome {
            downloaded: cached.is_none(),
            size_bytes: match cached {
                Some(size_bytes) => size_bytes,
                None => npm::download(library, cache)?,
            },
            name,
        };
        if output.format() == Format::Text {
            output.text(|out| downloaded(out, &outcome))?;
            output.finish()?;
        }
        outcomes.push(outcome);
    }
    match output.format() {
        Format::Text => Ok(()),
        Format::Json => output.print(&outcomes, |_, _| Ok(())),
    }
}

fn downloaded(out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
    if outcome.downloaded {
        writeln!(
            out,
            "Downloaded {} ({})",
            outcome.name,
            size(outcome.size_bytes)
        )
    } else {
        writeln!(out, "{} is already in the cache", outcome.name)
    }
}

/// The libraries of these names, with or without version; all when there are none.
fn wanted(names: &[String]) -> Result<Vec<&'static Library>, Failure> {
    if names.is_empty() {
        return Ok(LIBRARIES.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

fn find(name: &str) -> Result<&'static Library, Failure> {
    LIBRARIES
        .iter()
        .find(|library| library.id == name || library.name() == name)
        .ok_or_else(|| {
            let known: Vec<_> = LIBRARIES.iter().map(Library::name).collect();
            Failure::Usage(format!(
                "there is no library {name:?} in the catalogue, which holds {}",
                known.join(", ")
            ))
        })
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
fn entries(cache: &Path) -> Result<Vec<Entry>, Failure> {
    let cached = cache::files(cache)?;
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

fn info(cache: &Path) -> Result<CacheInfo, Failure> {
    let files = cache::files(cache)?;
    let directory = std::path::absolute(cache).unwrap_or_else(|_| cache.to_owned());
    Ok(CacheInfo {
        directory: directory.display().to_string(),
        files: files.len(),
        size_bytes: files.iter().map(|file| file.size_bytes).sum(),
    })
}

fn cache_info(out: &mut dyn Write, info: &CacheInfo) -> io::Result<()> {
    writeln!(out, "Directory: {}", info.directory)?;
    writeln!(out, "Files: {}", info.files)?;
    writeln!(out, "Size: {}", size(info.size_bytes))
}

#[cfg(test)]
mod tests;
