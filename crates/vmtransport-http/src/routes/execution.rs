use std::time::Duration;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use vmapi_types::{
    Execution, ExecutionKind, ExecutionStatus, LimitsPatch, ReplRequest, RunFileRequest,
};
use vmcontrol::{Control, Error, ExecutionFilter, FileRun, RunOptions, Submitted, parse_id};

use crate::error::ApiError;
use crate::extract::{Json, PathParams, QueryParams, present, required, required_id};
use crate::list::Listed;
use crate::respond::{self, Body, Created};
use crate::stream::{self, bad_last_event_id, last_event_id};

/// How long a request may wait, in milliseconds: an hour, as long as an execution may take.
const MAX_WAIT_MS: u64 = 3_600_000;

/// How many executions a listing gives unless told otherwise.
const DEFAULT_LIMIT: u32 = 50;

pub(crate) async fn list(
    State(control): State<Control>,
    uri: OriginalUri,
    query: QueryParams,
) -> Result<Response, ApiError> {
    let session_id = query.id("session_id")?;
    let filter = ExecutionFilter {
        status: query.one_of("status", &ExecutionStatus::ALL, ExecutionStatus::as_str)?,
        kind: query.one_of("kind", &ExecutionKind::ALL, ExecutionKind::as_str)?,
    };
    let page = query.page(DEFAULT_LIMIT)?;
    let portion = control.list_executions(session_id, filter, page).await?;
    let listed = Listed::new(portion, page, &uri, |execution| execution.id);
    Ok(listed.respond().await)
}

pub(crate) async fn repl(
    State(control): State<Control>,
    Json(request): Json<ReplRequest>,
) -> Result<Ran, ApiError> {
    let session_id = required_id("session_id", request.session_id.as_deref())?;
    // An empty snippet is a snippet; only a missing one is refused.
    let input = present("input", request.input)?;
    let options = options(
        request.limits,
        request.execution_id.as_deref(),
        request.wait_ms,
    )?;
    Ok(Ran(control.run_repl(session_id, input, &options).await?))
}

pub(crate) async fn run_file(
    State(control): State<Control>,
    Json(request): Json<RunFileRequest>,
) -> Result<Ran, ApiError> {
    let session_id = required_id("session_id", request.session_id.as_deref())?;
    let file = FileRun {
        path: required("path", request.path)?,
        args: request.args.unwrap_or_default(),
        env: request.env.unwrap_or_default(),
    };
    let options = options(
        request.limits,
        request.execution_id.as_deref(),
        request.wait_ms,
    )?;
    Ok(Ran(control.run_file(session_id, file, &options).await?))
}

fn options(
    limits: Option<LimitsPatch>,
    execution_id: Option<&str>,
    wait_ms: Option<u64>,
) -> Result<RunOptions, ApiError> {
    if wait_ms.is_some_and(|wait| wait > MAX_WAIT_MS) {
        return Err(Error::validation(format!("wait_ms may be at most {MAX_WAIT_MS}")).into());
    }
    Ok(RunOptions {
        limits: limits.unwrap_or_default(),
        execution_id: execution_id
            .map(|id| parse_id("execution_id", id))
            .transpose()?,
        wait: wait_ms.map(Duration::from_millis),
    })
}

/// The answer to a request to run something.
pub(crate) struct Ran(Submitted);

impl IntoResponse for Ran {
    fn into_response(self) -> Response {
        match self.0 {
            Submitted::Ended(execution) => Created(execution).into_response(),
            Submitted::Running(execution) => {
                (StatusCode::ACCEPTED, Body(execution)).into_response()
            }
        }
    }
}

pub(crate) async fn get(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Execution>, ApiError> {
    Ok(Body(control.get_execution(path.id("execution_id")?).await?))
}

pub(crate) async fn cancel(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Execution>, ApiError> {
    let id = path.id("execution_id")?;
    Ok(Body(control.cancel_execution(id).await?))
}

pub(crate) async fn events(
    State(control): State<Control>,
    path: PathParams,
    query: QueryParams,
) -> Result<Response, ApiError> {
    let after_seq = query.number("after_seq", 0, 0)?;
    let limit = query.number("limit", u64::MAX, 1)?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let wait_ms = query.number("wait_ms", 0, 0)?;
    if wait_ms > MAX_WAIT_MS {
        return Err(Error::validation(format!("wait_ms may be at most {MAX_WAIT_MS}")).into());
    }
    let id = path.id("execution_id")?;
    let events = control.list_events(id, after_seq, limit).await?;
    if !events.is_empty() || wait_ms == 0 {
        return Ok(respond::list(events).await);
    }
    let wait = Duration::from_millis(wait_ms);
    let events = control.wait_for_events(id, after_seq, limit, wait).await?;
    Ok(respond::list(events).await)
}

/// The events of an execution as they come, and its end.
pub(crate) async fn stream(
    State(control): State<Control>,
    path: PathParams,
    query: QueryParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = path.id("execution_id")?;
    let after_seq = match last_event_id(&headers) {
        Some(text) => text.parse().map_err(|_| bad_last_event_id(text))?,
        None => query.number("after_seq", 0, 0)?,
    };
    let feed = control.follow(id, after_seq).await?;
    Ok(stream::respond(feed))
}
