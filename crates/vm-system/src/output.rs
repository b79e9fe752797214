//! The output of commands: text for people, the API's JSON for programs, colours on terminals that
//! want them.

mod paint;
mod progress;
mod table;

use std::io::{self, BufWriter, IsTerminal, Write};

use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use unicode_width::UnicodeWidthChar;
use vmapi_types::{RawJson, Timestamp};
use vmclient::{Call, Pages};

use crate::failure::Failure;
use crate::screen::{escape_controls, stdout};

pub(crate) use paint::{Paint, colours_are_welcome, is_dumb};
pub(crate) use progress::{Bar, Progress};
pub(crate) use table::Table;

/// The format of answers: text for people, or the API's JSON. The variants have no documentation,
/// which the help would print for each possible value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// Standard output, with the format and the colours of this command.
pub(crate) struct Output {
    out: Box<dyn Write>,
    format: Format,
    paint: Paint,
}

impl Output {
    /// Opens standard output. Colours are used only if it is a terminal that wants them.
    pub(crate) fn stdout(format: Format) -> Self {
        Self {
            format,
            paint: Paint::of(&io::stdout()).with_width(terminal_width()),
            out: Box::new(BufWriter::new(stdout())),
        }
    }

    /// The output format.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether a user reads text on a terminal, as opposed to a program.
    pub(crate) fn is_interactive(&self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }

    /// The colours and the width of standard output.
    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// Sends the call and prints its answer: with the printer `text`, or in JSON format unchanged.
    pub(crate) async fn answer<T: DeserializeOwned + 'static>(
        &mut self,
        call: Call<T>,
        text: impl FnOnce(&mut dyn Write, &T) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => Ok(text(&mut self.out, &call.await?)?),
            Format::Json => self.raw(&call.raw().await?),
        }
    }

    /// Prints an answer as the daemon wrote it, in either format.
    pub(crate) fn raw(&mut self, json: &RawJson) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{json}")?)
    }

    /// Prints a list as one JSON array in either format, page by page, with each item as the daemon
    /// wrote it.
    pub(crate) async fn raw_list(&mut self, mut list: Pages<RawJson>) -> Result<(), Failure> {
        // A refused request must not leave the beginning of an array on standard output.
        let mut page = list.next().await?;
        write!(self.out, "[")?;
        let mut before = "";
        while let Some(items) = page {
            for item in items {
                write!(self.out, "{before}{item}")?;
                before = ",";
            }
            page = list.next().await?;
        }
        Ok(writeln!(self.out, "]")?)
    }

    /// Prints a value that is not an answer of the daemon: with the printer `text`, or in JSON
    /// format as JSON.
    pub(crate) fn print<T: Serialize + ?Sized>(
        &mut self,
        value: &T,
        text: impl FnOnce(&mut dyn Write, &T) -> io::Result<()>,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Text => text(&mut self.out, value)?,
            Format::Json => {
                serde_json::to_writer(&mut self.out, value).map_err(io::Error::from)?;
                writeln!(self.out)?;
            }
        }
        Ok(())
    }

    /// Prints text in either format.
    pub(crate) fn text(
        &mut self,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        Ok(text(&mut self.out)?)
    }

    /// Flushes the output that was printed so far.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// Ends a command that reports a verdict. The verdict is returned even if the reader closed
    /// standard output before all was printed.
    pub(crate) fn conclude(
        &mut self,
        printed: Result<(), Failure>,
        verdict: Result<(), Failure>,
    ) -> Result<(), Failure> {
        match printed.and_then(|()| self.finish()) {
            Ok(()) | Err(Failure::OutputClosed) => verdict,
            Err(failure) => Err(failure),
        }
    }
}

/// The width of the terminal of standard output, in columns; `None` if it is not a terminal.
fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

/// The text on one line of at most `max_columns` terminal columns, with control characters escaped.
/// A text that is too long ends with `…`.
pub(crate) fn one_line(text: &str, max_columns: usize) -> String {
    let mut line = String::new();
    let mut columns = 0;
    // The length of the line, in bytes, up to which there is room for the `…`.
    let mut kept = 0;
    for c in text.chars() {
        let before = line.len();
        line.push_str(&escape_controls(c.encode_utf8(&mut [0; 4])));
        columns += columns_of(&line[before..]);
        if columns > max_columns {
            line.truncate(kept);
            line.push('…');
            break;
        }
        if columns < max_columns {
            kept = line.len();
        }
    }
    line
}

/// The width of a text in terminal columns: wide characters take two, combining ones none. An emoji
/// sequence counts as the sum of its characters, because not all terminals join it.
pub(crate) fn columns_of(text: &str) -> usize {
    let width = |c| UnicodeWidthChar::width(c).unwrap_or_default();
    text.chars().map(width).sum()
}

/// A time for a table cell: in UTC, to the second, like `2023-11-14 22:13:20`.
pub(crate) fn table_time(timestamp: Timestamp) -> String {
    seconds(timestamp).replace('T', " ")
}

/// A time after a label: in UTC, to the second, as RFC 3339 without fractions. The Go service
/// prints times in this form.
pub(crate) fn label_time(timestamp: Timestamp) -> String {
    seconds(timestamp) + "Z"
}

fn seconds(timestamp: Timestamp) -> String {
    let text = timestamp.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    seconds.trim_end_matches('Z').to_owned()
}

/// A size for people, with decimal units, like `1.9 MB`.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", (bytes + 500) / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Support for the tests of printers.

    use std::io::{self, Write};

    /// The text that a printer prints.
    pub(crate) fn printed(print: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        print(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_and_its_control_characters_are_escaped() {
        assert_eq!(one_line("a\nb\u{1b}[1m", 20), "a\\nb\\u001b[1m");
        assert_eq!(one_line("a\u{202e}b", 8), "a\\u202eb");
        assert_eq!(one_line("a\u{202e}b", 7), "a…");
        assert_eq!(one_line("abcde", 5), "abcde");
        assert_eq!(one_line("abcdef", 5), "abcd…");
        assert_eq!(one_line("äöüäöü", 5), "äöüä…");
        assert_eq!(one_line("abc\n", 4), "abc…");
    }

    #[test]
    fn a_line_is_as_long_as_terminals_show_it() {
        assert_eq!(columns_of("日本"), 4);
        assert_eq!(columns_of("e\u{301}"), 1);
        assert_eq!(one_line("日本語", 6), "日本語");
        assert_eq!(one_line("日本語", 5), "日本…");
        assert_eq!(one_line("日本語", 4), "日…");
        assert_eq!(one_line("e\u{301}e\u{301}", 2), "e\u{301}e\u{301}");
    }

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(543_210), "543 KB");
        assert_eq!(size(1_960_000), "1.9 MB");
        let timestamp = Timestamp::from_micros(1_700_000_000_000_120);
        assert_eq!(table_time(timestamp), "2023-11-14 22:13:20");
        assert_eq!(label_time(timestamp), "2023-11-14T22:13:20Z");
    }
}
