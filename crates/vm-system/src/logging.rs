//! The log on standard error.

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

use crate::cli::LogFormat;
use crate::output;

/// How many lines of a daemon's log may wait for somebody who reads it; those that come then are left out.
const WAITING_LINES: usize = 10_000;

/// Starts logging what passes the filter; without a format, for people on a terminal and as JSON lines elsewhere. With
/// `is_daemon` nothing waits for whoever reads the log, who may have stopped: a thread writes it, and what this returns sees to
/// the last lines.
pub fn init(filter: &str, format: Option<LogFormat>, is_daemon: bool) -> Option<WorkerGuard> {
    let terminal = io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Human
    } else {
        LogFormat::Json
    });
    let (writer, guard) = if is_daemon {
        let (writer, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(WAITING_LINES)
            .lossy(true)
            .thread_name("log")
            .finish(io::stderr());
        (BoxMakeWriter::new(writer), Some(guard))
    } else {
        (BoxMakeWriter::new(io::stderr), None)
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(writer)
        .with_ansi(terminal && output::colours_are_welcome())
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
    guard
}

/// Checks a log level, or a list of directives like `warn,vmcontrol=debug`.
///
/// # Errors
/// What is wrong with it. A lone word has to be a level: the filter would take it for the name of a module.
pub fn parse_filter(text: &str) -> Result<String, String> {
    const HINT: &str =
        "expected off, error, warn, info, debug, trace or directives like warn,vmcontrol=debug";
    for directive in text.split(',') {
        let level = directive.trim();
        // Nothing at all would parse as a level.
        let is_level = !level.is_empty() && level.parse::<LevelFilter>().is_ok();
        if !is_level && !directive.contains('=') {
            return Err(HINT.into());
        }
    }
    match EnvFilter::try_new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}: {HINT}")),
    }
}

#[cfg(test)]
mod tests {
    use super::parse_filter;

    #[test]
    fn levels_and_directives_pass_and_typos_do_not() {
        for good in ["off", "info", "DEBUG", "warn,vmcontrol=debug"] {
            assert_eq!(parse_filter(good).as_deref(), Ok(good));
        }
        for bad in ["", "inof", "info,", "vmcontrol=loud", "warn,vmcontrol"] {
            assert!(parse_filter(bad).is_err(), "{bad}");
        }
    }
}
