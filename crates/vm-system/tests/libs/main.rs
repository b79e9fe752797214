//! `vm-system libs` against a test server.

mod cache;
mod downloads;
mod interruptions;
mod origins;
mod registry;
