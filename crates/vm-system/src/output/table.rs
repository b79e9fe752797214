use std::io::{self, Write};

use super::{Paint, columns_of, one_line, visible};

/// The heading of the column whose cells are coloured by what they mean.
const STATUS: &str = "STATUS";

/// The narrowest that a column is made, in columns of the terminal: an id is still one then, since its start is enough.
const NARROWEST: usize = 8;

/// How much room there is between two columns.
const GAP: usize = 2;

/// A table with as many columns as headings, each as wide as its widest cell if the reader has room for that.
pub(crate) struct Table<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table of these rows.
    pub(crate) fn new(
        headings: [&'static str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        // Before it is measured: what is shown of a control character takes room.
        let shown = |row: [String; N]| row.map(|cell| visible(&cell).into_owned());
        Self {
            headings,
            rows: rows.into_iter().map(shown).collect(),
        }
    }

    /// Prints it, or the sentence if there are no rows.
    pub(crate) fn write_or(
        &self,
        out: &mut dyn Write,
        paint: Paint,
        when_empty: &str,
    ) -> io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "{when_empty}");
        }
        let widths = self.fitting(paint.width());
        for (column, heading) in self.headings.into_iter().enumerate() {
            let cell = cell(heading, widths[column], column + 1 == N);
            write!(out, "{}", paint.heading(&cell))?;
        }
        writeln!(out)?;
        for row in &self.rows {
            for (column, text) in row.iter().enumerate() {
                let cell = cell(text, widths[column], column + 1 == N);
                if self.headings[column] == STATUS {
                    write!(out, "{}", paint.status(&cell))?;
                } else {
                    write!(out, "{cell}")?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// The widths that fit: ids give way first, and then whatever is widest.
    fn fitting(&self, room: Option<usize>) -> [usize; N] {
        let mut widths = self.widths();
        let Some(room) = room else {
            return widths;
        };
        let gaps = GAP * (N - 1);
        let is_over = |widths: &[usize; N]| widths.iter().sum::<usize>() + gaps > room;
        for (column, width) in widths.iter_mut().enumerate() {
            let has_ids = self.rows.iter().any(|row| is_id(&row[column]));
            if has_ids && is_over(&self.widths()) {
                *width = NARROWEST.max(self.headings[column].len());
            }
        }
        while is_over(&widths) {
            match widths.iter_mut().max() {
                Some(widest) if *widest > NARROWEST => *widest -= 1,
                // No terminal is that narrow.
                _ => break,
            }
        }
        widths
    }

    fn widths(&self) -> [usize; N] {
        let mut widths = self.headings.map(columns_of);
        for row in &self.rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = columns_of(text).max(*width);
            }
        }
        widths
    }
}

/// A text in its column. The last column is not padded: no line ends with spaces.
fn cell(text: &str, width: usize, is_last: bool) -> String {
    let text = if is_id(text) {
        text.chars().take(width).collect()
    } else {
        one_line(text, width)
    };
    if is_last {
        text
    } else {
        let padding = width.saturating_sub(columns_of(&text)) + GAP;
        format!("{text}{:padding$}", "")
    }
}

/// Whether a text is an id: its start means the same, and is shown without a mark.
fn is_id(text: &str) -> bool {
    uuid::Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::testing::printed;

    fn table() -> Table<3> {
        let row = |id: &str, status: &str, name: &str| [id, status, name].map(String::from);
        Table::new(
            ["ID", "STATUS", "NAME"],
            [row("1", "ok", "ünï"), row("long-id", "timeout", "b")],
        )
    }

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let text = printed(|out| table().write_or(out, Paint::new(false), ""));
        assert_eq!(
            text,
            "ID       STATUS   NAME\n1        ok       ünï\nlong-id  timeout  b\n"
        );
    }

    #[test]
    fn wide_characters_do_not_move_the_columns() {
        let row = |name: &str, status: &str| [name, status].map(String::from);
        let table = Table::new(
            ["NAME", "STATUS"],
            [row("日本語", "ok"), row("e\u{301}", "ok")],
        );
        let lines = |width| {
            let paint = Paint::new(false).with_width(width);
            printed(|out| table.write_or(out, paint, ""))
        };
        assert_eq!(
            lines(None),
            "NAME    STATUS\n日本語  ok\ne\u{301}       ok\n"
        );
        let table = Table::new(["NAME", "NO"], [row("日本語日本語", "1")]);
        let paint = Paint::new(false).with_width(Some(13));
        assert_eq!(
            printed(|out| table.write_or(out, paint, "")),
            "NAME       NO\n日本語日…  1\n"
        );
    }

    #[test]
    fn a_table_is_as_wide_as_the_terminal_and_no_wider() {
        let id = "0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10";
        let table = Table::new(
            ["ID", "STATUS", "NAME"],
            [[id, "ok", "a name that goes on for a while"].map(String::from)],
        );
        let lines = |width| {
            let paint = Paint::new(false).with_width(Some(width));
            printed(|out| table.write_or(out, paint, ""))
        };
        assert!(lines(90).contains(id));
        assert_eq!(
            lines(60),
            "ID        STATUS  NAME\n0b9d3c52  ok      a name that goes on for a while\n"
        );
        assert_eq!(
            lines(30),
            "ID        STATUS  NAME\n0b9d3c52  ok      a name that…\n"
        );
        assert_eq!(lines(1).lines().count(), 2);
    }

    #[test]
    fn what_controls_a_terminal_takes_the_room_of_its_text() {
        let rows = [
            ["a\u{202e}b\n".to_owned(), "1".to_owned()],
            ["c".into(), "2".into()],
        ];
        let table = Table::new(["NAME", "N"], rows);
        let text = printed(|out| table.write_or(out, Paint::new(false), ""));
        assert_eq!(text, "NAME        N\na\\u202eb\\n  1\nc           2\n");
    }

    #[test]
    fn colours_do_not_move_the_columns() {
        let text = printed(|out| table().write_or(out, Paint::new(true), ""));
        let first = text.lines().nth(1).unwrap();
        assert_eq!(first, "1        \u{1b}[32mok       \u{1b}[0münï");
    }
}
