use std::io::{self, IsTerminal};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::visible;
use crate::cli::Format;

/// Bars on the terminal, one for each download; nothing where nobody watches.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    bars: Option<MultiProgress>,
}

/// How far a download is. It goes away with the download.
#[derive(Debug, Default)]
pub(crate) struct Bar {
    bar: Option<ProgressBar>,
}

impl Progress {
    /// Bars on standard error, if people read the output there.
    pub(crate) fn new(format: Format) -> Self {
        let watched = format == Format::Text && io::stderr().is_terminal();
        Self {
            bars: watched.then(MultiProgress::new),
        }
    }

    /// A bar for one download.
    pub(crate) fn bar(&self, name: &str) -> Bar {
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::no_length());
            let style =
                ProgressStyle::with_template("{msg:28} {wide_bar} {bytes:>10} of {total_bytes:10}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            // It is drawn by the library.
            bar.set_message(visible(name).into_owned());
            bar
        });
        Bar { bar }
    }

    /// Prints something between the bars.
    pub(crate) fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bars {
            Some(bars) => bars.suspend(print),
            None => print(),
        }
    }
}

impl Bar {
    /// Some is there, and so much more is to come, if that is known.
    pub(crate) fn start(&self, have_bytes: u64, rest_bytes: Option<u64>) {
        if let Some(bar) = &self.bar {
            if let Some(rest) = rest_bytes {
                bar.set_length(have_bytes + rest);
            }
            bar.set_position(have_bytes);
        }
    }

    /// More has come.
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
