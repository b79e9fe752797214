//! Queries about sessions: completions, the inspection of an expression, whether code is complete.

use serde_json::json;
use uuid::Uuid;
use vmapi_types::{
    Completeness, CompletenessStatus, Completions, Inspection, LOOK_LIMIT, SessionStatus,
};

use crate::execution::failure::payload;
use crate::runtime::{Query, QueryError, QueryResult};
use crate::{Control, Error, Result};

/// The longest text of a query, in bytes.
const MAX_TEXT_BYTES: usize = 1024 * 1024;

impl Control {
    /// The completions at a cursor, which is an offset into the code in UTF-16 code units; `None`
    /// for its end. The query sees the session as it was when its last execution ended, also while
    /// another runs, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Validation`] for a cursor behind the end, [`Error::SessionNotFound`],
    /// [`Error::SessionNotReady`], [`Error::Unavailable`] while too many queries are being
    /// answered.
    pub async fn complete(
        &self,
        session_id: Uuid,
        code: &str,
        cursor: Option<usize>,
    ) -> Result<Completions> {
        let before = match cursor {
            None => code,
            Some(cursor) => before_cursor(code, cursor)
                .ok_or_else(|| Error::validation("cursor must be a position in the code"))?,
        };
        let end = before.encode_utf16().count();
        let nothing = Completions {
            candidates: Vec::new(),
            start: end,
            end,
        };
        match self.query(session_id, before, Query::Complete).await? {
            Ok(QueryResult::Completions {
                candidates,
                replaces,
            }) => {
                let replaced = before.len().checked_sub(replaces);
                let replaced = replaced.and_then(|start| before.get(start..));
                let replaced = replaced.unwrap_or_default().encode_utf16().count();
                Ok(Completions {
                    candidates,
                    start: end - replaced,
                    end,
                })
            }
            // If the completion takes too long, there are no candidates.
            Err(QueryError::Exceeded) => Ok(nothing),
            other => Err(unexpected(&other)),
        }
    }

    /// The value of an expression, as of the end of the session's last execution. Its effects are
    /// not kept, and it reaches no host module.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::SessionNotReady`], [`Error::Unavailable`] while too
    /// many queries are being answered.
    pub async fn inspect(&self, session_id: Uuid, expression: &str) -> Result<Inspection> {
        match self.query(session_id, expression, Query::Inspect).await? {
            Ok(QueryResult::Inspection(inspection)) => Ok(*inspection),
            Err(error @ QueryError::Exceeded) => Ok(Inspection {
                error: Some(payload(&json!({
                    "message": format!("the expression has no value here: {error}"),
                    "code": LOOK_LIMIT,
                }))),
                ..Inspection::default()
            }),
            other => Err(unexpected(&other)),
        }
    }

    /// Whether code is complete, needs more lines, or is invalid.
    ///
    /// # Errors
    /// [`Error::SessionNotFound`], [`Error::SessionNotReady`], [`Error::Unavailable`] while too
    /// many queries are being answered.
    pub async fn is_complete(&self, session_id: Uuid, code: &str) -> Result<Completeness> {
        match self.query(session_id, code, Query::IsComplete).await? {
            Ok(QueryResult::Completeness(completeness)) => Ok(completeness),
            Err(error @ QueryError::Exceeded) => Ok(Completeness {
                status: CompletenessStatus::Invalid,
                message: Some(format!("the code can't be parsed: {error}")),
                code: Some(LOOK_LIMIT.into()),
            }),
            other => Err(unexpected(&other)),
        }
    }

    /// Sends a query to a session that is ready.
    async fn query(
        &self,
        session_id: Uuid,
        text: &str,
        about: fn(String) -> Query,
    ) -> Result<std::result::Result<QueryResult, QueryError>> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::validation(format!(
                "the text may be at most {MAX_TEXT_BYTES} bytes long"
            )));
        }
        let live = self.inner().registry.get(session_id);
        if let Some(live) = &live
            && live.status() == SessionStatus::Ready
            && let Some(runtime) = live.runtime()
        {
            match runtime.query(about(text.to_owned())).await {
                Err(QueryError::Gone) => {}
                Err(error @ QueryError::Busy) => {
                    return Err(Error::Unavailable {
                        message: format!("{error}: try again"),
                    });
                }
                // The session has ended meanwhile, and has ended the query.
                Err(QueryError::Exceeded) if live.status() != SessionStatus::Ready => {}
                answer => return Ok(answer),
            }
        }
        let session = self.get_session(session_id).await?;
        Err(Error::SessionNotReady {
            session_id,
            status: session.status,
        })
    }
}

/// The text before an offset in UTF-16 code units; `None` for an offset behind the end or within a
/// character.
fn before_cursor(code: &str, cursor: usize) -> Option<&str> {
    let mut units = 0;
    for (at, c) in code.char_indices() {
        if units == cursor {
            return code.get(..at);
        }
        units += c.len_utf16();
    }
    (units == cursor).then_some(code)
}

fn unexpected(answer: &std::result::Result<QueryResult, QueryError>) -> Error {
    Error::internal(match answer {
        Ok(_) => "a query was answered with the result of another kind".to_owned(),
        Err(error) => format!("a query has no result: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::before_cursor;

    #[test]
    fn cursors_count_as_javascript_does() {
        assert_eq!(before_cursor("aü😀b", 0), Some(""));
        assert_eq!(before_cursor("aü😀b", 2), Some("aü"));
        assert_eq!(before_cursor("aü😀b", 3), None, "it splits a character");
        assert_eq!(before_cursor("aü😀b", 4), Some("aü😀"));
        assert_eq!(before_cursor("aü😀b", 5), Some("aü😀b"));
        assert_eq!(before_cursor("aü😀b", 6), None);
    }
}
