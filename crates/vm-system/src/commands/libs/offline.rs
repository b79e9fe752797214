use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;
use vmcontrol::library::{LibraryCache, LockFile};

use super::fetch::present;
use super::wanted::{self, Wanted};
use crate::cli::{DownloadArgs, Format};
use crate::failure::{Failure, say_error, verdict};
use crate::output::Output;

/// Whether a library is there, as JSON.
#[derive(Serialize)]
struct Presence {
    name: String,
    cached: bool,
}

/// Downloads nothing, and says what is not there as it should be.
pub(crate) fn run(
    args: &DownloadArgs,
    cache: &LibraryCache,
    output: &mut Output,
) -> Result<(), Failure> {
    let lock = cache.lock()?;
    let mut list = Vec::new();
    for wanted in wanted::all(&args.names, args.file.as_deref(), &lock)? {
        list.push(presence(&wanted, cache, &lock)?);
    }
    let printed = output.print(&list, |out, list| lines(out, list));
    let into = if cache.dir() == Path::new(DEFAULT_LIBRARY_CACHE) {
        String::new()
    } else {
        format!(" --cache {}", cache.dir().display())
    };
    let missing: Vec<_> = list.iter().filter(|one| !one.cached).collect();
    if output.format() == Format::Text {
        for Presence { name, .. } in &missing {
            say_error(&format!(
                "{name} is missing or damaged: fetch it with `vm-system libs download {name}{into}`"
            ));
        }
    }
    output.conclude(printed, verdict(missing.is_empty()))
}

/// A package without a version is there if any of its versions is: only a registry knows the latest.
fn presence(wanted: &Wanted, cache: &LibraryCache, lock: &LockFile) -> Result<Presence, Failure> {
    let exact = match wanted.name() {
        Some(_) => vec![wanted.clone()],
        None => lock
            .libraries
            .values()
            .filter(|locked| locked.package == wanted.package)
            .map(|locked| Wanted {
                version: Some(locked.package_version.clone()),
                ..wanted.clone()
            })
            .collect(),
    };
    for wanted in exact {
        if let Some(fetched) = present(cache, &wanted)? {
            return Ok(Presence {
                name: fetched.name,
                cached: true,
            });
        }
    }
    Ok(Presence {
        name: wanted.name().unwrap_or_else(|| wanted.spec()),
        cached: false,
    })
}

fn lines(out: &mut dyn Write, list: &[Presence]) -> io::Result<()> {
    list.iter()
        .filter(|one| one.cached)
        .try_for_each(|one| writeln!(out, "{} is already in the cache", one.name))
}
