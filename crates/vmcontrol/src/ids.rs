//! Parsing ids as they are written in requests.

use uuid::Uuid;

use crate::{Error, Result};

/// Parses an id of a field or parameter: a UUID with hyphens.
///
/// # Errors
/// [`Error::Validation`], naming the field.
pub fn parse_id(field: &str, text: &str) -> Result<Uuid> {
    // The API shows no other spelling of a UUID (with braces, without hyphens), and accepts none.
    Uuid::try_parse(text)
        .ok()
        .filter(|_| text.len() == 36)
        .ok_or_else(|| Error::validation(format!("{field} must be a valid UUID")))
}
