use std::io::{self, Write};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use vmcontrol::library::LibraryCache;

use super::fetch::{Fetched, Fetcher, present};
use super::http::Http;
use super::origin::Origin;
use super::trial::Trial;
use super::wanted::{self, Wanted};
use crate::cli::{DownloadArgs, Format};
use crate::failure::{Failure, say_error, say_warning, verdict, with_causes};
use crate::output::Progress;
use crate::output::{Output, size};

/// How many libraries are downloaded at once.
const AT_ONCE: usize = 4;

/// A library that was asked for, and the task that brings it into the cache.
type Running = (String, JoinHandle<Result<Fetched>>);

/// What became of one library, as JSON.
#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Fetched(Fetched),
    Failed { name: String, error: String },
}

/// Downloads what is not there yet. One that fails keeps none of the others from being downloaded.
pub(crate) async fn run(
    args: &DownloadArgs,
    cache: LibraryCache,
    output: &mut Output,
) -> Result<(), Failure> {
    let wanted = wanted::all(&args.names, args.file.as_deref(), &cache.lock()?)?;
    let progress = Arc::new(Progress::new(output.format()));
    let running = start(args, cache, wanted, &progress).await?;
    let mut outcomes = Vec::new();
    // A reader that goes away keeps nothing from being downloaded.
    let mut printed = Ok(());
    for (name, task) in running {
        let outcome = match task.await.context("a download broke off")? {
            Ok(fetched) => Outcome::Fetched(fetched),
            Err(error) => Outcome::Failed {
                error: with_causes(&error.context(format!("cannot download {name}"))),
                name,
            },
        };
        printed = progress.print(|| tell(&outcome, output)).and(printed);
        outcomes.push(outcome);
    }
    if output.format() == Format::Json {
        printed = output.print(&outcomes, |_, _| Ok(()));
    }
    let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
    output.conclude(printed, verdict(!outcomes.iter().any(failed)))
}

/// Starts a task for each library, in the order in which they are told of.
async fn start(
    args: &DownloadArgs,
    cache: LibraryCache,
    wanted: Vec<Wanted>,
    progress: &Arc<Progress>,
) -> Result<Vec<Running>, Failure> {
    let there = wanted
        .iter()
        .map(|wanted| present(&cache, wanted))
        .collect::<Result<Option<Vec<_>>>>()?;
    if let Some(there) = there {
        // Nobody has to say where to download from when there is nothing to download.
        let trial = Arc::new(Trial::new(cache)?);
        let done = |fetched: Fetched| {
            let trial = Arc::clone(&trial);
            let name = fetched.name.clone();
            (name, tokio::spawn(async move { trial.of(fetched).await }))
        };
        return Ok(there.into_iter().map(done).collect());
    }
    let trial = Arc::new(Trial::new(LibraryCache::new(cache.dir()))?);
    let fetcher = Arc::new(Fetcher {
        cache,
        origin: Origin::of(args).await?,
        http: Http::new().context("cannot set up an HTTP client")?,
        progress: Arc::clone(progress),
    });
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    let start = |wanted: Wanted| {
        let (fetcher, turns) = (Arc::clone(&fetcher), Arc::clone(&turns));
        let trial = Arc::clone(&trial);
        let name = wanted.spec();
        let task = async move {
            let _turn = turns.acquire().await?;
            trial.of(fetcher.fetch(&wanted).await?).await
        };
        (name, tokio::spawn(task))
    };
    Ok(wanted.into_iter().map(start).collect())
}

/// Says what became of a library as soon as it is its turn.
fn tell(outcome: &Outcome, output: &mut Output) -> Result<(), Failure> {
    match outcome {
        Outcome::Failed { error, .. } => say_error(error),
        Outcome::Fetched(fetched) if output.format() == Format::Text => {
            output.text(|out| line(out, fetched))?;
            if let Some(warning) = &fetched.warning {
                output.finish()?;
                say_warning(&format!("{}: {warning}", fetched.name));
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
