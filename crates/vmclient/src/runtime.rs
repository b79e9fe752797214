//! The endpoints that describe the running daemon: `/health`, `/version`, and those below
//! `/runtime`.

use vmapi_types::{Health, RuntimeSummary, Sandbox, Version};

use crate::{Call, Client};

impl Client {
    /// `GET /health`: succeeds while the daemon serves requests.
    pub fn health(&self) -> Call<Health> {
        self.get(&["health"])
    }

    /// `GET /version`: the version of the daemon, its build and its engines.
    pub fn version(&self) -> Call<Version> {
        self.get(&["version"])
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
