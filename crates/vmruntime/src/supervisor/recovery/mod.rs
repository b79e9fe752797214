//! Recovery: what a session is restored from when its process has died.
//!
//! A session survives the death of any of its processes, and often that of its zygote. Its
//! committed state can be restored from two things:
//!
//! - its *checkpoint*, a fork of its process that sleeps with the heap of a commit
//!   ([`failover`]: the checkpoint is promoted),
//! - its *seed*, with a complete replay log: another fork of the zygote that is set up with the
//!   seed and replays the log has the same state ([`respawn`]).
//!
//! Which of the two a session has is a part of its [`phase`]. The modules here hold the state and
//! the rules. The session actor calls them, because it alone exchanges messages with the processes.
//!
//! The [`replay_log`] holds what a checkpoint lacks of the committed state. The [`session_seed`]
//! holds what a process is set up with.

pub(super) mod failover;
pub(super) mod phase;
pub(super) mod replay_log;
pub(super) mod respawn;
pub(super) mod session_seed;
