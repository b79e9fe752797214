//! `vm-system exec`.

mod output;
