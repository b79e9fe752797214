//! The rules of the house: what holds for every file of this repository, checked on the sources
//! themselves.
//!
//! `cargo test --workspace --test house` takes a few seconds and starts nothing. A test that fails
//! names each place as `file:line` and says what to do there. What is tolerated of a rule stands in
//! [`limits`] and in the table of [`words`].

mod comments;
mod dependencies;
mod imports;
mod limits;
mod report;
mod repository;
mod signatures;
mod sizes;
mod source;
mod words;
