//! Edits of a source text that keep the number of its lines.

use super::position::Move;

/// The replacement of a part of a text. Positions are in bytes.
#[derive(Debug)]
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// Edits of one text. An edit within a part that an earlier one replaces is dropped.
#[derive(Debug, Default)]
pub(super) struct Edits {
    edits: Vec<Edit>,
}

impl Edits {
    /// Replaces a part. If the new text has fewer lines, line breaks are added to its end.
    pub(super) fn replace(
        &mut self,
        source: &str,
        start: usize,
        end: usize,
        text: impl Into<String>,
    ) {
        let mut text = text.into();
        let lines = |text: &str| text.matches('\n').count();
        let missing = lines(&source[start..end]).saturating_sub(lines(&text));
        text.extend(std::iter::repeat_n('\n', missing));
        self.edits.push(Edit { start, end, text });
    }

    /// Replaces a part by a shorter text, with spaces behind it that keep the length.
    pub(super) fn pad(&mut self, start: usize, end: usize, text: &str) {
        let text = format!("{text:<width$}", width = end - start);
        self.edits.push(Edit { start, end, text });
    }

    /// Inserts a text.
    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.edits.push(Edit {
            start: at,
            end: at,
            text: text.into(),
        });
    }

    /// Replaces a part by spaces, and keeps its line breaks.
    pub(super) fn blank(&mut self, source: &str, start: usize, end: usize) {
        self.edits.push(Edit {
            start,
            end,
            text: blanked(&source[start..end]),
        });
    }

    /// The edited text, and the moves that map its positions back.
    pub(super) fn apply(mut self, source: &str) -> (String, Vec<Move>) {
        self.edits.sort_by_key(|edit| (edit.start, edit.end));
        let mut text = String::with_capacity(source.len() + 64);
        let mut moves: Vec<Move> = Vec::new();
        let (mut edited, mut original) = (Position::START, Position::START);
        let mut done = 0;
        for edit in &self.edits {
            if edit.start < done {
                continue;
            }
            let kept = &source[done..edit.start];
            text.push_str(kept);
            text.push_str(&edit.text);
            edited.pass(kept);
            edited.pass(&edit.text);
            original.pass(&source[done..edit.end]);
            done = edit.end;
            let by = edited.column.cast_signed() - original.column.cast_signed();
            let before = moves
                .last()
                .filter(|moved| moved.line == edited.line)
                .map_or(0, |moved| moved.by);
            if by != before {
                moves.push(Move {
                    line: edited.line,
                    column: edited.column,
                    by,
                });
            }
        }
        text.push_str(&source[done..]);
        (text, moves)
    }
}

/// A position in a text: line and column, from 1.
#[derive(Clone, Copy, Debug)]
struct Position {
    line: usize,
    column: usize,
}

impl Position {
    const START: Self = Self { line: 1, column: 1 };

    /// Moves behind a text.
    fn pass(&mut self, text: &str) {
        match text.rfind('\n') {
            None => self.column += text.chars().count(),
            Some(newline) => {
                self.line += text.matches('\n').count();
                self.column = 1 + text[newline + 1..].chars().count();
            }
        }
    }
}

/// A text of the same lines and length in characters, of spaces alone.
pub(super) fn blanked(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\r' | '\u{2028}' | '\u{2029}' => c,
            _ => ' ',
        })
        .collect()
}
