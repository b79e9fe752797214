//! Quoting strings as Node does, and measuring text.

use std::fmt::Write as _;

use boa_engine::{JsString, JsValue, string::CodePoint};

/// How many UTF-16 code units a text has: what JavaScript calls its length.
pub(super) fn units(text: &str) -> usize {
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
pub(super) fn cut(mut text: String, max_bytes: usize) -> (String, bool) {
    if text.len() <= max_bytes {
        return (text, false);
    }
    text.truncate(text.floor_char_boundary(max_bytes));
    (text, true)
}

/// A string within quotes that need the fewest escapes.
pub(super) fn quoted(text: &JsString) -> String {
    let has = |wanted: u8| text.iter().any(|unit| unit == u16::from(wanted));
    let template = text
        .windows(2)
        .any(|pair| pair.iter().eq([u16::from(b'$'), u16::from(b'{')]));
    let quote = if !has(b'\'') {
        '\''
    } else if !has(b'"') {
        '"'
    } else if !has(b'`') && !template {
        '`'
    } else {
        '\''
    };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    escape(text, quote == '\'', &mut out);
    out.push(quote);
    out
}

/// A name (of a symbol, or of a hidden property) with its control characters escaped.
pub(super) fn escaped(text: &JsString) -> String {
    let mut out = String::new();
    escape(text, true, &mut out);
    out
}

fn escape(text: &JsString, single_quotes: bool, out: &mut String) {
    for point in text.code_points() {
        match point {
            CodePoint::Unicode('\'') if single_quotes => out.push_str("\\'"),
            CodePoint::Unicode('\\') => out.push_str("\\\\"),
            CodePoint::Unicode('\u{8}') => out.push_str("\\b"),
            CodePoint::Unicode('\t') => out.push_str("\\t"),
            CodePoint::Unicode('\n') => out.push_str("\\n"),
            CodePoint::Unicode('\u{c}') => out.push_str("\\f"),
            CodePoint::Unicode('\r') => out.push_str("\\r"),
            CodePoint::Unicode(control) if control.is_control() => {
                let _ = write!(out, "\\x{:02X}", u32::from(control));
            }
            CodePoint::Unicode(other) => out.push(other),
            CodePoint::UnpairedSurrogate(surrogate) => {
                let _ = write!(out, "\\u{surrogate:x}");
            }
        }
    }
}

/// A property's name as it stands before the colon.
pub(super) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A primitive as `String(value)` gives it, with the sign of a negative zero; `None` for an object.
pub(super) fn primitive(value: &JsValue) -> Option<String> {
    if let Some(text) = value.as_string() {
        return Some(text.to_std_string_lossy());
    }
    if let Some(number) = value.as_number() {
        return Some(number_text(number));
    }
    if let Some(bigint) = value.as_bigint() {
        return Some(bigint.to_string());
    }
    if let Some(boolean) = value.as_boolean() {
        return Some(boolean.to_string());
    }
    if let Some(symbol) = value.as_symbol() {
        return Some(symbol.descriptive_string().to_std_string_lossy());
    }
    if value.is_null() {
        return Some("null".to_owned());
    }
    value.is_undefined().then(|| "undefined".to_owned())
}

/// A number as JavaScript writes it, except that a negative zero keeps its sign.
pub(super) fn number_text(number: f64) -> String {
    if number == 0.0 && number.is_sign_negative() {
        return "-0".to_owned();
    }
    JsValue::from(number).display().to_string()
}
