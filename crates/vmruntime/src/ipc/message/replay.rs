//! The entries of the replay log, as they are sent.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vmcontrol::runtime::RunRequest;

/// A run of the replay log: one that was committed without a checkpoint, because it is
/// deterministic, given its inputs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct LoggedRun {
    /// How many runs the session's state holds with this one.
    pub(crate) commits: u64,
    /// What was run. The JSON of a request does not contain the source text, which is encoded
    /// beside it.
    #[serde(with = "with_source")]
    pub(crate) request: Arc<RunRequest>,
    /// Its inputs, and a digest of its end.
    pub(crate) trace: Trace,
}

/// The inputs that a replay is given, and the digest that it must produce. If the digest differs,
/// the state is not the session's.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trace {
    /// The nondeterministic inputs in the order of the first run: times and random numbers.
    pub(crate) inputs: Vec<u64>,
    /// A digest of its events and its end.
    pub(crate) digest: u64,
}

impl LoggedRun {
    /// Whether a state that holds `commits` runs can be brought to the end of a log.
    pub(crate) fn go_on_from(log: &[Arc<Self>], commits: u64) -> bool {
        log.first().is_none_or(|first| first.commits <= commits + 1)
    }
}

/// A request with its source text, which is no part of a request's own JSON.
mod with_source {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use vmcontrol::runtime::RunRequest;

    pub(super) fn serialize<S: Serializer>(
        request: &Arc<RunRequest>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        (&*request.source, &**request).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<RunRequest>, D::Error> {
        let (source, request): (Arc<str>, RunRequest) = Deserialize::deserialize(deserializer)?;
        Ok(Arc::new(RunRequest { source, ..request }))
    }
}

#[cfg(test)]
mod tests {
    use vmapi_types::Limits;
    use vmcontrol::runtime::RunMode;

    use super::*;

    #[test]
    fn a_logged_run_arrives_with_its_source_text() {
        let logged = LoggedRun {
            commits: 3,
            request: Arc::new(RunRequest {
                source: "a + 1".into(),
                name: "repl".into(),
                mode: RunMode::Repl,
                limits: Limits::default(),
                charge: Arc::default(),
            }),
            trace: Trace::default(),
        };
        let json = serde_json::to_vec(&logged).unwrap();
        let arrived: LoggedRun = serde_json::from_slice(&json).unwrap();
        assert_eq!((&*arrived.request.source, arrived.commits), ("a + 1", 3));
    }
}
