//! Progress bars of downloads.

use std::io::{self, IsTerminal};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::Format;
use crate::screen::escape_controls;

/// A group of progress bars, one for each download; without effect if standard error is not a
/// terminal.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
}

/// The progress bar of one download. It disappears on drop.
#[derive(Debug, Default)]
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Creates the group on standard error. It is inactive for JSON output and without a terminal.
    pub(crate) fn new(format: Format) -> Self {
        let is_visible = format == Format::Text && io::stderr().is_terminal();
        Self {
            bars: is_visible.then(MultiProgress::new),
        }
    }

    /// Adds the bar of one download.
    pub(crate) fn bar(&self, name: &str) -> Bar {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length());
            let style =
                ProgressStyle::with_template("{msg:28} {wide_bar} {bytes:>10} of {total_bytes:10}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            // The library draws the name itself, so control characters are escaped here.
            bar.set_message(escape_controls(name).into_owned());
            bar
        });
        Bar { bar }
    }

    /// Runs `print` while the bars are hidden, so that its output does not mix with theirs.
    pub(crate) fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }
}

impl Bar {
    /// Starts the bar with the bytes that are there already and those that are missing; `None` if
    /// the server did not announce a length.
    pub(crate) fn start(&self, have_bytes: u64, rest_bytes: Option<u64>) {
        if let Some(bar) = &self.bar {
            if let Some(rest) = rest_bytes {
                bar.set_length(have_bytes + rest);
            }
            bar.set_position(have_bytes);
        }
    }

    /// Advances the bar by the number of bytes that were received.
    pub(crate) fn advance(&self, bytes: u64) {
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
