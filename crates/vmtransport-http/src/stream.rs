//! Server-sent events.
//!
//! A task for each stream reads the feed and hands pieces of text to the connection. What waits there is bounded; a client
//! that takes nothing for a while is cut off, and can resume with `Last-Event-ID`. A stream that ends without an `end` (or,
//! of a session, a last `session`) is not complete, and its response breaks off as HTTP has it.

use std::fmt::Write;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use http_body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;
use vmcontrol::{
    Error, EventFeed, FeedItem, LiveEvent, SessionCursor, SessionFeed, SessionItem, parse_id,
};

use crate::error::ApiError;
use crate::patience::PATIENCE;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many pieces wait for a client, each of at most [`PIECE_BYTES`] and one event.
const WAITING_PIECES: usize = 4;

/// How large a piece is that more is added to, in bytes.
const PIECE_BYTES: usize = 64 * 1024;

/// How often a comment is sent when nothing happens, so that whoever is between does not hang up.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long browsers wait before they resume, in milliseconds.
const RETRY: &str = "retry: 500\n\n";

/// The place where a client resumes, as it says it.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()
}

/// The refusal of a place that is none.
pub(crate) fn bad_last_event_id(text: &str) -> ApiError {
    Error::validation(format!(
        "Last-Event-ID {text:?} is none that this stream sends"
    ))
    .into()
}

/// The place in a session's stream before its first execution.
const START: &str = "start";

/// The place in an execution after its end.
const END: &str = "end";

/// The place in a session's stream that a client names.
pub(crate) fn session_cursor(text: &str) -> Result<SessionCursor, ApiError> {
    if text == START {
        return Ok(SessionCursor::Start);
    }
    let (execution, place) = text
        .split_once('/')
        .ok_or_else(|| bad_last_event_id(text))?;
    let execution_id = parse_id("Last-Event-ID", execution)?;
    if place == END {
        return Ok(SessionCursor::After { execution_id });
    }
    let seq = place.parse().map_err(|_| bad_last_event_id(text))?;
    Ok(SessionCursor::Within { execution_id, seq })
}

/// How a place in a session's stream is written.
fn place(cursor: SessionCursor) -> String {
    match cursor {
        SessionCursor::Start => START.to_owned(),
        SessionCursor::Within { execution_id, seq } => format!("{execution_id}/{seq}"),
        SessionCursor::After { execution_id } => format!("{execution_id}/{END}"),
    }
}

/// Streams an execution.
pub(crate) fn respond(feed: EventFeed) -> Response {
    let (sink, response) = stream();
    tokio::spawn(async move {
        // The client has gone, or was too slow.
        let _ = send_execution(feed, sink).await;
    });
    response
}

/// Streams a session.
pub(crate) fn respond_session(feed: SessionFeed) -> Response {
    let (sink, response) = stream();
    tokio::spawn(async move {
        let _ = send_session(feed, sink).await;
    });
    response
}

fn stream() -> (Sink, Response) {
    let (pieces, waiting) = mpsc::channel(WAITING_PIECES);
    let mut response = Response::new(Body::new(Pieces::new(waiting)));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let sink = Sink {
        pieces,
        text: RETRY.to_owned(),
    };
    (sink, response)
}

async fn send_execution(mut feed: EventFeed, mut sink: Sink) -> Result<(), Gone> {
    sink.flush().await?;
    while let Some(item) = sink.while_alive(feed.next()).await? {
        let Ok(item) = logged(item) else {
            return Ok(());
        };
        match item {
            FeedItem::Events(events) => {
                for event in events {
                    sink.event(&event.event.seq.to_string(), &event).await?;
                }
                sink.flush().await?;
            }
            FeedItem::End(execution) => {
                sink.named("end", None, &execution);
                sink.flush().await?;
                return sink.end().await;
            }
        }
    }
    Ok(())
}

