//! Executions: run code, list, cancel; their events.

use schemars::SchemaGenerator;
use vmapi_types::ErrorCode::{
    ExecutionExists, ExecutionNotFound, FileNotFound, InvalidPath, OutputLimitExceeded,
    PayloadTooLarge, SessionBusy, SessionNotFound, SessionNotReady,
};
use vmapi_types::{Event, Execution, ExecutionKind, ExecutionStatus, ReplRequest, RunFileRequest};

use super::paged;
use crate::operation::{Operation, Parameter, Route, Tag, get, post};
use crate::routes::execution;

/// Adds that the operation uses the database and fails without the execution of its path.
fn of_execution(operation: Operation) -> Operation {
    operation.fails(&[ExecutionNotFound]).stored()
}

/// Puts routes under the tag of executions.
fn tagged<const N: usize>(routes: [Route; N]) -> Vec<Route> {
    routes.map(|route| route.tagged(Tag::Executions)).into()
}

/// Adds what all operations that run code have in common.
fn runs(operation: Operation) -> Operation {
    operation
        .about(
            "An execution that fails or is rolled back is answered as any other: see its `status`. \
             One that exceeds an output limit is `422 OUTPUT_LIMIT_EXCEEDED`, and recorded all the \
             same. A request that is sent again with the same `execution_id` never runs twice.",
        )
        .answers::<Execution>(
            201,
            "The execution has ended, and is stored with its events.",
        )
        .answers::<Execution>(202, "The execution is still running after `wait_ms`.")
        .fails(&[
            SessionNotFound,
            ExecutionNotFound,
            SessionNotReady,
            SessionBusy,
            ExecutionExists,
            OutputLimitExceeded,
        ])
        .stored()
}

/// Executions.
pub(super) fn executions() -> Vec<Route> {
    tagged([
        paged(
            get(
                "/executions",
                "listExecutions",
                "List the executions of a session",
            )
            .parameter(
                Parameter::query("session_id", "The id of the session.")
                    .id()
                    .required(),
            )
            .parameter(
                Parameter::query("status", "Only executions with this status.")
                    .one_of::<ExecutionStatus>(),
            )
            .parameter(
                Parameter::query("kind", "Only executions of this kind.").one_of::<ExecutionKind>(),
            ),
            execution::DEFAULT_LIMIT,
        )
        .lists::<Execution>("The executions, newest first.")
        .fails(&[SessionNotFound])
        .stored()
        .to(execution::list),
        runs(post("/executions/repl", "runSnippet", "Run a snippet"))
            .takes::<ReplRequest>()
            .to(execution::repl),
        runs(post("/executions/run-file", "runFile", "Run a file"))
            .takes::<RunFileRequest>()
            .fails(&[FileNotFound, InvalidPath, PayloadTooLarge])
            .to(execution::run_file),
        of_execution(get(
            "/executions/{execution_id}",
            "getExecution",
            "Get an execution",
        ))
        .answers::<Execution>(200, "The execution.")
        .to(execution::get),
        of_execution(post(
            "/executions/{execution_id}/cancel",
            "cancelExecution",
            "Cancel an execution",
        ))
        .about("The execution is rolled back. An execution that has ended stays as it is.")
        .answers::<Execution>(200, "The execution, ended.")
        .to(execution::cancel),
    ])
}

/// The events of an execution.
pub(super) fn events() -> Vec<Route> {
    let after = || {
        Parameter::query(
            "after_seq",
            "Only events with a `seq` greater than this one.",
        )
        .number(0, Some(0))
    };
    tagged([
        of_execution(get(
            "/executions/{execution_id}/events",
            "listEvents",
            "List the events of an execution",
        ))
        .parameter(after())
        .parameter(
            Parameter::query(
                "limit",
                "The largest number of events in the answer. Absent: all.",
            )
            .number(1, None),
        )
        .parameter(
            Parameter::query(
                "wait_ms",
                "How long to wait for an event if there is none, in milliseconds.",
            )
            .number(0, Some(0))
            .at_most(execution::MAX_WAIT_MS),
        )
        .lists::<Event>(
            "The events by `seq`, up to 16 MiB. Empty if there are no more, or none came in time.",
        )
        .to(execution::events),
        of_execution(get(
            "/executions/{execution_id}/events/stream",
            "streamEvents",
            "Follow the events of an execution",
        ))
        .about(
            "Stored events come first, then events as they happen. Messages: `message` has an \
             event, and its `id` is the event's `seq`; `end` has the execution, and is the last \
             message. A stream without it is not complete.",
        )
        .parameter(after())
        .parameter(Parameter::header(
            "Last-Event-ID",
            "Resume after the event with this `seq`; takes precedence over `after_seq`.",
        ))
        .streams(
            "Server-sent events.",
            [
                ("message", SchemaGenerator::subschema_for::<Event> as _),
                ("end", SchemaGenerator::subschema_for::<Execution> as _),
            ],
        )
        .to(execution::stream),
    ])
}
