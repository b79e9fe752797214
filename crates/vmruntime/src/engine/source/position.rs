//! Mapping positions in an edited text to those in the text of the user.
//!
//! An edit that changes the length of a line moves what stands behind it. How far it moves is
//! written behind the path that the engine parses the text under: `repl`, then a mark, then
//! `1.13.12` for "on line 1, from column 13 on, subtract 12". The path comes back in each frame of
//! a stack, so nothing has to be kept about texts that ran before.

use std::fmt::Write as _;

/// Stands between a path and its moves. No path of a user contains it.
const MARK: char = '\u{1}';

/// How many moves a path carries at most.
const MAX_MOVES: usize = 256;

/// In place of a distance: the user wrote nothing of what stands there.
pub(super) const HIDDEN: isize = isize::MAX;

/// From a column of a line on, positions are `by` columns further right than in the text of the
/// user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) by: isize,
}

/// A position in the text of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    /// Whether the position is in a part that the user did not write.
    pub(crate) is_hidden: bool,
    /// The path of the text, without moves.
    pub(crate) path: String,
    /// Line and column, from 1; `None` if they are not known.
    pub(crate) position: Option<(usize, usize)>,
}

/// A path that carries these moves, up to [`MAX_MOVES`].
pub(super) fn tagged(path: &str, moves: &[Move]) -> String {
    let mut tagged = path.to_owned();
    for (index, moved) in moves.iter().take(MAX_MOVES).enumerate() {
        let separator = if index == 0 { MARK } else { ',' };
        let Move { line, column, by } = moved;
        // Writing to a string does not fail.
        let _ = write!(tagged, "{separator}{line}.{column}.{by}");
    }
    tagged
}

/// A path for a text with `columns` characters before its first line that the user did not write.
pub(crate) fn with_prefix(path: &str, columns: usize) -> String {
    let by = isize::try_from(columns).unwrap_or(0);
    tagged(
        path,
        &[Move {
            line: 1,
            column: columns + 1,
            by,
        }],
    )
}

/// A path without its moves.
pub(crate) fn untagged(path: &str) -> &str {
    path.split_once(MARK).map_or(path, |(path, _)| path)
}

/// The position in the text of the user for one of the engine, which is `path:line:column` or a
/// path alone.
pub(crate) fn original_of(location: &str) -> Origin {
    let (path, position) = match parse_position(location) {
        Some((path, position)) => (path, Some(position)),
        None => (location, None),
    };
    let Some((path, moves)) = path.split_once(MARK) else {
        return Origin {
            is_hidden: false,
            path: path.to_owned(),
            position,
        };
    };
    let mut is_hidden = false;
    let position = position.map(|(line, column)| {
        let last = moves
            .split(',')
            .filter_map(parse_move)
            .filter(|moved| moved.line == line && moved.column <= column)
            .max_by_key(|moved| moved.column);
        is_hidden = last.is_some_and(|moved| moved.by == HIDDEN);
        let by = last.map_or(0, |moved| moved.by);
        let column = column
            .checked_add_signed(by.saturating_neg())
            .unwrap_or(1)
            .max(1);
        (line, column)
    });
    Origin {
        is_hidden,
        path: path.to_owned(),
        position,
    }
}

fn parse_move(text: &str) -> Option<Move> {
    let mut parts = text.split('.');
    Some(Move {
        line: parts.next()?.parse().ok()?,
        column: parts.next()?.parse().ok()?,
        by: parts.next()?.parse().ok()?,
    })
}

fn parse_position(location: &str) -> Option<(&str, (usize, usize))> {
    let (rest, column) = location.rsplit_once(':')?;
    let (path, line) = rest.rsplit_once(':')?;
    Some((path, (line.parse().ok()?, column.parse().ok()?)))
}

/// The line and column, from 1, of a position in bytes.
pub(crate) fn line_and_column(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..at];
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (
        before.matches('\n').count() + 1,
        before[start..].chars().count() + 1,
    )
}

/// The position in bytes of a line and column, from 1; `None` if the text has no such position.
pub(crate) fn offset_of(source: &str, (line, column): (usize, usize)) -> Option<usize> {
    let mut start = 0;
    for _ in 1..line {
        start += source[start..].find('\n')? + 1;
    }
    let rest = source[start..].split('\n').next()?;
    let before = rest.chars().take(column.checked_sub(1)?);
    Some(start + before.map(char::len_utf8).sum::<usize>())
}
