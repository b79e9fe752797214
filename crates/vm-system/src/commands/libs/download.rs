//! `vm-system libs download`: downloads libraries into the cache.

use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use vmcontrol::library::LibraryCache;

use super::fetch::{Fetched, Fetcher, find_cached};
use super::http::Http;
use super::load_check::LoadCheck;
use super::origin::Origin;
use super::package_spec::{self, PackageSpec};
use crate::cli::DownloadArgs;
use crate::failure::{Failure, print_error, print_warning, verdict, with_causes};
use crate::output::{Format, Output, Progress, size};

/// The maximum number of concurrent downloads.
const MAX_CONCURRENT: usize = 4;

/// The name of a requested library, and the task that brings it into the cache.
type DownloadTask = (String, JoinHandle<Result<Fetched>>);

/// The outcome of one download, as it is printed in JSON format.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Fetched(Fetched),
    Failed { name: String, error: String },
}

/// Downloads the libraries that are not in the cache. A failed download does not stop the others.
pub(crate) async fn run(
    args: &DownloadArgs,
    cache: LibraryCache,
    output: &mut Output,
) -> Result<(), Failure> {
    let specs = package_spec::parse_all(&args.names, args.file.as_deref(), &cache.lock()?)?;
    let progress = Arc::new(Progress::new(output.format()));
    let tasks = start(args, cache, specs, &progress).await?;
    let mut outcomes = Vec::new();
    // A closed standard output does not stop the downloads.
    let mut printed = Ok(());
    for (name, task) in tasks {
        let outcome = match task.await.context("a download broke off")? {
            Ok(fetched) => Outcome::Fetched(fetched),
            Err(error) => Outcome::Failed {
                error: with_causes(&error.context(format!("cannot download {name}"))),
                name,
            },
        };
        printed = progress
            .print(|| print_outcome(&outcome, output))
            .and(printed);
        outcomes.push(outcome);
    }
    if output.format() == Format::Json {
        printed = output.print(&outcomes, |_, _| Ok(()));
    }
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
    output.conclude(printed, verdict(!outcomes.iter().any(failed)))
}

/// Starts a task for each library, in the order in which the outcomes are printed.
async fn start(
    args: &DownloadArgs,
    cache: LibraryCache,
    specs: Vec<PackageSpec>,
    progress: &Arc<Progress>,
) -> Result<Vec<DownloadTask>, Failure> {
    let cached = specs
        .iter()
        .map(|spec| find_cached(&cache, spec))
        .collect::<Result<Option<Vec<_>>>>()?;
    if let Some(cached) = cached {
        // No origin has to be configured if nothing has to be downloaded.
        let load_check = Arc::new(LoadCheck::new(cache)?);
        let check = |fetched: Fetched| {
            let load_check = Arc::clone(&load_check);
            let name = fetched.name.clone();
            (
                name,
                tokio::spawn(async move { load_check.check(fetched).await }),
            )
        };
        return Ok(cached.into_iter().map(check).collect());
    }
    let load_check = Arc::new(LoadCheck::new(LibraryCache::new(cache.dir()))?);
    let fetcher = Arc::new(Fetcher {
        cache,
        origin: Origin::of(args).await?,
        http: Http::new().context("cannot set up an HTTP client")?,
        progress: Arc::clone(progress),
    });
    let permits = Arc::new(Semaphore::new(MAX_CONCURRENT));
    let start = |spec: PackageSpec| {
        let (fetcher, permits) = (Arc::clone(&fetcher), Arc::clone(&permits));
        let load_check = Arc::clone(&load_check);
        let name = spec.to_npm();
        let task = async move {
            let _permit = permits.acquire().await?;
            load_check.check(fetcher.fetch(&spec).await?).await
        };
        (name, tokio::spawn(task))
    };
    Ok(specs.into_iter().map(start).collect())
}

/// Prints the outcome of one download.
fn print_outcome(outcome: &Outcome, output: &mut Output) -> Result<(), Failure> {
    match outcome {
        Outcome::Failed { error, .. } => print_error(error),
        Outcome::Fetched(fetched) if output.format() == Format::Text => {
            output.text(|out| line(out, fetched))?;
            if let Some(warning) = &fetched.warning {
                output.finish()?;
                print_warning(&format!("{}: {warning}", fetched.name));
            }
        }
        Outcome::Fetched(_) => {}
    }
    output.finish()
}

fn line(out: &mut dyn Write, fetched: &Fetched) -> io::Result<()> {
    let name = &fetched.name;
    if fetched.downloaded {
        writeln!(out, "Downloaded {name} ({})", size(fetched.size_bytes))
    } else {
        writeln!(out, "{name} is already in the cache")
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::output::testing::printed;

    #[test]
    fn a_download_is_one_line() {
        let fetched = |downloaded| Fetched {
            name: "lodash-4.17.21".into(),
            downloaded,
            size_bytes: 73_015,
            warning: None,
        };
        assert_snapshot!(
            printed(|out| line(out, &fetched(true))),
            @"Downloaded lodash-4.17.21 (73 KB)"
        );
        assert_snapshot!(
            printed(|out| line(out, &fetched(false))),
            @"lodash-4.17.21 is already in the cache"
        );
    }
}
