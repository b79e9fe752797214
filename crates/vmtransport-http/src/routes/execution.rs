//! The handlers of executions and their events.

use std::time::Duration;

use axum::extract::{OriginalUri, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use vmapi_types::{ExecutionKind, ExecutionStatus, LimitsPatch, ReplRequest, RunFileRequest};
use vmcontrol::{Control, Error, ExecutionFilter, FileRun, RunOptions, Submitted, parse_id};

use crate::error::ApiError;
use crate::extract::{Json, PathParams, QueryParams, required, required_id};
use crate::list::Listed;
use crate::respond;
use crate::stream::{self, bad_last_event_id, last_event_id};

/// The largest value of `wait_ms`, in milliseconds: an hour, which is also the largest `wall_ms`.
pub(crate) const MAX_WAIT_MS: u64 = 3_600_000;

/// The default of `limit` for lists of executions.
pub(crate) const DEFAULT_LIMIT: u32 = 50;

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
) -> Result<Response, ApiError> {
    let session_id = required_id("session_id", request.session_id.as_deref())?;
    // White space alone is a snippet.
    let input = required("input", request.input)?;
    let options = options(
        request.limits,
        request.execution_id.as_deref(),
        request.wait_ms,
    )?;
    let submitted = control.run_repl(session_id, input, &options).await?;
    Ok(answer(submitted).await)
}

pub(crate) async fn run_file(
    State(control): State<Control>,
    Json(request): Json<RunFileRequest, false>,
) -> Result<Response, ApiError> {
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
    let submitted = control.run_file(session_id, file, &options).await?;
    Ok(answer(submitted).await)
}

/// The options of a request to run code.
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

/// The answer to a request to run code.
async fn answer(submitted: Submitted) -> Response {
    let (status, execution) = match submitted {
        Submitted::Ended(execution) => (StatusCode::CREATED, execution),
        Submitted::Running(execution) => (StatusCode::ACCEPTED, execution),
    };
    let mut response = respond::json(execution).await;
    // An execution that could not be encoded is answered with an error status.
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

pub(crate) async fn get(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Response, ApiError> {
    let found = control.get_execution(path.id("execution_id")?).await?;
    Ok(respond::json(found).await)
}

pub(crate) async fn cancel(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Response, ApiError> {
    let id = path.id("execution_id")?;
    Ok(respond::json(control.cancel_execution(id).await?).await)
}

pub(crate) async fn events(
    State(control): State<Control>,
    uri: OriginalUri,
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
    let mut events = control.list_events(id, after_seq, limit).await?;
    if events.items.is_empty() && wait_ms > 0 {
        let wait = Duration::from_millis(wait_ms);
        events = control.wait_for_events(id, after_seq, limit, wait).await?;
    }
    let listed = Listed::numbered(events, &uri, |shared| shared.event.seq);
    Ok(listed.respond().await)
}

/// Streams the events of an execution, and the execution when it has ended.
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
    let follower = control.follow(id, after_seq).await?;
    Ok(stream::respond(follower))
}
