//! Sessions: create, list, close, follow, query.

use schemars::SchemaGenerator;
use vmapi_types::ErrorCode::{
    EngineUnsupported, InvalidPath, LibraryUnavailable, SessionNotFound, SessionNotReady,
    StartupFailed, TemplateNotFound, WorktreeInvalid,
};
use vmapi_types::{
    CompleteRequest, Completeness, Completions, CreateSessionRequest, Event, Execution,
    InspectRequest, Inspection, IsCompleteRequest, Session, SessionStatus,
};

use super::paged;
use crate::operation::{Operation, Parameter, Route, Tag, delete, get, post};
use crate::routes::session;

/// Adds that the operation uses the database and fails without the session of its path.
fn of_session(operation: Operation) -> Operation {
    operation.fails(&[SessionNotFound]).stored()
}

/// Puts routes under the tag of sessions.
fn tagged<const N: usize>(routes: [Route; N]) -> Vec<Route> {
    routes.map(|route| route.tagged(Tag::Sessions)).into()
}

/// Sessions.
pub(super) fn sessions() -> Vec<Route> {
    tagged([
        paged(
            get("/sessions", "listSessions", "List sessions")
                .parameter(
                    Parameter::query("status", "Only sessions with this status.")
                        .one_of::<SessionStatus>(),
                )
                .parameter(Parameter::query("template_id", "Only sessions of this template.").id())
                .parameter(Parameter::query(
                    "workspace_id",
                    "Only sessions of this workspace.",
                )),
            session::DEFAULT_LIMIT,
        )
        .lists::<Session>("The sessions, newest first.")
        .stored()
        .to(session::list),
        post("/sessions", "createSession", "Create a session")
            .about("The answer comes when the startup files have run and the session is ready.")
            .takes::<CreateSessionRequest>()
            .answers::<Session>(201, "The session is ready.")
            .fails(&[
                TemplateNotFound,
                SessionNotReady,
                EngineUnsupported,
                WorktreeInvalid,
                StartupFailed,
                InvalidPath,
                LibraryUnavailable,
            ])
            .stored()
            .to(session::create),
        of_session(get("/sessions/{session_id}", "getSession", "Get a session"))
            .answers::<Session>(200, "The session.")
            .to(session::get),
        of_session(delete(
            "/sessions/{session_id}",
            "deleteSession",
            "Close a session",
        ))
        .about("The same as `closeSession`. The record of the session stays.")
        .answers::<Session>(200, "The session, closed.")
        .to(session::close),
        of_session(post(
            "/sessions/{session_id}/close",
            "closeSession",
            "Close a session",
        ))
        .about("A running execution ends as `cancelled`. Closing a closed session changes nothing.")
        .answers::<Session>(200, "The session, closed.")
        .to(session::close),
    ])
}

/// The stream of a session.
pub(super) fn streams() -> Vec<Route> {
    tagged([of_session(get(
        "/sessions/{session_id}/events/stream",
        "streamSession",
        "Follow a session and its executions",
    ))
    .about(
        "The stream begins with the running execution, if there is one, and ends when the \
             session is closed or has crashed. Messages: `session` has the session, first and when \
             its status has changed; `execution` has an execution that begins; `message` has an \
             event; `end` has an execution that has ended. A stream without its last `session` \
             message is not complete.",
    )
    .parameter(
        Parameter::query(
            "executions",
            "Whether to send executions and events, too, and not the session alone.",
        )
        .flag(true),
    )
    .parameter(Parameter::header(
        "Last-Event-ID",
        "Resume after the message with this `id`, or with `start` from the session's first \
             execution.",
    ))
    .streams(
        "Server-sent events.",
        [
            ("session", SchemaGenerator::subschema_for::<Session> as _),
            (
                "execution",
                SchemaGenerator::subschema_for::<Execution> as _,
            ),
            ("message", SchemaGenerator::subschema_for::<Event> as _),
            ("end", SchemaGenerator::subschema_for::<Execution> as _),
        ],
    )
    .to(session::stream)])
}

/// Queries to a session, which change nothing.
pub(super) fn queries() -> Vec<Route> {
    const ABOUT: &str = "The query sees the session as it was at the end of its last execution, \
                         also while another one runs, and changes nothing. The text has at most \
                         1 MiB.";
    tagged([
        of_session(post(
            "/sessions/{session_id}/complete",
            "completeCode",
            "List the completions of code at a cursor",
        ))
        .about(ABOUT)
        .takes::<CompleteRequest>()
        .answers::<Completions>(200, "The completions.")
        .fails(&[SessionNotReady])
        .to(session::complete),
        of_session(post(
            "/sessions/{session_id}/inspect",
            "inspectExpression",
            "Inspect the value of an expression",
        ))
        .about(ABOUT)
        .takes::<InspectRequest>()
        .answers::<Inspection>(200, "The value, or why there is none.")
        .fails(&[SessionNotReady])
        .to(session::inspect),
        of_session(post(
            "/sessions/{session_id}/is-complete",
            "checkCompleteness",
            "Report whether code can be run as it is",
        ))
        .about(ABOUT)
        .takes::<IsCompleteRequest>()
        .answers::<Completeness>(200, "Whether the code is complete.")
        .fails(&[SessionNotReady])
        .to(session::is_complete),
    ])
}
