//! `vm-system exec`.

mod follow;
mod output;
mod terminal;