async fn send_session(mut feed: SessionFeed, mut sink: Sink) -> Result<(), Gone> {
    sink.flush().await?;
    while let Some(item) = sink.while_alive(feed.next()).await? {
        let Ok(item) = logged(item) else {
            return Ok(());
        };
        let Some(item) = item else {
            return sink.end().await;
        };
        let place = place(feed.cursor());
        match item {
            SessionItem::Session(session) => sink.named("session", Some(&place), &session),
            SessionItem::Begin(execution) => {
                sink.named("execution", Some(&place), &execution);
                // Its first events are on their way, and take it along.
                continue;
            }
            SessionItem::Execution(FeedItem::Events(events)) => {
                for event in events {
                    let place = self::place(SessionCursor::Within {
                        execution_id: event.event.execution_id,
                        seq: event.event.seq,
                    });
                    sink.event(&place, &event).await?;
                }
            }
            SessionItem::Execution(FeedItem::End(execution)) => {
                sink.named("end", Some(&place), &execution);
            }
        }
        sink.flush().await?;
    }
    Ok(())
}

/// A stream that breaks off says nothing of the reason: that goes to the log.
fn logged<T>(item: Result<T, Error>) -> Result<T, Error> {
    item.inspect_err(|error| tracing::info!(%error, "a stream breaks off"))
}

/// The client has gone, or takes nothing.
struct Gone;

/// Where the pieces go.
struct Sink {
    pieces: mpsc::Sender<Piece>,
    text: String,
}

impl Sink {
    /// Waits for something, and keeps the connection alive meanwhile; nothing when the client has gone.
    async fn while_alive<T>(&mut self, what: impl Future<Output = T>) -> Result<Option<T>, Gone> {
        let mut what = std::pin::pin!(what);
        loop {
            tokio::select! {
                item = &mut what => return Ok(Some(item)),
                () = self.pieces.closed() => return Ok(None),
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    self.text.push_str(": still here\n\n");
                    self.flush().await?;
                }
            }
        }
    }

    async fn event(&mut self, id: &str, event: &LiveEvent) -> Result<(), Gone> {
        self.add(None, Some(id), event.json());
        if self.text.len() >= PIECE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    fn named(&mut self, name: &str, id: Option<&str>, data: &impl Serialize) {
        let data = serde_json::to_string(data).expect("what the API shows is JSON");
        self.add(Some(name), id, &data);
    }

    /// JSON text has no line breaks, so that one line of data is enough.
    fn add(&mut self, name: Option<&str>, id: Option<&str>, data: &str) {
        for (field, value) in [("id", id), ("event", name), ("data", Some(data))] {
            if let Some(value) = value {
                writeln!(self.text, "{field}: {value}").expect("a string takes all");
            }
        }
        self.text.push('\n');
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return Ok(());
        }
        self.send(Piece::Bytes(text.into())).await
    }

    /// Says that the stream is complete.
    async fn end(&self) -> Result<(), Gone> {
        self.send(Piece::End).await
    }

    async fn send(&self, piece: Piece) -> Result<(), Gone> {
        let sent = self.pieces.send_timeout(piece, PATIENCE).await;
        sent.map_err(|_| Gone)
    }
}

/// A piece of a body.
pub(crate) enum Piece {
    /// Some of it.
    Bytes(Bytes),
    /// There is no more.
    End,
}

/// A body that comes in pieces, and breaks off if the last one is missing.
pub(crate) struct Pieces {
    waiting: mpsc::Receiver<Piece>,
    breaks_off: bool,
}

impl Pieces {
    pub(crate) fn new(waiting: mpsc::Receiver<Piece>) -> Self {
        Self {
            waiting,
            breaks_off: false,
        }
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let piece = match ready!(self.waiting.poll_recv(context)) {
            Some(Piece::Bytes(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(Piece::End) => None,
            // What came before is written while there is nothing, and thrown away once there is an error.
            None if !std::mem::replace(&mut self.breaks_off, true) => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => Some(Err(io::ErrorKind::BrokenPipe.into())),
        };
        Poll::Ready(piece)
    }
}
