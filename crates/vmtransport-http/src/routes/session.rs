use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use vmapi_types::{CreateSessionRequest, Session, SessionStatus};
use vmcontrol::{Control, Error};

use crate::error::ApiError;
use crate::extract::{Json, PathParams, QueryParams};
use crate::respond::{Body, Created};
use crate::stream::{self, last_event_id, session_cursor};

pub(crate) async fn list(
    State(control): State<Control>,
    query: QueryParams,
) -> Result<Body<Vec<Session>>, ApiError> {
    let status = query.get("status").map(status_of).transpose()?;
    Ok(Body(control.list_sessions(status).await?))
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

fn status_of(name: &str) -> Result<SessionStatus, Error> {
    SessionStatus::from_name(name).ok_or_else(|| {
        let all = SessionStatus::ALL.map(SessionStatus::as_str).join(", ");
        Error::validation(format!("status must be one of {all}, not {name:?}"))
    })
}

/// The executions of a session as they come, with their events, and the session's status.
pub(crate) async fn stream(
    State(control): State<Control>,
    path: PathParams,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let id = path.id("session_id")?;
    let after = last_event_id(&headers).map(session_cursor).transpose()?;
    let feed = control.follow_session(id, after).await?;
    Ok(stream::respond_session(feed))
}
