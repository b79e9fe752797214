use std::fs::File;
use std::io::Read;
use std::time::Duration;

use axum::body::{Body as HttpBody, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use tokio::sync::mpsc;
use vmapi_types::{CheckReport, PruneRequest, Pruned, Vacuumed};
use vmcontrol::{Control, Retention};

use crate::error::ApiError;
use crate::extract::Json;
use crate::respond::Body;
use crate::stream::Pieces;

/// How much of a copy is read at once, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// How many pieces of a copy wait for the client.
const WAITING_PIECES: usize = 4;

/// Removes what ended long ago, or counts it.
pub(crate) async fn prune(
    State(control): State<Control>,
    Json(request): Json<PruneRequest>,
) -> Result<Body<Pruned>, ApiError> {
    let retention = Retention {
        executions: request.retain_executions_s.map(Duration::from_secs),
        sessions: request.retain_sessions_s.map(Duration::from_secs),
    };
    Ok(Body(control.prune(retention, request.dry_run).await?))
}

/// Whether the database is sound.
pub(crate) async fn check(State(control): State<Control>) -> Result<Body<CheckReport>, ApiError> {
    Ok(Body(control.check().await?))
}

/// Gives room back to the disk.
pub(crate) async fn vacuum(State(control): State<Control>) -> Result<Body<Vacuumed>, ApiError> {
    Ok(Body(control.vacuum().await?))
}

/// A copy of the database.
pub(crate) async fn backup(State(control): State<Control>) -> Result<Response, ApiError> {
    let file = control.back_up().await?;
    let bytes = file.metadata().map(|found| found.len()).unwrap_or_default();
    let (pieces, waiting) = mpsc::channel(WAITING_PIECES);
    tokio::task::spawn_blocking(move || send(file, &pieces));
    let mut response = Response::new(HttpBody::new(Pieces(waiting)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/vnd.sqlite3"),
    );
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    Ok(response)
}

/// Hands a file on, until it ends or the client is gone.
fn send(mut file: File, pieces: &mpsc::Sender<Bytes>) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece) {
            Ok(0) => return,
            Ok(length) => {
                piece.truncate(length);
                if pieces.blocking_send(piece.into()).is_err() {
                    return;
                }
            }
            // The client finds that it is too short.
            Err(error) => {
                tracing::warn!(%error, "a copy of the database can't be read");
                return;
            }
        }
    }
}
