//! What commands print: text for people, the API's JSON for programs, colours where they are welcome.

mod paint;
mod progress;
mod screen;
mod table;

use std::io::{self, BufWriter, IsTerminal, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use unicode_width::UnicodeWidthChar;
use vmapi_types::{RawJson, Timestamp};
use vmclient::{Call, Portions};

use crate::cli::Format;
use crate::failure::Failure;

pub(crate) use paint::{Paint, colours_are_welcome, is_dumb};
pub(crate) use progress::{Bar, Progress};
pub(crate) use screen::{Screen, marked, settle, stderr, stdout, visible};
pub(crate) use table::Table;

/// Standard output, in the format and the colours that were asked for.
pub(crate) struct Output {
    out: Box<dyn Write>,
    format: Format,
    paint: Paint,
}

impl Output {
    /// Standard output. Colours only if it is a terminal that wants them.
    pub(crate) fn stdout(format: Format) -> Self {
        Self {
            format,
            paint: Paint::of(&io::stdout()).with_width(terminal_width()),
            out: Box::new(BufWriter::new(stdout())),
        }
    }

    /// The format that was asked for.
    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether somebody watches a terminal, and not a program reads.
    pub(crate) fn is_watched(&self) -> bool {
        self.format == Format::Text && io::stdout().is_terminal()
    }

    /// The colours to print with.
    pub(crate) fn paint(&self) -> Paint {
        self.paint
    }

    /// Makes the call and prints its answer: with `text`, or as it came if JSON was asked for.
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

    /// Prints an answer as it came, whatever the format.
    pub(crate) fn raw(&mut self, json: &RawJson) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{json}")?)
    }

    /// Prints a list as one JSON list, whatever the format; each item as it came, portion by portion.
    pub(crate) async fn raw_list(&mut self, mut list: Portions<RawJson>) -> Result<(), Failure> {
        // What is refused leaves nothing that looks like a list.
        let mut portion = list.next().await?;
        write!(self.out, "[")?;
        let mut before = "";
        while let Some(items) = portion {
            for item in items {
                write!(self.out, "{before}{item}")?;
                before = ",";
            }
            portion = list.next().await?;
        }
        Ok(writeln!(self.out, "]")?)
    }

    /// Prints what did not come from the daemon: with `text`, or as JSON if that was asked for.
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

    /// Prints text, whatever the format.
    pub(crate) fn text(
        &mut self,
        text: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        Ok(text(&mut self.out)?)
    }

    /// Lets the reader see what was printed so far.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        Ok(self.out.flush()?)
    }

    /// Ends a command that found something out and printed it: the verdict stands also if the reader had seen enough before.
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

/// The width of the terminal that standard output is, if it is one.
fn terminal_width() -> Option<usize> {
    let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
    Some(width.0.into())
}

/// One line of at most that many columns, with control characters as text.
pub(crate) fn one_line(text: &str, max_columns: usize) -> String {
    let mut line = String::new();
    let mut columns = 0;
    // Up to where there is room for the mark that says that it is cut.
    let mut kept = 0;
    for c in text.chars() {
        let before = line.len();
        line.push_str(&visible(c.encode_utf8(&mut [0; 4])));
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

/// How many columns of a terminal a text takes: wide characters take two, marks on others none. What terminals join into one
/// picture counts as its parts: not all of them do.
pub(crate) fn columns_of(text: &str) -> usize {
    let width = |c| UnicodeWidthChar::width(c).unwrap_or_default();
    text.chars().map(width).sum()
}

/// A moment in the columns of a table: to the second, in UTC.
pub(crate) fn moment(timestamp: Timestamp) -> String {
    seconds(timestamp).replace('T', " ")
}

/// A moment behind a label: to the second, in UTC, as RFC 3339 has it. The Go service prints it so.
pub(crate) fn instant(timestamp: Timestamp) -> String {
    seconds(timestamp) + "Z"
}

fn seconds(timestamp: Timestamp) -> String {
    let text = timestamp.to_string();
    let seconds = text.split('.').next().unwrap_or(&text);
    seconds.trim_end_matches('Z').to_owned()
}

/// A size for people, in units of a thousand.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} KB", (bytes + 500) / 1_000),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! For the tests of the printers.

    use std::io::{self, Write};

    /// What a printer prints.
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
    fn sizes_and_moments_are_short() {
        assert_eq!(size(999), "999 B");
        assert_eq!(size(543_210), "543 KB");
        assert_eq!(size(1_960_000), "1.9 MB");
        let timestamp = Timestamp::from_micros(1_700_000_000_000_120);
        assert_eq!(moment(timestamp), "2023-11-14 22:13:20");
        assert_eq!(instant(timestamp), "2023-11-14T22:13:20Z");
    }
}
