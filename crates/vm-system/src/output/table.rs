use std::io::{self, Write};

use super::Paint;

/// The heading of the column whose cells are coloured by what they mean.
const STATUS: &str = "STATUS";

/// A table with as many columns as headings, each as wide as its widest cell.
pub struct Table<const N: usize> {
    headings: [&'static str; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// A table of these rows.
    pub fn new(headings: [&'static str; N], rows: impl IntoIterator<Item = [String; N]>) -> Self {
        Self {
            headings,
            rows: rows.into_iter().collect(),
        }
    }

    /// Prints it, or the sentence if there are no rows.
    pub fn write_or(&self, out: &mut dyn Write, paint: Paint, when_empty: &str) -> io::Result<()> {
        if self.rows.is_empty() {
            return writeln!(out, "{when_empty}");
        }
        let widths = self.widths();
        for (column, heading) in self.headings.into_iter().enumerate() {
            let cell = pad(heading, widths[column], column + 1 == N);
            write!(out, "{}", paint.heading(&cell))?;
        }
        writeln!(out)?;
        for row in &self.rows {
            for (column, text) in row.iter().enumerate() {
                let cell = pad(text, widths[column], column + 1 == N);
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

    fn widths(&self) -> [usize; N] {
        let mut widths = self.headings.map(|heading| heading.chars().count());
        for row in &self.rows {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = text.chars().count().max(*width);
            }
        }
        widths
    }
}

/// The last column is not padded: no line ends with spaces.
fn pad(text: &str, width: usize, last: bool) -> String {
    if last {
        text.to_owned()
    } else {
        format!("{text:width$}  ")
    }
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
    fn colours_do_not_move_the_columns() {
        let text = printed(|out| table().write_or(out, Paint::new(true), ""));
        let first = text.lines().nth(1).unwrap();
        assert_eq!(first, "1        \u{1b}[32mok       \u{1b}[0münï");
    }
}
