//! The shapes that travel over vm-system's HTTP API, and its error codes.
//!
//! Nothing here decides anything: the types serialise and deserialise. Free JSON (event payloads, results, arguments)
//! is kept as the text that was made once, see [`RawJson`].

mod error;
mod event;
mod execution;
mod id;
mod limits;
mod maintenance;
mod metadata;
mod object;
mod query;
mod runtime;
mod session;
mod settings;
mod template;
mod timestamp;

pub use error::{ErrorBody, ErrorCode, ErrorEnvelope};
pub use event::{ConsoleLevel, Event, EventType};
pub use execution::{
    Execution, ExecutionKind, ExecutionStatus, Metrics, ReplRequest, RunFileRequest,
};
pub use id::{IdKind, Identified};
pub use limits::{LIMITS, Limit, LimitUnit, Limits, LimitsPatch};
pub use maintenance::{CheckReport, PruneRequest, Pruned, Vacuumed};
pub use metadata::{AvailableLibrary, AvailableModule};
pub use object::JsonObject;
pub use query::{
    Candidate, CandidateKind, CompleteRequest, Completeness, CompletenessStatus, Completions,
    InspectRequest, Inspection, IsCompleteRequest, LOOK_LIMIT, PropertyView, ValueView,
};
pub use runtime::{Health, LandlockLevel, RuntimeSummary, Sandbox};
pub use session::{CreateSessionRequest, Session, SessionStatus};
pub use settings::{Resolver, ResolverPatch, RuntimePatch, RuntimeSettings, Settings};
pub use template::{
    AddCapabilityRequest, AddNameRequest, AddStartupFileRequest, Capability, CreateTemplateRequest,
    Deleted, NamedItem, RemovedItem, RemovedPart, StartupFile, Template, TemplateDetails,
    UpdateTemplateRequest,
};
pub use timestamp::Timestamp;

/// JSON text that is passed on as it was made, without being parsed into a tree.
pub type RawJson = Box<serde_json::value::RawValue>;
