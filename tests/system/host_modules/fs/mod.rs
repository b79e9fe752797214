//! The host module `fs` and capabilities of kind `fs`.

mod calls;
mod fixture;
mod links;
mod paths;
mod rules;
