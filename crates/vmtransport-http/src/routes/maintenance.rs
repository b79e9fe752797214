//! The handlers that maintain the database: prune, check, vacuum, backup.

use std::fs::File;
use std::io::Read;
use std::time::Duration;

use axum::body::Body as HttpBody;
use axum::extract::State;
use axum::http::{HeaderName, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc;
use vmapi_types::{CheckReport, PruneRequest, Pruned, Vacuumed};
use vmcontrol::{Control, Retention};

use crate::error::ApiError;
use crate::extract::Json;
use crate::respond::Body;
use crate::stream::{Piece, Pieces};

/// The size of the pieces in which a copy is read, in bytes.
const PIECE_BYTES: usize = 256 * 1024;

/// How many pieces of a copy can wait for the client.
const WAITING_PIECES: usize = 4;

/// The memory of a copy that is being sent, in bytes: the pieces that wait, one that is read, and
/// one that is written.
const HELD_BYTES: usize = (WAITING_PIECES + 2) * PIECE_BYTES;

/// The media type of a copy of the database, as the headers of the answer.
pub(crate) const KIND_OF_BACKUP: [(HeaderName, &str); 1] =
    [(header::CONTENT_TYPE, "application/vnd.sqlite3")];

/// Removes old records, or counts them.
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

/// Checks the database.
pub(crate) async fn check(State(control): State<Control>) -> Result<Body<CheckReport>, ApiError> {
    Ok(Body(control.check().await?))
}

/// Compacts the database.
pub(crate) async fn vacuum(State(control): State<Control>) -> Result<Body<Vacuumed>, ApiError> {
    Ok(Body(control.vacuum().await?))
}

/// Sends a copy of the database.
pub(crate) async fn backup(State(control): State<Control>) -> Result<Response, ApiError> {
    let lease = control.answer_share(HELD_BYTES).await?;
    let file = control.back_up().await?;
    let bytes = file.metadata().map(|found| found.len()).unwrap_or_default();
    let (pieces, waiting) = mpsc::channel(WAITING_PIECES);
    tokio::task::spawn_blocking(move || {
        send(file, &pieces);
        drop(lease);
    });
    let length = [(header::CONTENT_LENGTH, bytes)];
    let body = HttpBody::new(Pieces::new(waiting));
    Ok((KIND_OF_BACKUP, length, body).into_response())
}

/// Sends a file in pieces until its end, or until the client has gone.
fn send(mut file: File, pieces: &mpsc::Sender<Piece>) {
    loop {
        let mut piece = vec![0; PIECE_BYTES];
        match file.read(&mut piece) {
            Ok(0) => {
                // This fails if the client has gone.
                let _ = pieces.blocking_send(Piece::End);
                return;
            }
            Ok(length) => {
                piece.truncate(length);
                if pieces.blocking_send(Piece::Bytes(piece.into())).is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "a copy of the database can't be read");
                return;
            }
        }
    }
}
