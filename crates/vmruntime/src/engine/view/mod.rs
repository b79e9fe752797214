//! What engines share of inspecting, printing and completing: everything that needs no value of an
//! engine.
//!
//! - [`options`] says how deep and how wide a value is inspected.
//! - [`text`] quotes strings as Node does, and measures and cuts texts.
//! - [`layout`] breaks the entries of an object into lines.
//! - [`table`] draws what `console.table` prints.
//! - [`payload`] is the JSON of the events about values, exceptions and output, with its limits.
//! - [`candidates`] collects what completion offers.
//!
//! An adapter walks its own values, and hands texts to these.

pub(crate) mod candidates;
pub(crate) mod layout;
pub(crate) mod options;
pub(crate) mod payload;
pub(crate) mod table;
pub(crate) mod text;
