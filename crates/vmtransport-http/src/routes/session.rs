//! The handlers of sessions, their streams, and queries.

use axum::extract::{OriginalUri, State};
use axum::http::HeaderMap;
use axum::response::Response;
use vmapi_types::{
    CompleteRequest, Completeness, Completions, CreateSessionRequest, InspectRequest, Inspection,
    IsCompleteRequest, Session, SessionStatus,
};
use vmcontrol::{Control, SessionFilter, parse_id};

use crate::error::ApiError;
use crate::extract::{Json, PathParams, QueryParams, present, required};
use crate::list::Listed;
use crate::respond::{Body, Created};
use crate::stream::{self, last_event_id, session_cursor};

/// The default of `limit` for lists of sessions.
pub(crate) const DEFAULT_LIMIT: u32 = 10_000;

pub(crate) async fn list(
    State(control): State<Control>,
    uri: OriginalUri,
    query: QueryParams,
) -> Result<Response, ApiError> {
    let filter = SessionFilter {
        status: query.one_of("status", &SessionStatus::ALL, SessionStatus::as_str)?,
        template_id: query
            .filter("template_id")
            .map(|id| parse_id("template_id", id))
            .transpose()?,
        workspace_id: query.filter("workspace_id").map(str::to_owned),
    };
    let page = query.page(DEFAULT_LIMIT)?;
    let portion = control.list_sessions(filter, page).await?;
    let listed = Listed::new(portion, page, &uri, |session| session.id);
    Ok(listed.respond().await)
}

pub(crate) async fn create(
    State(control): State<Control>,
    Json(request): Json<CreateSessionRequest>,
) -> Result<Created<Session>, ApiError> {
    Ok(Created(control.create_session(request).await?))
}

pub(crate) async fn get(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Session>, ApiError> {
    Ok(Body(control.get_session(path.id("session_id")?).await?))
}

pub(crate) async fn close(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Session>, ApiError> {
    Ok(Body(control.close_session(path.id("session_id")?).await?))
}

/// Streams the executions of a session, with their events, and the session when its status changes;
/// with `executions=false` the session alone.
pub(crate) async fn stream(
    State(control): State<Control>,
    path: PathParams,
    query: QueryParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = path.id("session_id")?;
    let after = last_event_id(&headers).map(session_cursor).transpose()?;
    let follower = if query.flag("executions", true)? {
        control.follow_session(id, after).await?
    } else {
        control.follow_session_status(id).await?
    };
    Ok(stream::respond_session(follower))
}

/// Lists the completions of code at a cursor.
pub(crate) async fn complete(
    State(control): State<Control>,
    path: PathParams,
    Json(request): Json<CompleteRequest>,
) -> Result<Body<Completions>, ApiError> {
    let id = path.id("session_id")?;
    let code = present("code", request.code)?;
    Ok(Body(control.complete(id, &code, request.cursor).await?))
}

/// Inspects the value of an expression.
pub(crate) async fn inspect(
    State(control): State<Control>,
    path: PathParams,
    Json(request): Json<InspectRequest>,
) -> Result<Body<Inspection>, ApiError> {
    let id = path.id("session_id")?;
    let expression = required("expression", request.expression)?;
    Ok(Body(control.inspect(id, &expression).await?))
}

/// Checks whether code is complete.
pub(crate) async fn is_complete(
    State(control): State<Control>,
    path: PathParams,
    Json(request): Json<IsCompleteRequest>,
) -> Result<Body<Completeness>, ApiError> {
    let id = path.id("session_id")?;
    let code = present("code", request.code)?;
    Ok(Body(control.is_complete(id, &code).await?))
}
