//! Checks that several modules share.

use serde_json::Value;
use vm_system_tests::{Answer, Session};

/// Checks that an object has these fields; it may have others.
#[track_caller]
pub(crate) fn assert_has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "no {field} in {value}");
    }
}

/// Checks that an object has none of these fields.
#[track_caller]
pub(crate) fn assert_lacks(value: &Value, fields: &[&str]) {
    assert!(value.is_object(), "{value}");
    for field in fields {
        assert!(value.get(field).is_none(), "there is a {field} in {value}");
    }
}

/// Checks that the message of an error contains a text.
#[track_caller]
pub(crate) fn assert_names(answer: &Answer, part: &str) {
    assert!(
        answer.message().contains(part),
        "{part:?} is not named: {}",
        answer.text
    );
}

/// Whether a text is a UUID in lower case.
pub(crate) fn is_uuid(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        uuid::Uuid::try_parse(text).is_ok_and(|id| id.hyphenated().to_string() == text)
    })
}

/// Whether a text is a time like `2026-01-31T12:34:56.123456Z`.
pub(crate) fn is_timestamp(value: &Value) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.ddddddZ";
    value.as_str().is_some_and(|text| {
        text.len() == pattern.len()
            && text.bytes().zip(pattern.bytes()).all(|(byte, expected)| {
                if expected == b'd' {
                    byte.is_ascii_digit()
                } else {
                    byte == expected
                }
            })
    })
}

/// The text of a field.
#[track_caller]
pub(crate) fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} is no text in {value}"))
}

/// One field of each element of a list.
#[track_caller]
pub(crate) fn column<'a>(list: &'a Value, field: &str) -> Vec<&'a str> {
    list.as_array()
        .unwrap_or_else(|| panic!("no list: {list}"))
        .iter()
        .map(|element| text(element, field))
        .collect()
}

/// Checks that the events of an execution are numbered from 1 without gaps, and returns them.
#[track_caller]
pub(crate) fn numbered_events(session: &Session, execution: &Value) -> Vec<Value> {
    let events = session.events(execution);
    for (event, expected) in events.iter().zip(1_u64..) {
        assert_eq!(event["seq"], expected, "{event}");
        assert_eq!(event["execution_id"], execution["id"], "{event}");
        assert!(is_timestamp(&event["ts"]), "{event}");
    }
    events
}

/// The types of events, in order.
pub(crate) fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| text(event, "type")).collect()
}
