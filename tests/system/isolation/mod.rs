//! What scripts must not reach or harm: the sandbox, hostile input, paths and builtins.

mod builtins;
mod hostile;
mod paths;
mod sandbox;
