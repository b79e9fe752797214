//! Lists of the events of an execution.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::budget::answers::Charged;
use crate::execution::follow::FollowItem;
use crate::execution::shared_event::SharedEvent;
use crate::store::{self, Portion};
use crate::{Control, Result};

impl Control {
    /// The stored events of an execution with a `seq` above `after_seq`, in order: at most `limit`,
    /// and up to 16 MiB of them. A larger event is a portion by itself.
    ///
    /// # Errors
    /// [`Error::ExecutionNotFound`](crate::Error::ExecutionNotFound);
    /// [`Error::Unavailable`](crate::Error::Unavailable) while other answers hold their whole
    /// budget.
    pub async fn list_events(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
    ) -> Result<Charged<Portion<Arc<SharedEvent>>>> {
        self.execution_head(execution_id).await?;
        let found = self
            .read_charged(move |connection, most| {
                let portion = store::event::list(connection, execution_id, after_seq, limit, most)?;
                Ok(portion.within(most))
            })
            .await?;
        Ok(found.map(|portion| portion.map(|event| Arc::new(SharedEvent::new(event)))))
    }

    /// The events of an execution with a `seq` above `after_seq`, for which this waits up to
    /// `wait`: at most `limit`, and at most a batch of a follower. The list is empty when none came
    /// in time, and when the execution has ended without any.
    ///
    /// # Errors
    /// As [`list_events`](Self::list_events).
    pub async fn wait_for_events(
        &self,
        execution_id: Uuid,
        after_seq: u64,
        limit: usize,
        wait: Duration,
    ) -> Result<Charged<Portion<Arc<SharedEvent>>>> {
        let mut follower = self.follow(execution_id, after_seq).await?;
        let events = match tokio::time::timeout(wait, follower.next()).await {
            Ok(Ok(FollowItem::Events(events))) => events,
            Ok(Ok(FollowItem::End(_))) | Err(_) => Vec::new(),
            Ok(Err(error)) => return Err(error),
        };
        Ok(Charged::free(Portion::cut(events, limit)))
    }
}
