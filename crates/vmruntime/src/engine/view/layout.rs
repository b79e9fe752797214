//! Breaking the entries of an object into lines, by the rules of Node for `compact: 3`.

use super::text;

/// How many of the innermost levels of nesting may share one line.
const COMPACT: usize = 3;

/// How many columns of a shared line stay free.
const MARGIN: usize = 10;

/// How many entries a list has at least that is laid out in columns.
const MIN_GROUPED: usize = 7;

/// The width of a comma and a space, in columns.
const SEPARATOR: usize = 2;

/// The parts of one object's text.
pub(crate) struct Pieces<'a> {
    /// The text before the opening brace; empty if there is none.
    pub(crate) base: &'a str,
    pub(crate) open: &'a str,
    pub(crate) close: &'a str,
    pub(crate) entries: Vec<String>,
    /// How short entries are laid out in columns; `None` if they are not.
    pub(crate) columns: Option<Columns>,
}

/// How the entries of a list are laid out in columns.
#[derive(Clone, Copy)]
pub(crate) struct Columns {
    /// Whether all entries are numbers, which are aligned to the right.
    pub(crate) numeric: bool,
    /// How many entries are listed: if there are more, the last one is a note on the rest.
    pub(crate) max_entries: usize,
}

/// Where an object is written.
#[derive(Clone, Copy)]
pub(crate) struct Spot {
    /// The indentation, in columns.
    pub(crate) indentation: usize,
    /// The length from which on a line is broken, in UTF-16 code units.
    pub(crate) break_length: usize,
    /// How many levels of nesting were listed below this one.
    pub(crate) levels_below: usize,
}

/// Writes the entries between the braces, on one line if they are short and simple.
pub(crate) fn assemble(mut pieces: Pieces<'_>, spot: Spot) -> String {
    let count = pieces.entries.len();
    if let Some(columns) = pieces.columns
        && count >= MIN_GROUPED
        && let Some(grouped) = group(&pieces.entries, columns, spot)
    {
        pieces.entries = grouped;
    }
    let grouped = pieces.entries.len() != count;
    let mut out = String::new();
    if !pieces.base.is_empty() {
        out.push_str(pieces.base);
        out.push(' ');
    }
    out.push_str(pieces.open);
    if spot.levels_below < COMPACT && !grouped && fits(&pieces, spot) {
        out.push(' ');
        out.push_str(&pieces.entries.join(", "));
        out.push(' ');
        out.push_str(pieces.close);
        return out;
    }
    let line = format!("\n{}", " ".repeat(spot.indentation));
    out.push_str(&line);
    out.push_str("  ");
    out.push_str(&pieces.entries.join(&format!(",{line}  ")));
    out.push_str(&line);
    out.push_str(pieces.close);
    out
}

/// Whether the entries fit on one line.
fn fits(pieces: &Pieces<'_>, spot: Spot) -> bool {
    let count = pieces.entries.len();
    let start =
        count + spot.indentation + text::units(pieces.open) + text::units(pieces.base) + MARGIN;
    let mut total = count + start;
    if total + count > spot.break_length || pieces.base.contains('\n') {
        return false;
    }
    for entry in &pieces.entries {
        total += text::units(entry);
        if total > spot.break_length || entry.contains('\n') {
            return false;
        }
    }
    true
}

/// Lays short entries out in columns; `None` if that would not look good.
fn group(entries: &[String], columns: Columns, spot: Spot) -> Option<Vec<String>> {
    let noted = entries.len() > columns.max_entries;
    let shown = entries.len() - usize::from(noted);
    let widths: Vec<usize> = entries[..shown]
        .iter()
        .map(|entry| text::width(entry))
        .collect();
    let longest = widths.iter().max().copied()?;
    let total: usize = widths.iter().map(|width| width + SEPARATOR).sum();
    let cell = longest + SEPARATOR;
    // Entries of very different lengths would leave more gaps than text.
    if cell * 3 + spot.indentation >= spot.break_length || (total <= cell * 5 && longest > 6) {
        return None;
    }
    let count = column_count(cell, total, entries.len(), shown, spot);
    if count <= 1 {
        return None;
    }
    let cells: Vec<usize> = (0..count)
        .map(|column| {
            let widest = widths.iter().skip(column).step_by(count).max();
            widest.copied().unwrap_or(0) + SEPARATOR
        })
        .collect();
    let mut lines: Vec<String> = (0..shown)
        .step_by(count)
        .map(|start| {
            let end = shown.min(start + count);
            line(
                &entries[start..end],
                &widths[start..end],
                &cells,
                columns.numeric,
            )
        })
        .collect();
    lines.extend(entries[shown..].iter().cloned());
    Some(lines)
}

/// The number of columns that makes the block roughly square on a screen, where a character is
/// about two and a half times as high as it is wide.
fn column_count(cell: usize, total: usize, entries: usize, shown: usize, spot: Spot) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "all are small positive numbers: at most a hundred entries of a line's length"
    )]
    let square = {
        let bias = (cell as f64 - total as f64 / entries as f64).sqrt();
        let biased = (cell as f64 - 3.0 - bias).max(1.0);
        ((2.5 * biased * shown as f64).sqrt() / biased + 0.5).floor() as usize
    };
    square
        .min(spot.break_length.saturating_sub(spot.indentation) / cell)
        .min(COMPACT * 4)
        .min(15)
}

fn line(entries: &[String], widths: &[usize], cells: &[usize], numeric: bool) -> String {
    let mut out = String::new();
    let last = entries.len() - 1;
    for (column, (entry, width)) in entries.iter().zip(widths).enumerate() {
        let room = " ".repeat(cells[column] - SEPARATOR - width);
        if numeric {
            out.push_str(&room);
        }
        out.push_str(entry);
        if column < last {
            out.push_str(", ");
            if !numeric {
                out.push_str(&room);
            }
        }
    }
    out
}
