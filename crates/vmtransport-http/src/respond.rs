//! JSON answers.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// An answer's body: JSON with one newline at its end.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Body<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(mut bytes) => {
                bytes.push(b'\n');
                let json = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, json)], bytes).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "an answer is not JSON");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// How many things an answer may have that is written where it is asked for.
const FEW: usize = 64;

/// An answer that lists things. Where they are many it is written by a thread that may block, or other answers would have to
/// wait for that.
pub(crate) async fn list<T: Serialize + Send + 'static>(things: Vec<T>) -> Response {
    if things.len() <= FEW {
        return Body(things).into_response();
    }
    let written = tokio::task::spawn_blocking(|| Body(things).into_response());
    written.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an answer could not be written");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}

/// An answer that says that something was made.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Body(self.0)).into_response()
    }
}
