//! The log: on standard error, or in a file.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::cli::LogFormat;
use crate::failure::Failure;
use crate::output::{self, Screen};

/// How many lines of a daemon's log may wait for somebody who reads it; those that come then are left out.
const WAITING_LINES: usize = 10_000;

/// The level of the Go service above all others: for what ends the process, which is said on standard error and is no part of
/// the log.
const FATAL: &str = "fatal";

/// What is logged, how, and where to.
pub(crate) struct Log<'a> {
    /// A level, or directives, as [`parse_filter`] takes them.
    pub filter: &'a str,
    /// The format: without one for people on a terminal, and JSON lines elsewhere.
    pub format: Option<LogFormat>,
    /// The file in the place of standard error; what it holds stays.
    pub file: Option<&'a Path>,
    /// Whether nothing may wait for whoever reads the log, who may have stopped: a thread writes it.
    pub is_daemon: bool,
}

impl Log<'_> {
    /// Starts logging. What this returns sees to the last lines.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn start(self) -> Result<Option<WorkerGuard>, Failure> {
        let (stream, is_terminal) = self.stream()?;
        let format = self.format.unwrap_or(if is_terminal {
            LogFormat::Human
        } else {
            LogFormat::Json
        });
        let (writer, guard) = if self.is_daemon {
            let (writer, guard) = NonBlockingBuilder::default()
                .buffered_lines_limit(WAITING_LINES)
                .lossy(true)
                .thread_name("log")
                .finish(stream);
            (BoxMakeWriter::new(writer), Some(guard))
        } else {
            (BoxMakeWriter::new(Mutex::new(stream)), None)
        };
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(without_fatal(self.filter)))
            .with_writer(writer)
            .with_ansi(is_terminal && output::colours_are_welcome())
            .log_internal_errors(false);
        // A log that is there already, as in a test, stays.
        let _ = match format {
            LogFormat::Human => builder.try_init(),
            LogFormat::Json => builder
                .json()
                .flatten_event(true)
                .with_span_list(false)
                .try_init(),
        };
        Ok(guard)
    }

    /// Where to, and whether that is a terminal.
    fn stream(&self) -> Result<(Box<dyn Write + Send>, bool), Failure> {
        let Some(path) = self.file else {
            return Ok((Box::new(output::stderr()), io::stderr().is_terminal()));
        };
        let file =
            open(path).with_context(|| format!("cannot write the log to {}", path.display()))?;
        let is_terminal = file.is_terminal();
        Ok((Box::new(Screen::new(file, is_terminal)), is_terminal))
    }
}

/// Opens a log that others can't read: it tells what was asked for. What is written is added at the end, wherever that is by
/// then, so that somebody else can cut the file short.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// The directives with `off` for the level that there is not.
fn without_fatal(filter: &str) -> Cow<'_, str> {
    let level = |directive: &str| {
        directive
            .rsplit('=')
            .next()
            .map(str::trim)
            .map(str::to_owned)
    };
    let is_fatal =
        |directive: &str| level(directive).is_some_and(|level| level.eq_ignore_ascii_case(FATAL));
    if !filter.split(',').any(is_fatal) {
        return filter.into();
    }
    let directives = filter.split(',').map(|directive| {
        let target = &directive[..directive.rfind('=').map_or(0, |at| at + 1)];
        if is_fatal(directive) {
            format!("{target}off")
        } else {
            directive.to_owned()
        }
    });
    directives.collect::<Vec<_>>().join(",").into()
}

/// Checks a log level, or a list of directives like `warn,vmcontrol=debug`.
///
/// # Errors
/// What is wrong with it. A lone word has to be a level: the filter would take it for the name of a module.
pub(crate) fn parse_filter(text: &str) -> Result<String, String> {
    const HINT: &str = "expected off, fatal, error, warn, info, debug, trace or directives like warn,vmcontrol=debug";
    let meant = without_fatal(text);
    for directive in meant.split(',') {
        let level = directive.trim();
        // Nothing at all would parse as a level.
        let is_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
        if !is_level && !directive.contains('=') {
            return Err(HINT.into());
        }
    }
    match EnvFilter::try_new(&meant) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}: {HINT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_filter, without_fatal};

    #[test]
    fn levels_and_directives_pass_and_typos_do_not() {
        for good in [
            "off",
            "info",
            "DEBUG",
            "warn,vmcontrol=debug",
            "fatal",
            "Fatal",
            "fatal,vmcontrol=debug",
            "warn,vmcontrol=fatal",
        ] {
            assert_eq!(parse_filter(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "inof",
            "info,",
            "vmcontrol=loud",
            "warn,vmcontrol",
            "fatally",
        ] {
            assert!(parse_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn nothing_is_logged_at_the_level_of_what_ends_the_process() {
        assert_eq!(without_fatal("fatal"), "off");
        assert_eq!(
            without_fatal("FATAL, vmcontrol=debug"),
            "off, vmcontrol=debug"
        );
        assert_eq!(without_fatal("info,vmcontrol=fatal"), "info,vmcontrol=off");
        assert_eq!(without_fatal("info,fatal_x=debug"), "info,fatal_x=debug");
    }
}
