//! The request and response types of vm-system's HTTP API, its error codes, and their JSON schemas.
//!
//! The types serialise and deserialise, and make no decisions. JSON of any shape (event payloads,
//! results, arguments) is kept as the text that it arrived as, see [`RawJson`].
//!
//! The doc comments of these types are the descriptions in the OpenAPI document (`GET
//! /api/v1/openapi.json`): they are written for users of the API, with units and the meaning of an
//! absent field.

mod error;
mod event;
mod execution;
mod id;
mod limits;
mod maintenance;
mod metadata;
mod object;
mod payload;
mod policy;
mod query;
mod runtime;
mod session;
mod settings;
mod template;
mod timestamp;

pub use error::{ErrorBody, ErrorCode, ErrorEnvelope};
pub use event::{Event, EventType};
pub use execution::{
    Execution, ExecutionKind, ExecutionStatus, Metrics, ReplRequest, RunFileRequest,
};
pub use id::{IdKind, Identified};
pub use limits::{LIMITS, Limit, LimitUnit, Limits, LimitsPatch};
pub use maintenance::{CheckReport, PruneRequest, Pruned, Vacuumed};
pub use metadata::{AvailableLibrary, AvailableModule};
pub use object::JsonObject;
pub use payload::{
    ConsoleLevel, ConsolePayload, ExceptionPayload, SystemPayload, TextPayload, ValuePayload,
};
pub use query::{
    Candidate, CandidateKind, CompleteRequest, Completeness, CompletenessStatus, Completions,
    InspectRequest, Inspection, IsCompleteRequest, LOOK_LIMIT, PropertyView, ValueView,
};
pub use runtime::{Health, LandlockLevel, Platform, RuntimeSummary, Sandbox, Version};
pub use session::{CreateSessionRequest, Session, SessionStatus};
pub use settings::{Resolver, ResolverPatch, RuntimePatch, RuntimeSettings, Settings};
pub use template::{
    AddCapabilityRequest, AddNameRequest, AddStartupFileRequest, Capability, CreateTemplateRequest,
    Deleted, NamedItem, RemovedItem, RemovedPart, StartupFile, Template, TemplateDetails,
    UpdateTemplateRequest,
};
pub use timestamp::Timestamp;

/// JSON text that is passed on as it arrived, without being parsed into a tree.
pub type RawJson = Box<serde_json::value::RawValue>;
