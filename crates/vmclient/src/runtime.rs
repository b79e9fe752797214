//! The endpoints below `/runtime` that describe the running daemon, and `/health`.

use vmapi_types::{Health, RuntimeSummary, Sandbox};

use crate::{Call, Client};

impl Client {
    /// `GET /health`: succeeds while the daemon serves requests.
    pub fn health(&self) -> Call<Health> {
        self.get(&["health"])
    }

    /// `GET /runtime/summary`: the number and the ids of the live sessions.
    pub fn runtime_summary(&self) -> Call<RuntimeSummary> {
        self.get(&["runtime", "summary"])
    }

    /// `GET /runtime/sandbox`: the restrictions that the kernel enforces on session processes.
    pub fn sandbox(&self) -> Call<Sandbox> {
        self.get(&["runtime", "sandbox"])
    }
}
