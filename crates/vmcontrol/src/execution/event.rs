//! Events: one of them as followers and answers share it, and lists of them.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use serde::{Serialize, Serializer};
use uuid::Uuid;
use vmapi_types::Event;

use crate::budget::Lease;
use crate::budget::answers::Charged;
use crate::execution::follow::FollowItem;
use crate::store::Portion;
use crate::{Control, Result};

/// An event, and its JSON text once somebody has asked for it: all followers share it.
#[derive(Debug)]
pub struct LiveEvent {
    /// The event.
    pub event: Event,
    json: OnceLock<Box<str>>,
    /// Its share of what answers hold together, if it is large and was read for an answer.
    _lease: Lease,
}

impl LiveEvent {
    /// An event that nobody has asked for as JSON.
    pub(crate) fn new(event: Event) -> Self {
        Self::charged(event, Lease::default())
    }

    /// The same of an event that counts as an answer for as long as it lives.
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

impl Serialize for LiveEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.event.serialize(serializer)
    }
}

impl Control {
    /// The stored events of an execution with a `seq` above `after_seq`, up to 16 MiB of them; an event that is larger goes
    /// alone.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`](crate::Error::ExecutionNotFound); [`Error::Unavailable`](crate::Error::Unavailable) while answers hold too much.
    pub async fn list_events(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
    ) -> Result<Charged<Portion<Arc<LiveEvent>>>> {
        self.execution_head(execution_id).await?;
        let found = self
            .read_charged(|most| {
                let events = self
                    .store()
                    .events_after(execution_id, after_seq, limit, most);
                async move { Ok(events.await?.within(most)) }
            })
            .await?;
        Ok(found.map(|portion| portion.map(|event| Arc::new(LiveEvent::new(event)))))
    }

    /// The same, but if there are none yet, waits for them; an empty list says that none came in time, or will ever come.
    /// What comes is at most what a follower is handed at once.
    ///
    /// # Errors
    /// As [`list_events`](Self::list_events).
    pub async fn wait_for_events(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
        wait: Duration,
    ) -> Result<Charged<Portion<Arc<LiveEvent>>>> {
        let mut feed = self.follow(execution_id, after_seq).await?;
        let events = match tokio::time::timeout(wait, feed.next()).await {
            Ok(Ok(FollowItem::Events(events))) => events,
            Ok(Ok(FollowItem::End(_))) | Err(_) => Vec::new(),
            Ok(Err(error)) => return Err(error),
        };
        Ok(Charged::free(Portion::cut(events, limit)))
    }
}
