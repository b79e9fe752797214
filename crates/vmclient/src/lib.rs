//! A typed client of the vm-system HTTP API.
//!
//! [`Client`] has one method per endpoint. Each gives a [`Call`]: awaited, it is the answer as its type of
//! [`vmapi_types`]; after [`Call::raw`] it is the answer's JSON text as the daemon wrote it.
//!
//! ```no_run
//! # async fn example() -> Result<(), vmclient::Error> {
//! let client = vmclient::Client::new("http://127.0.0.1:3210")?;
//! for template in client.templates().await? {
//!     println!("{} {}", template.id, template.name);
//! }
//! println!("{}", client.health().raw().await?);
//! # Ok(())
//! # }
//! ```

mod call;
mod client;
mod error;
mod execution;
mod maintenance;
mod metadata;
mod portions;
mod runtime;
mod session;
mod stream;
mod template;

pub use call::Call;
pub use client::Client;
pub use error::Error;
pub use maintenance::Backup;
pub use portions::Portions;
pub use stream::{EventStream, SessionItem, SessionStream, StreamItem};
