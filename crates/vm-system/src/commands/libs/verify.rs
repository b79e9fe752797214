use std::io::{self, Write};

use serde::Serialize;
use vmcontrol::library::{CheckedLibrary, LibraryCache, LibraryState};

use crate::failure::{Failure, verdict};
use crate::output::{Output, Paint, Table, size};

/// A library and its state, as JSON.
#[derive(Serialize)]
struct Row {
    name: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<String>,
}

/// Checks the cache against its lock file, and fails if something is missing or damaged.
pub(crate) fn run(cache: &LibraryCache, output: &mut Output) -> Result<(), Failure> {
    let checked = cache.verify()?;
    let bad = checked.iter().any(|library| match library.state {
        LibraryState::Missing | LibraryState::Damaged { .. } => true,
        LibraryState::Ok | LibraryState::NotLocked => false,
    });
    let rows: Vec<_> = checked.into_iter().map(row).collect();
    let paint = output.paint();
    let printed = output.print(&rows, |out, rows| table(out, paint, rows));
    output.conclude(printed, verdict(!bad))
}

fn row(library: CheckedLibrary) -> Row {
    let (state, expected, actual) = match library.state {
        LibraryState::Ok => ("ok", None, None),
        LibraryState::Missing => ("missing", None, None),
        LibraryState::Damaged { expected, actual } => ("damaged", Some(expected), Some(actual)),
        LibraryState::NotLocked => ("not locked", None, None),
    };
    Row {
        name: library.name,
        state,
        size_bytes: library.size_bytes,
        expected,
        actual,
    }
}

fn table(out: &mut dyn Write, paint: Paint, rows: &[Row]) -> io::Result<()> {
    let rows = rows.iter().map(|row| {
        [
            row.name.clone(),
            row.state.to_owned(),
            row.size_bytes.map_or("-".into(), size),
        ]
    });
    Table::new(["NAME", "STATE", "SIZE"], rows).write_or(out, paint, "No libraries.")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::output::testing::printed;

    #[test]
    fn states_are_a_table() {
        let library = |name: &str, state, size_bytes| {
            row(CheckedLibrary {
                name: name.into(),
                state,
                size_bytes,
            })
        };
        let damaged = LibraryState::Damaged {
            expected: "sha512-a".into(),
            actual: "sha512-b".into(),
        };
        let rows = [
            library("dayjs-1.11.10", LibraryState::Ok, Some(7_161)),
            library("lodash-4.17.21", damaged, Some(6)),
            library("own", LibraryState::NotLocked, Some(8)),
            library("ramda-0.29.0", LibraryState::Missing, None),
        ];
        let plain = Paint::new(false);
        assert_snapshot!(printed(|out| table(out, plain, &rows)), @r"
        NAME            STATE       SIZE
        dayjs-1.11.10   ok          7 KB
        lodash-4.17.21  damaged     6 B
        own             not locked  8 B
        ramda-0.29.0    missing     -
        ");
        assert_snapshot!(printed(|out| table(out, plain, &[])), @"No libraries.");
    }
}
