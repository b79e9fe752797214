//! The log: on standard error, or in a file.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;

use anyhow::Context;
use clap::ValueEnum;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::failure::Failure;
use crate::output::colours_are_welcome;
use crate::screen::{self, Screen};

/// The size of the buffer between a daemon and the thread that writes its log, in lines. Lines that
/// do not fit are dropped.
const WAITING_LINES: usize = 10_000;

/// The highest level of the Go service, for errors that end the process. Those are printed on
/// standard error and are no part of this log.
const FATAL: &str = "fatal";

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for people. The Go service calls it `text`.
    #[value(alias = "text")]
    Human,
    /// One JSON object per line.
    Json,
}

/// Why a text is not a log filter.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidFilter {
    /// A directive is neither a level nor a pair of a target and a level.
    #[error("{FILTER_HINT}")]
    Directive,
    /// The parser of filters refuses the text, for this reason.
    #[error("{0}: {FILTER_HINT}")]
    Syntax(String),
}

/// The forms that a filter can have, for error messages.
const FILTER_HINT: &str =
    "expected off, fatal, error, warn, info, debug, trace or directives like warn,vmcontrol=debug";

/// The settings of the log.
pub(crate) struct Log<'a> {
    /// A level or a list of directives, as [`parse_filter`] accepts them.
    pub filter: &'a str,
    /// The format; `None` chooses the human one on a terminal and JSON elsewhere.
    pub format: Option<LogFormat>,
    /// The log file, to which lines are appended; `None` logs to standard error.
    pub file: Option<&'a Path>,
    /// Whether the process must never wait for the reader of the log: a separate thread writes it
    /// then.
    pub is_daemon: bool,
}

impl Log<'_> {
    /// Starts logging. The returned guard writes the last lines when it is dropped; `None` if no
    /// thread writes the log.
    ///
    /// # Errors
    /// When the log file can't be opened.
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
            .with_ansi(is_terminal && colours_are_welcome())
            .log_internal_errors(false);
        // An installed subscriber, as in a test, stays.
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

    /// The stream that the log is written to, and whether it is a terminal.
    fn stream(&self) -> Result<(Box<dyn Write + Send>, bool), Failure> {
        let Some(path) = self.file else {
            return Ok((Box::new(screen::stderr()), io::stderr().is_terminal()));
        };
        let file =
            open(path).with_context(|| format!("cannot write the log to {}", path.display()))?;
        let is_terminal = file.is_terminal();
        Ok((Box::new(Screen::new(file, is_terminal)), is_terminal))
    }
}

/// Opens a log file with mode 0600, because it names the objects of requests. Lines are appended at
/// the current end of the file, so that another program can truncate it.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Replaces the level `fatal`, which `tracing` does not have, by `off`.
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

/// Checks a log level or a list of directives like `warn,vmcontrol=debug`, and returns it
/// unchanged.
///
/// # Errors
/// [`InvalidFilter`]. A single word has to be a level: the filter would take any other for the name
/// of a module.
pub(crate) fn parse_filter(text: &str) -> Result<String, InvalidFilter> {
    let meant = without_fatal(text);
    for directive in meant.split(',') {
        let level = directive.trim();
        // The parser accepts an empty text as a level.
        let is_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
        if !is_level && !directive.contains('=') {
            return Err(InvalidFilter::Directive);
        }
    }
    match EnvFilter::try_new(&meant) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(InvalidFilter::Syntax(error.to_string())),
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
