//! An event as its followers and answers share it.

use std::sync::OnceLock;

use serde::{Serialize, Serializer};
use vmapi_types::Event;

use crate::budget::Lease;

/// An event, and its JSON text once a follower has asked for it: all followers share both.
#[derive(Debug)]
pub struct SharedEvent {
    /// The event.
    pub event: Event,
    json: OnceLock<Box<str>>,
    /// Its share of the budget of answers, if it is large and was read for an answer.
    _lease: Lease,
}

impl SharedEvent {
    /// An event without a share of the budget of answers.
    pub(crate) fn new(event: Event) -> Self {
        Self::charged(event, Lease::default())
    }

    /// An event that keeps a share of the budget of answers for as long as it lives.
    pub(crate) fn charged(event: Event, lease: Lease) -> Self {
        Self {
            event,
            json: OnceLock::new(),
            _lease: lease,
        }
    }

    /// The event as the API shows it.
    ///
    /// # Panics
    /// Never: events are JSON.
    pub fn json(&self) -> &str {
        self.json.get_or_init(|| {
            let text = serde_json::to_string(&self.event);
            text.expect("an event is JSON").into_boxed_str()
        })
    }
}

impl Serialize for SharedEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}
