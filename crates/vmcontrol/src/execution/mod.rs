//! Executions: how a run is requested, run, recorded and followed.

pub(crate) mod event;
pub(crate) mod failure;
pub(crate) mod follow;
pub(crate) mod recorder;
pub(crate) mod request;
pub(crate) mod run;
pub(crate) mod running;
pub(crate) mod shared_event;
pub(crate) mod source;
pub(crate) mod submit;
