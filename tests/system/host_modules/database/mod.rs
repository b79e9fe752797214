//! The host module `database`.

mod calls;
mod containment;
mod rollback;
