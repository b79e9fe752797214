//! A typed client of the vm-system HTTP API.
//!
//! [`Client`] has one method for each endpoint. A method returns a [`Call`]: `.await` on it sends
//! the request and returns the answer as its type of [`vmapi_types`]; after [`Call::raw`] the
//! answer is the JSON text as the daemon wrote it. Lists that the daemon serves in pages are
//! [`Pages`].
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
mod pages;
mod runtime;
mod session;
mod stream;
mod template;

pub use call::Call;
pub use client::Client;
pub use error::Error;
pub use maintenance::Backup;
pub use pages::Pages;
pub use stream::{EventStream, SessionItem, SessionStream, StreamItem};
