//! The host module `fs` and capabilities of kind `fs`.

mod fixture;
mod links;
mod paths;
mod rules;
