//! Expansion of abbreviated ids: an argument may be the beginning of an id.

use vmapi_types::{ErrorCode, IdKind};
use vmclient::Client;

use crate::cli::Ids;
use crate::failure::Failure;

/// The length of a complete id, in characters.
const ID_CHARS: usize = 36;

/// Replaces abbreviated ids by the complete ids. A text that can't be the beginning of an id is
/// left for the daemon to refuse.
///
/// # Errors
/// [`Failure::Argument`] if no id of that kind begins with the text, or several do; the message
/// lists them.
pub(crate) async fn expand(client: &Client, ids: Ids<'_>) -> Result<(), Failure> {
    for (kind, text) in ids {
        if is_prefix(text) {
            *text = resolve(client, kind, text).await?;
        }
    }
    Ok(())
}

fn is_prefix(text: &str) -> bool {
    let is_id_char = |c: char| c.is_ascii_hexdigit() || c == '-';
    !text.is_empty() && text.len() < ID_CHARS && text.chars().all(is_id_char)
}

async fn resolve(client: &Client, kind: IdKind, prefix: &str) -> Result<String, Failure> {
    let found = client.ids(&prefix.to_ascii_lowercase()).await?;
    let ids: Vec<String> = found
        .into_iter()
        .filter(|found| found.kind == kind)
        .map(|found| found.id.to_string())
        .collect();
    let what = kind.as_str();
    match &ids[..] {
        [id] => Ok(id.clone()),
        [] => Err(Failure::Argument {
            code: not_found(kind),
            message: format!("there is no {what} whose id begins with {prefix}"),
        }),
        several => Err(Failure::Argument {
            code: ErrorCode::ValidationError,
            message: format!(
                "several {what}s have an id that begins with {prefix}: {}",
                several.join(", ")
            ),
        }),
    }
}

/// The error code that the daemon has for a complete id of this kind that does not exist.
fn not_found(kind: IdKind) -> ErrorCode {
    match kind {
        IdKind::Template => ErrorCode::TemplateNotFound,
        IdKind::Session => ErrorCode::SessionNotFound,
        IdKind::Execution => ErrorCode::ExecutionNotFound,
        IdKind::Capability | IdKind::StartupFile => ErrorCode::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::is_prefix;

    #[test]
    fn only_the_beginning_of_an_id_is_resolved() {
        assert!(is_prefix("0b9d3c52"));
        assert!(is_prefix("0B9D3C52-8a5"));
        assert!(!is_prefix(""));
        assert!(!is_prefix("my-session"));
        assert!(!is_prefix("0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10"));
    }
}
