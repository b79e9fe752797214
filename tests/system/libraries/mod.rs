//! Libraries: the catalogue, the cache, their names and how zygotes load them.

mod cache;
mod loading;
mod names;
mod registry;
