//! Drawing a table in a box, as `console.table` does.

use super::text;

/// The heading of the names of rows.
pub(crate) const INDEX: &str = "(index)";
/// The heading of the numbers of rows of a set or a map.
pub(crate) const ITERATION: &str = "(iteration index)";
/// The heading of the keys of a map.
pub(crate) const KEY: &str = "Key";
/// The heading of values that are no objects.
pub(crate) const VALUES: &str = "Values";

/// A column: its heading, and its cells from the top. Cells that are missing at the end are empty.
pub(crate) struct Column {
    pub(crate) heading: String,
    pub(crate) cells: Vec<String>,
}

impl Column {
    pub(crate) fn new(heading: impl Into<String>, cells: Vec<String>) -> Self {
        Self {
            heading: heading.into(),
            cells,
        }
    }

    /// Sets the cell of a row that comes after all rows that are set.
    pub(crate) fn set(&mut self, row: usize, cell: String) {
        self.cells.resize(row, String::new());
        self.cells.push(cell);
    }

    /// The width of the widest cell, in columns of a terminal.
    pub(crate) fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| text::width(cell));
        cells.max().unwrap_or(0).max(text::width(&self.heading))
    }
}

/// Draws the first `rows` rows.
pub(crate) fn draw(columns: &[Column], rows: usize) -> String {
    let widths: Vec<usize> = columns.iter().map(Column::width).collect();
    let rule = |left: &str, middle: &str, right: &str| {
        let bars: Vec<String> = widths.iter().map(|width| "─".repeat(width + 2)).collect();
        format!("{left}{}{right}", bars.join(middle))
    };
    let row = |text: &dyn Fn(&Column) -> String| {
        let cells = columns.iter().zip(&widths).map(|(column, width)| {
            let cell = text(column);
            let room = " ".repeat(width - text::width(&cell));
            cell + &room
        });
        format!("│ {} │", cells.collect::<Vec<_>>().join(" │ "))
    };
    let mut lines = vec![
        rule("┌", "┬", "┐"),
        row(&|column| column.heading.clone()),
        rule("├", "┼", "┤"),
    ];
    for number in 0..rows {
        lines.push(row(&|column| {
            column.cells.get(number).cloned().unwrap_or_default()
        }));
    }
    lines.push(rule("└", "┴", "┘"));
    lines.join("\n")
}
