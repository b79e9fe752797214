//! Server-sent events.
//!
//! Each stream has a task that reads from a follower and hands pieces of text to the connection.
//! The text that waits there is bounded in bytes: two pieces, or one event or record that is larger
//! than a piece and is charged as a large answer. A client that receives nothing for the write
//! timeout is cut off, and can resume with `Last-Event-ID`. A stream that ends without its last
//! message (`end`; of a session, the last `session`) is not complete: its chunked body ends without
//! the final chunk.

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

/// The largest size of a piece, in bytes. A larger event or record is sent by itself.
const PIECE_BYTES: usize = 32 * 1024;

/// The size of the parts in which a larger event or record is sent, in bytes.
const PART_BYTES: usize = 256 * 1024;

/// How often a comment is sent while nothing happens, so that no proxy closes the connection.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The message that sets how long browsers wait before they resume, in milliseconds.
const RETRY: &str = "retry: 500\n\n";

/// The value of `Last-Event-ID`, after which a client resumes; `None` if there is no such header.
pub(crate) fn last_event_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(LAST_EVENT_ID)?.to_str().ok()
}

/// The error for a `Last-Event-ID` that no stream sends.
pub(crate) fn bad_last_event_id(text: &str) -> ApiError {
    Error::validation(format!(
        "Last-Event-ID {text:?} is none that this stream sends"
    ))
    .into()
}

/// The id that stands for the beginning of a session's stream, before its first execution.
const START: &str = "start";

/// What stands in an id instead of a `seq` after the end of an execution.
const END: &str = "end";

/// The position in a session's stream that a `Last-Event-ID` names.
pub(crate) fn session_cursor(text: &str) -> Result<SessionCursor, ApiError> {
    if text == START {
        return Ok(SessionCursor::Start);
    }
    let (execution, seq) = text
        .split_once('/')
        .ok_or_else(|| bad_last_event_id(text))?;
    let execution_id = parse_id("Last-Event-ID", execution)?;
    if seq == END {
        return Ok(SessionCursor::After { execution_id });
    }
    let seq = seq.parse().map_err(|_| bad_last_event_id(text))?;
    Ok(SessionCursor::Within { execution_id, seq })
}

/// The id of a position in a session's stream.
fn id_of(cursor: SessionCursor) -> String {
    match cursor {
        SessionCursor::Start => START.to_owned(),
        SessionCursor::Within { execution_id, seq } => format!("{execution_id}/{seq}"),
        SessionCursor::After { execution_id } => format!("{execution_id}/{END}"),
    }
}

/// Answers with the stream of an execution.
pub(crate) fn respond(follower: EventFollower) -> Response {
    let (sink, response) = stream();
    tokio::spawn(async move {
        // An error means that the client has gone, or was too slow.
        let _ = send_execution(follower, sink).await;
    });
    response
}

/// Answers with the stream of a session.
pub(crate) fn respond_session(follower: SessionFollower) -> Response {
    let (sink, response) = stream();
    tokio::spawn(async move {
        let _ = send_session(follower, sink).await;
    });
    response
}

/// Makes the response of a stream, and the sink for its messages.
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

