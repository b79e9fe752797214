//! The error of an execution as it is stored and answered.
//!
//! While an execution runs, its failure is a [`Failure`]. It becomes JSON when it is recorded, and
//! is read from JSON only for an execution that is found in the store.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;
use vmapi_types::{ExceptionPayload, RawJson};

use crate::runtime::{Failure, FailureCode};

/// A failure as JSON.
#[derive(Serialize, Deserialize)]
struct Payload<'a> {
    code: FailureCode,
    #[serde(default)]
    message: Cow<'a, str>,
    #[serde(default)]
    rolled_back: bool,
}

/// The error of an execution that did not end by itself. `rolled_back` says whether the session has
/// the state that it had before.
pub fn failure_payload(failure: &Failure, rolled_back: bool) -> RawJson {
    payload(&Payload {
        code: failure.code,
        message: Cow::Borrowed(&failure.message),
        rolled_back,
    })
}

/// The failure that a stored error tells of; `None` for the exception of a script.
pub(crate) fn stored_failure(error: &RawJson) -> Option<Failure> {
    let Payload { code, message, .. } = serde_json::from_str(error.get()).ok()?;
    Some(Failure {
        code,
        message: message.into_owned(),
    })
}

/// The message of the exception that a script ended with; its whole JSON if it has none.
pub(crate) fn exception_message(exception: &RawJson) -> String {
    let decoded = serde_json::from_str::<ExceptionPayload>(exception.get());
    decoded.map_or_else(|_| exception.get().to_owned(), |decoded| decoded.message)
}

/// JSON text of a payload.
pub(crate) fn payload(value: &impl Serialize) -> RawJson {
    to_raw_value(value).expect("a payload of strings and booleans is JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_failure_is_read_as_it_was_stored_and_an_exception_is_none() {
        let failure = Failure {
            code: FailureCode::OutputLimit,
            message: "more than \"2\" events".into(),
        };
        let stored = failure_payload(&failure, true);
        assert_eq!(
            stored.get(),
            r#"{"code":"OUTPUT_LIMIT","message":"more than \"2\" events","rolled_back":true}"#
        );
        assert_eq!(stored_failure(&stored), Some(failure));
        for other in [
            json!({"message": "Error: no"}),
            json!({"message": "Error: no", "code": "ENOENT"}),
            json!("text"),
        ] {
            assert_eq!(stored_failure(&payload(&other)), None, "{other}");
        }
    }

    #[test]
    fn an_exception_without_a_message_is_shown_whole() {
        let exception = payload(&json!({"message": "Error: no", "stack": "at repl:1"}));
        assert_eq!(exception_message(&exception), "Error: no");
        let odd = payload(&json!({"reason": 1}));
        assert_eq!(exception_message(&odd), odd.get());
    }
}
