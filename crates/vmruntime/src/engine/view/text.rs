//! Quoting strings as Node does, measuring and cutting texts.

use std::fmt::Write as _;

/// How many UTF-16 code units a text has: what JavaScript calls its length.
pub(crate) fn units(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        text.chars().map(char::len_utf16).sum()
    }
}

/// How many columns a text fills in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

fn char_width(character: char) -> usize {
    match u32::from(character) {
        0..=0x1f
        | 0x7f..=0x9f
        | 0x300..=0x36f
        | 0x200b..=0x200f
        | 0x20d0..=0x20ff
        | 0xfe00..=0xfe0f
        | 0xfe20..=0xfe2f
        | 0xe0100..=0xe01ef => 0,
        0x1100..=0x115f
        | 0x2329..=0x232a
        | 0x2e80..=0x303e
        | 0x3041..=0x3247
        | 0x3250..=0x4dbf
        | 0x4e00..=0xa4c6
        | 0xa960..=0xa97c
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6b
        | 0xff01..=0xff60
        | 0xffe0..=0xffe6
        | 0x1b000..=0x1b001
        | 0x1f200..=0x1f251
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

/// The start of `text` that fits `max_bytes`, and whether anything was cut off.
pub(crate) fn cut(mut text: String, max_bytes: usize) -> (String, bool) {
    if text.len() <= max_bytes {
        return (text, false);
    }
    text.truncate(text.floor_char_boundary(max_bytes));
    (text, true)
}

/// A string of these UTF-16 code units, within the quotes that need the fewest escapes.
pub(crate) fn quoted(units: impl Iterator<Item = u16> + Clone) -> String {
    let has = |wanted: char| {
        units
            .clone()
            .any(|unit| u32::from(unit) == u32::from(wanted))
    };
    let has_substitution = || {
        let next = units.clone().skip(1);
        let mut pairs = units.clone().zip(next);
        pairs.any(|pair| pair == (u16::from(b'$'), u16::from(b'{')))
    };
    let quote = if !has('\'') {
        '\''
    } else if !has('"') {
        '"'
    } else if !has('`') && !has_substitution() {
        '`'
    } else {
        '\''
    };
    let mut out = String::with_capacity(units.size_hint().0 + 2);
    out.push(quote);
    escape(units, quote == '\'', &mut out);
    out.push(quote);
    out
}

/// A name (of a symbol, or of a hidden property) with its control characters escaped.
pub(crate) fn escaped(units: impl Iterator<Item = u16>) -> String {
    let mut out = String::new();
    escape(units, true, &mut out);
    out
}

fn escape(units: impl Iterator<Item = u16>, single_quotes: bool, out: &mut String) {
    for character in char::decode_utf16(units) {
        match character {
            Ok('\'') if single_quotes => out.push_str("\\'"),
            Ok('\\') => out.push_str("\\\\"),
            Ok('\u{8}') => out.push_str("\\b"),
            Ok('\t') => out.push_str("\\t"),
            Ok('\n') => out.push_str("\\n"),
            Ok('\u{c}') => out.push_str("\\f"),
            Ok('\r') => out.push_str("\\r"),
            Ok(control) if control.is_control() => {
                let _ = write!(out, "\\x{:02X}", u32::from(control));
            }
            Ok(other) => out.push(other),
            Err(unpaired) => {
                let _ = write!(out, "\\u{:x}", unpaired.unpaired_surrogate());
            }
        }
    }
}

/// Whether the name of a property stands before its colon without quotes.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The note on what is not listed: `... 2 more items`.
pub(crate) fn more(count: usize, what: &str) -> String {
    let plural = if count > 1 { "s" } else { "" };
    format!("... {count} more {what}{plural}")
}

/// The note on the holes of an array: `<2 empty items>`.
pub(crate) fn holes(count: usize) -> String {
    let plural = if count > 1 { "s" } else { "" };
    format!("<{count} empty item{plural}>")
}

/// A name cut to `max_chars` characters, with a mark if anything was cut off.
pub(crate) fn shortened(name: String, max_chars: usize) -> String {
    match name.char_indices().nth(max_chars) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}
