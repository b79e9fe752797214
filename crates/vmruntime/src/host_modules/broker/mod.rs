//! What all host modules share: the interface that a module implements, and the broker of a
//! session, which dispatches the calls of scripts to modules.
//!
//! - [`module`] is the interface: [`HostModule`] describes a module to the registry,
//!   [`SessionModule`] is the part of a module that belongs to one session.
//! - [`session_context`] is what a module may use of its session.
//! - [`dispatch`] is the [`Broker`]: it checks the policy for each call, opens a module at the
//!   session's first call to it, and tells the opened modules how each run ended. It names no
//!   module.
//! - [`answering`] sends an answer in pieces to the session process; [`arguments`] reads the
//!   arguments of a call; [`reply`] and [`errno`] make answers and errors.
//!
//! Nothing here imports a module: the broker gets the registry as an argument.

pub(crate) mod answering;
pub(crate) mod arguments;
pub(crate) mod dispatch;
pub(crate) mod errno;
pub(crate) mod module;
pub(crate) mod reply;
pub(crate) mod session_context;
