//! The port to the storage of the service: what is stored, and every operation on it, in domain
//! terms.
//!
//! [`Store`] is what an implementation provides; the program that embeds this crate chooses one.
//! The shapes that cross the port are here as well, so that an implementation depends on this crate
//! and nothing here depends on an implementation.
//!
//! # Writes
//!
//! A write has three moments. It is *submitted* when a method is called, *done* when it and all
//! writes that were submitted before it have taken effect or failed, and *durable* from then on: a
//! store answers a write only when it survives a crash of the process and a loss of power. Writes
//! take effect in the order in which they were submitted.
//!
//! Most writes are futures, which submit when they are first polled and resolve when the write is
//! done. The writes of an execution and the record of a new session need not be waited for at once:
//! a caller reserves room with [`WriteRoom::reserve`], which is the back-pressure of the store,
//! submits without waiting, and gets a [`PendingWrite`] to wait for later.
//!
//! A future of a write that is dropped does not take back what it submitted.
//!
//! # Reads
//!
//! A read sees every write that was done before it began. What is read for an answer to a client is
//! bounded by a number of bytes that the caller gives, see [`Within`].

#[cfg(any(test, feature = "testing"))]
pub mod conformance;
mod error;
#[cfg(any(test, feature = "testing"))]
pub mod memory;
mod page;
mod port;
mod query;
mod record;
mod retention;
mod template;
mod view;
mod write;

pub use error::{Cause, StoreError, UnreadableRecord};
pub use page::{Page, Portion, Within};
pub use port::{ChangeTemplate, RunningNow, Store, StoreFuture};
pub use query::{ExecutionFilter, ExecutionQuery, OnUnreadable, SessionFilter, SessionQuery};
pub use record::{EVENT_BYTES, EventBatch, ExecutionEnd, ExecutionHead, Settled, UnrecordedEnd};
pub use retention::{ExpiredExecutions, RecordNumber, RemovedExecutions};
pub use template::{NameList, TemplateChange, TemplateChanged, TemplatePart};
pub(crate) use view::{execution_as_seen, session_as_seen};
pub use write::{PendingWrite, Urgency, WriteAnswer, WritePermit, WriteRoom, pending_write};
