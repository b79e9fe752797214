//! Checks of names and paths that are stored and shown: none may have control characters.

use crate::{Error, Result};

/// The longest name, in bytes.
const MAX_NAME_BYTES: usize = 256;

/// Whether a character can change a terminal, or the order in which characters are shown: the
/// control characters of Unicode (category `Cc`, with the end of a line, ESC, DEL and the C1
/// controls) and those of the direction of text.
pub fn is_control(c: char) -> bool {
    c.is_control() || is_bidi_control(c)
}

/// Whether a character has the property `Bidi_Control` (Unicode, UAX #9), or is one of the
/// deprecated format characters after those, which change the shape of letters and digits.
fn is_bidi_control(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
    )
}

/// Checks a name that is stored and shown.
///
/// # Errors
/// [`Error::Validation`], naming the field.
pub(crate) fn check_name(field: &str, value: &str) -> Result<()> {
    if value.trim().is_empty() {
        return Err(Error::validation(format!("{field} is required")));
    }
    if value.len() > MAX_NAME_BYTES {
        return Err(Error::validation(format!(
            "{field} is longer than {MAX_NAME_BYTES} bytes"
        )));
    }
    match invisible(value) {
        Some(reason) => Err(Error::validation(format!("{field} {reason}"))),
        None => Ok(()),
    }
}

/// Checks a path of a file that is stored and shown.
///
/// # Errors
/// [`Error::InvalidPath`].
pub(crate) fn check_path(path: &str) -> Result<()> {
    match invisible(path) {
        Some(reason) => Err(Error::InvalidPath {
            path: path.to_owned(),
            reason: format!("it {reason}"),
        }),
        None => Ok(()),
    }
}

/// What is wrong with a text that contains a control character; `None` for a text without one. The
/// reason is the end of a sentence that begins with the name of the field.
pub(crate) fn invisible(text: &str) -> Option<String> {
    let control = text.chars().find(|&c| is_control(c))?;
    Some(format!(
        "contains U+{:04X}, a control character, which no name may have",
        u32::from(control)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_in_any_language_and_without_controls() {
        for name in [
            "a",
            "scripts of May (2)",
            "日本語",
            "ünï e\u{301}",
            "עברית",
            "العربية",
            "می\u{200c}خواهم",
            "👩\u{200d}🚀",
            "a\u{a0}b",
            "a\u{ad}b",
        ] {
            assert!(check_name("name", name).is_ok(), "{name:?}");
            assert!(check_path(name).is_ok(), "{name:?}");
        }
        for control in [
            '\0', '\u{7}', '\n', '\r', '\t', '\u{1b}', '\u{7f}', '\u{80}', '\u{85}', '\u{9b}',
            '\u{9f}', '\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}',
            '\u{2069}', '\u{206f}',
        ] {
            let name = format!("a{control}b");
            let expected = format!("U+{:04X}", u32::from(control));
            let error = check_name("workspace_id", &name).unwrap_err().to_string();
            assert!(error.starts_with("workspace_id contains "), "{error}");
            assert!(error.contains(&expected), "{error}");
            let error = check_path(&name).unwrap_err();
            assert!(matches!(error, Error::InvalidPath { .. }), "{error}");
            assert!(!error.to_string().contains(control), "{error}");
            assert!(error.to_string().contains(&expected), "{error}");
        }
    }

    #[test]
    fn a_name_has_a_length() {
        assert!(check_name("name", " ").is_err());
        assert!(check_name("name", &"a".repeat(256)).is_ok());
        assert!(check_name("name", &"a".repeat(257)).is_err());
    }
}
