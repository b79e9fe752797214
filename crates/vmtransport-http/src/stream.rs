//! Server-sent events.
//!
//! A task for each stream reads the feed and hands pieces of text to the connection. What waits there is bounded in bytes: two
//! pieces, or one event or record that is larger and counts as an answer. A client that takes nothing for a while is cut off, and can resume with `Last-Event-ID`. A stream that ends without an `end` (or,
//! of a session, a last `session`) is not complete, and its response breaks off as HTTP has it.

use std::io::{self, Write};
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use http_body::Frame;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::Instant;
use vmcontrol::{
    Charged, Error, EventFollower, FollowItem, SessionCursor, SessionFollower, SessionItem,
    SharedEvent, parse_id,
};

use crate::error::ApiError;
use crate::heavy::heavy;
use crate::respond::{held, time_for};
use crate::write_timeout::WRITE_TIMEOUT;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How many pieces wait for a client.
const WAITING_PIECES: usize = 2;

/// How large a piece is, in bytes. A larger event or record goes by itself.
const PIECE_BYTES: usize = 32 * 1024;

/// How large the parts are of something that is larger than a piece, in bytes.
const PART_BYTES: usize = 256 * 1024;

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
pub(crate) fn respond(feed: EventFollower) -> Response {
    let (sink, response) = stream();
    tokio::spawn(async move {
        // The client has gone, or was too slow.
        let _ = send_execution(feed, sink).await;
    });
    response
}

/// Streams a session.
pub(crate) fn respond_session(feed: SessionFollower) -> Response {
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
        text: RETRY.into(),
    };
    (sink, response)
}

async fn send_execution(mut feed: EventFollower, mut sink: Sink) -> Result<(), Gone> {
    sink.flush().await?;
    while let Some(item) = sink.while_alive(feed.next()).await? {
        let Ok(item) = logged(item) else {
            return Ok(());
        };
        match item {
            FollowItem::Events(events) => {
                for event in events {
                    let place = event.event.seq.to_string();
                    sink.event(place, event).await?;
                }
                sink.flush().await?;
            }
            FollowItem::End(execution) => {
                sink.record("end", None, *execution).await?;
                sink.flush().await?;
                return sink.end().await;
            }
        }
    }
    Ok(())
}

async fn send_session(mut feed: SessionFollower, mut sink: Sink) -> Result<(), Gone> {
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
            SessionItem::Session(session) => {
                let session = Charged::free(*session);
                sink.record("session", Some(place), session).await?;
            }
            SessionItem::Begin(execution) => {
                sink.record("execution", Some(place), *execution).await?;
                // Its first events are on their way, and take it along.
                continue;
            }
            SessionItem::Execution(FollowItem::Events(events)) => {
                for event in events {
                    let place = self::place(SessionCursor::Within {
                        execution_id: event.event.execution_id,
                        seq: event.event.seq,
                    });
                    sink.event(place, event).await?;
                }
            }
            SessionItem::Execution(FollowItem::End(execution)) => {
                sink.record("end", Some(place), *execution).await?;
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
    /// What is still to be sent.
    text: Vec<u8>,
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
                    self.text.extend_from_slice(b": still here\n\n");
                    self.flush().await?;
                }
            }
        }
    }

    /// Adds an event; one text of it is shared by all followers, unless it is large.
    async fn event(&mut self, id: String, event: Arc<SharedEvent>) -> Result<(), Gone> {
        if event.event.payload.get().len() > PIECE_BYTES {
            return self.large(Head::new(None, Some(id)), event).await;
        }
        let head = Head::new(None, Some(id));
        head.write(&mut self.text);
        self.text.extend_from_slice(event.json().as_bytes());
        Head::finish(&mut self.text);
        if self.text.len() >= PIECE_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Adds a record.
    async fn record<T>(
        &mut self,
        name: &'static str,
        id: Option<String>,
        record: Charged<T>,
    ) -> Result<(), Gone>
    where
        T: Serialize + Send + Sync + 'static,
    {
        self.large(Head::new(Some(name), id), record).await
    }

    /// Adds something of any size. Where it is large it is written by a thread that may block, and sent in parts; what it
    /// counts for is given back with the last of them.
    async fn large<T>(&mut self, head: Head, thing: T) -> Result<(), Gone>
    where
        T: Deref<Target: Serialize> + Send + Sync + 'static,
    {
        let mut text = Limited(std::mem::take(&mut self.text));
        let length = text.0.len();
        head.write(&mut text.0);
        if serde_json::to_writer(&mut text, &*thing).is_ok() {
            self.text = text.0;
            Head::finish(&mut self.text);
            return Ok(());
        }
        self.text = text.0;
        self.text.truncate(length);
        self.flush().await?;
        let written = heavy(move || {
            let mut text = Vec::new();
            head.write(&mut text);
            serde_json::to_writer(&mut text, &*thing).expect("what the API shows is JSON");
            Head::finish(&mut text);
            held(text, thing)
        });
        let mut text = written.await.map_err(|_| Gone)?;
        let deadline = Instant::now() + time_for(text.len());
        while !text.is_empty() {
            let piece = text.split_to(text.len().min(PART_BYTES));
            let sent = tokio::time::timeout_at(deadline, self.send(Piece::Bytes(piece)));
            sent.await.map_err(|_| Gone)??;
        }
        Ok(())
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
        let sent = self.pieces.send_timeout(piece, WRITE_TIMEOUT).await;
        sent.map_err(|_| Gone)
    }
}

/// What stands before the data of a message.
struct Head {
    name: Option<&'static str>,
    id: Option<String>,
}

impl Head {
    fn new(name: Option<&'static str>, id: Option<String>) -> Self {
        Self { name, id }
    }

    /// Writes it up to the data. JSON text has no line breaks, so that one line of data is enough.
    fn write(&self, text: &mut Vec<u8>) {
        for (field, value) in [("id", self.id.as_deref()), ("event", self.name)] {
            if let Some(value) = value {
                writeln!(text, "{field}: {value}").expect("a vector takes all");
            }
        }
        text.extend_from_slice(b"data: ");
    }

    /// Ends a message behind its data.
    fn finish(text: &mut Vec<u8>) {
        text.extend_from_slice(b"\n\n");
    }
}

/// A text that does not become larger than a piece.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > PIECE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
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