async fn send_execution(mut follower: EventFollower, mut sink: Sink) -> Result<(), Gone> {
    sink.flush().await?;
    while let Some(item) = sink.while_alive(follower.next()).await? {
        let Ok(item) = logged(item) else {
            return Ok(());
        };
        match item {
            FollowItem::Events(events) => {
                for event in events {
                    let id = event.event.seq.to_string();
                    sink.event(id, event).await?;
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

async fn send_session(mut follower: SessionFollower, mut sink: Sink) -> Result<(), Gone> {
    sink.flush().await?;
    while let Some(item) = sink.while_alive(follower.next()).await? {
        let Ok(item) = logged(item) else {
            return Ok(());
        };
        let Some(item) = item else {
            return sink.end().await;
        };
        let id = id_of(follower.cursor());
        match item {
            SessionItem::Session(session) => {
                let session = Charged::free(*session);
                sink.record("session", Some(id), session).await?;
            }
            SessionItem::Begin(execution) => {
                sink.record("execution", Some(id), *execution).await?;
                // The record is flushed together with the first events, which follow soon.
                continue;
            }
            SessionItem::Execution(FollowItem::Events(events)) => {
                for event in events {
                    let id = id_of(SessionCursor::Within {
                        execution_id: event.event.execution_id,
                        seq: event.event.seq,
                    });
                    sink.event(id, event).await?;
                }
            }
            SessionItem::Execution(FollowItem::End(execution)) => {
                sink.record("end", Some(id), *execution).await?;
            }
        }
        sink.flush().await?;
    }
    Ok(())
}

/// Logs why a stream breaks off: the client does not get the reason.
fn logged<T>(item: Result<T, Error>) -> Result<T, Error> {
    item.inspect_err(|error| tracing::info!(%error, "a stream breaks off"))
}

/// The client has gone, or receives nothing.
struct Gone;

/// The sink for the messages of a stream.
struct Sink {
    pieces: mpsc::Sender<Piece>,
    /// Text that is not sent yet.
    text: Vec<u8>,
}

impl Sink {
    /// Waits for a future, and keeps the connection alive meanwhile; `None` if the client has gone.
    async fn while_alive<T>(&mut self, future: impl Future<Output = T>) -> Result<Option<T>, Gone> {
        let mut future = std::pin::pin!(future);
        loop {
            tokio::select! {
                item = &mut future => return Ok(Some(item)),
                () = self.pieces.closed() => return Ok(None),
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    self.text.extend_from_slice(b": still here\n\n");
                    self.flush().await?;
                }
            }
        }
    }

    /// Adds an event. All followers share one text of an event, unless the event is large.
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

    /// Adds a value of any size. A large one is encoded by a thread that may block, and sent in
    /// parts; its lease is released with the last part.
    async fn large<T>(&mut self, head: Head, value: T) -> Result<(), Gone>
    where
        T: Deref<Target: Serialize> + Send + Sync + 'static,
    {
        let mut text = Limited(std::mem::take(&mut self.text));
        let length = text.0.len();
        head.write(&mut text.0);
        if serde_json::to_writer(&mut text, &*value).is_ok() {
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
            serde_json::to_writer(&mut text, &*value).expect("every wire type is JSON");
            Head::finish(&mut text);
            held(text, value)
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

    /// Sends the text that is not sent yet.
    async fn flush(&mut self) -> Result<(), Gone> {
        let text = std::mem::take(&mut self.text);
        if text.is_empty() {
            return Ok(());
        }
        self.send(Piece::Bytes(text.into())).await
    }

    /// Marks the stream as complete.
    async fn end(&self) -> Result<(), Gone> {
        self.send(Piece::End).await
    }

    /// Sends a piece, within the write timeout.
    async fn send(&self, piece: Piece) -> Result<(), Gone> {
        let sent = self.pieces.send_timeout(piece, WRITE_TIMEOUT).await;
        sent.map_err(|_| Gone)
    }
}

/// The fields of a message before its data.
struct Head {
    /// The field `event`; `None` for the default, `message`.
    name: Option<&'static str>,
    /// The field `id`; `None` for a message after which no client can resume.
    id: Option<String>,
}

impl Head {
    fn new(name: Option<&'static str>, id: Option<String>) -> Self {
        Self { name, id }
    }

    /// Writes the message up to its data. JSON text has no line breaks, so one line of data
    /// suffices.
    fn write(&self, text: &mut Vec<u8>) {
        for (field, value) in [("id", self.id.as_deref()), ("event", self.name)] {
            if let Some(value) = value {
                writeln!(text, "{field}: {value}").expect("a vector accepts all bytes");
            }
        }
        text.extend_from_slice(b"data: ");
    }

    /// Writes the end of a message after its data.
    fn finish(text: &mut Vec<u8>) {
        text.extend_from_slice(b"\n\n");
    }
}

/// A buffer that refuses to grow beyond a piece.
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
    /// Some bytes.
    Bytes(Bytes),
    /// The end of the body, which is complete.
    End,
}

/// A body that is sent in pieces. It breaks off if the sender is dropped before [`Piece::End`].
pub(crate) struct Pieces {
    waiting: mpsc::Receiver<Piece>,
    /// Whether the body breaks off at the next poll.
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
            // The connection flushes what it has while the body is pending, and discards it on an
            // error. So the error comes at the second poll.
            None if !std::mem::replace(&mut self.breaks_off, true) => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            None => Some(Err(io::ErrorKind::BrokenPipe.into())),
        };
        Poll::Ready(piece)
    }
}
