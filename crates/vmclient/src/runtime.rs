use vmapi_types::{Health, RuntimeSummary, Sandbox, Version};

use crate::{Call, Client};

impl Client {
    /// `GET /health`: whether the daemon serves.
    pub fn health(&self) -> Call<Health> {
        self.get(&["health"])
    }

    /// `GET /version`: the version of the daemon, its build and its engines.
    pub fn version(&self) -> Call<Version> {
        self.get(&["version"])
    }

    /// `GET /runtime/summary`: the sessions that are live.
    pub fn runtime_summary(&self) -> Call<RuntimeSummary> {
        self.get(&["runtime", "summary"])
    }

    /// `GET /runtime/sandbox`: what the kernel keeps session processes from.
    pub fn sandbox(&self) -> Call<Sandbox> {
        self.get(&["runtime", "sandbox"])
    }
}
