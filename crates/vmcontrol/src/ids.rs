//! Ids as they are written in requests.

use uuid::Uuid;

use crate::{Error, Result};

/// An id as it is written in a field or parameter.
///
/// # Errors
/// [`Error::Validation`], naming the field.
pub fn parse_id(field: &str, text: &str) -> Result<Uuid> {
    // Other spellings of a UUID (braces, no hyphens) are not what the API shows, and so not what it takes.
    Uuid::try_parse(text)
        .ok()
        .filter(|_| text.len() == 36)
        .ok_or_else(|| Error::validation(format!("{field} must be a valid UUID")))
}
