//! What a session is made of again when its process is gone.

pub(super) mod replay_log;
pub(super) mod session_seed;
