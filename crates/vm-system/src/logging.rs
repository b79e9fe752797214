//! The log on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::LogFormat;
use crate::output;

/// Starts logging what passes the filter; without a format, for people on a terminal and as JSON lines elsewhere.
pub fn init(filter: &str, format: Option<LogFormat>) {
    let terminal = io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal {
        LogFormat::Human
    } else {
        LogFormat::Json
    });
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(io::stderr)
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
