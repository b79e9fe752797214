//! Ids that are given by their start.

use vmapi_types::{ErrorCode, IdKind};
use vmclient::Client;

use crate::cli::Ids;
use crate::failure::Failure;

/// How many characters a whole id has.
const ID_CHARS: usize = 36;

/// Puts whole ids in the place of their starts. What can be no start of an id is left for the daemon to refuse.
///
/// # Errors
/// When no id begins so, or several do, which the message names.
pub(crate) async fn complete(client: &Client, ids: Ids<'_>) -> Result<(), Failure> {
    for (kind, text) in ids {
        if is_start(text) {
            *text = whole(client, kind, text).await?;
        }
    }
    Ok(())
}

fn is_start(text: &str) -> bool {
    let belongs = |c: char| c.is_ascii_hexdigit() || c == '-';
    !text.is_empty() && text.len() < ID_CHARS && text.chars().all(belongs)
}

async fn whole(client: &Client, kind: IdKind, start: &str) -> Result<String, Failure> {
    let found = client.ids(&start.to_ascii_lowercase()).await?;
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
            message: format!("there is no {what} whose id begins with {start}"),
        }),
        several => Err(Failure::Argument {
            code: ErrorCode::ValidationError,
            message: format!(
                "several {what}s have an id that begins with {start}: {}",
                several.join(", ")
            ),
        }),
    }
}

/// What the daemon says of a whole id that nothing has.
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
    use super::is_start;

    #[test]
    fn only_what_can_begin_an_id_is_looked_for() {
        assert!(is_start("0b9d3c52"));
        assert!(is_start("0B9D3C52-8a5"));
        assert!(!is_start(""));
        assert!(!is_start("my-session"));
        assert!(!is_start("0b9d3c52-8a55-4d0e-9b0c-1f1f6f3f2a10"));
    }
}
