use axum::extract::State;
use vmapi_types::{Event, Execution, ReplRequest, RunFileRequest};
use vmcontrol::{Control, Error, FileRun};

use crate::error::ApiError;
use crate::extract::{Json, PathParams, QueryParams, required, required_id};
use crate::respond::{Body, Created};

/// How many executions a listing gives unless told otherwise.
const DEFAULT_LIMIT: u32 = 50;

pub(crate) async fn list(
    State(control): State<Control>,
    query: QueryParams,
) -> Result<Body<Vec<Execution>>, ApiError> {
    let session_id = query.id("session_id")?;
    let limit = query.number("limit", DEFAULT_LIMIT, 1)?;
    Ok(Body(control.list_executions(session_id, limit).await?))
}

pub(crate) async fn repl(
    State(control): State<Control>,
    Json(request): Json<ReplRequest>,
) -> Result<Created<Execution>, ApiError> {
    let session_id = required_id("session_id", request.session_id.as_deref())?;
    // An empty snippet is a snippet; only a missing one is refused.
    let input = request
        .input
        .ok_or_else(|| Error::validation("input is required"))?;
    let limits = request.limits.unwrap_or_default();
    Ok(Created(control.run_repl(session_id, input, &limits).await?))
}

pub(crate) async fn run_file(
    State(control): State<Control>,
    Json(request): Json<RunFileRequest>,
) -> Result<Created<Execution>, ApiError> {
    let session_id = required_id("session_id", request.session_id.as_deref())?;
    let file = FileRun {
        path: required("path", request.path)?,
        args: request.args.unwrap_or_default(),
        env: request.env.unwrap_or_default(),
        limits: request.limits.unwrap_or_default(),
    };
    Ok(Created(control.run_file(session_id, file).await?))
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
) -> Result<Body<Vec<Event>>, ApiError> {
    let after_seq = query.number("after_seq", 0, 0)?;
    let id = path.id("execution_id")?;
    Ok(Body(control.list_events(id, after_seq).await?))
}
