//! What a session is restored from when its process is gone.
//!
//! A session survives the death of any of its processes, and often that of its zygote. Its
//! committed state can be restored from two things:
//!
//! - its *checkpoint*, a fork of its process that sleeps with the heap of a commit
//!   ([`failover`]: the checkpoint is promoted),
//! - its *seed*, with a complete replay log: another fork of the zygote that is set up in the same
//!   way and replays the log has the same state ([`respawn`]).
//!
//! Which of the two a session has is a part of its [`phase`]. The modules here hold the state and
//! the rules; the session actor drives them, since it alone talks to the processes.
//!
//! What a checkpoint lacks of the committed state is in the [`replay_log`]. The [`session_seed`]
//! says what the set-up of a process consists of.

pub(super) mod failover;
pub(super) mod phase;
pub(super) mod replay_log;
pub(super) mod respawn;
pub(super) mod session_seed;
