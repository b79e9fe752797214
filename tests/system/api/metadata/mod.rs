//! `/metadata`: modules and libraries.

mod libraries;
mod modules;
