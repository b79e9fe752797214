//! The rules of the house: rules that hold for every file of this repository, checked on the
//! sources.
//!
//! `cargo test --workspace --test house` takes a few seconds and starts no daemon. A test that
//! fails lists each finding as `file:line`, with the remedy. [`limits`] and the table of [`words`]
//! have the number of findings that each rule tolerates.

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
