//! `vm-system libs download --offline`: reports which libraries are missing.

use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;
use vmcontrol::catalog::DEFAULT_LIBRARY_CACHE;
use vmcontrol::library::{LibraryCache, LockFile};

use super::fetch::find_cached;
use super::package_spec::{self, PackageSpec};
use crate::cli::DownloadArgs;
use crate::failure::{Failure, print_error, verdict};
use crate::output::{Format, Output};

/// Whether a library is in the cache, as it is printed in JSON format.
#[derive(Serialize)]
struct Presence {
    name: String,
    cached: bool,
}

/// Reports the libraries that are missing or damaged, and downloads nothing.
pub(crate) fn run(
    args: &DownloadArgs,
    cache: &LibraryCache,
    output: &mut Output,
) -> Result<(), Failure> {
    let lock = cache.lock()?;
    let mut list = Vec::new();
    for spec in package_spec::parse_all(&args.names, args.file.as_deref(), &lock)? {
        list.push(presence(&spec, cache, &lock)?);
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
            print_error(&format!(
                "{name} is missing or damaged: fetch it with `vm-system libs download {name}{into}`"
            ));
        }
    }
    output.conclude(printed, verdict(missing.is_empty()))
}

/// Searches the cache for a library. A package without a version is present in any version, because
/// only a registry knows the latest one.
fn presence(
    spec: &PackageSpec,
    cache: &LibraryCache,
    lock: &LockFile,
) -> Result<Presence, Failure> {
    let exact = match spec.cache_name() {
        Some(_) => vec![spec.clone()],
        None => lock
            .libraries
            .values()
            .filter(|locked| locked.package == spec.package)
            .map(|locked| PackageSpec {
                version: Some(locked.package_version.clone()),
                ..spec.clone()
            })
            .collect(),
    };
    for spec in exact {
        if let Some(fetched) = find_cached(cache, &spec)? {
            return Ok(Presence {
                name: fetched.name,
                cached: true,
            });
        }
    }
    Ok(Presence {
        name: spec.cache_name().unwrap_or_else(|| spec.to_npm()),
        cached: false,
    })
}

fn lines(out: &mut dyn Write, list: &[Presence]) -> io::Result<()> {
    list.iter()
        .filter(|one| one.cached)
        .try_for_each(|one| writeln!(out, "{} is already in the cache", one.name))
}
