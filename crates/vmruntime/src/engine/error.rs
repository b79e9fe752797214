//! Why an engine can't be used.

/// Why an engine can't be used. A failure of a script is no such error.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EngineError {
    /// There is no engine of that name.
    #[error("the engine {0:?} is not built in")]
    Unknown(String),
    /// The engine could not be built, for this reason.
    #[error("the engine can't be built: {0}")]
    Build(String),
    /// The engine could not be configured for a session, for this reason.
    #[error("{0}")]
    Configure(String),
}
