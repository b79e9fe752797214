//! Event streams of executions and sessions (server-sent events), which survive broken connections.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use vmapi_types::{Event, Execution, Session};

use crate::call::send_checked;
use crate::{Client, Error};

/// The number of attempts to resume a stream that broke, until a message arrives.
const MAX_ATTEMPTS: u32 = 10;

/// The wait before an attempt to resume, multiplied by the number of failed attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The limit for a line of a stream, in bytes: far above the largest event.
const MAX_LINE_BYTES: usize = 1 << 30;

/// The request header that names the event after which the stream continues.
const LAST_EVENT_ID: &str = "last-event-id";

/// The event id before the first execution of a session.
const START_EVENT_ID: &str = "start";

/// An item of an execution's stream.
#[derive(Debug)]
pub enum StreamItem {
    /// An event of the execution.
    Event(Event),
    /// The execution has ended; it is the last item.
    End(Box<Execution>),
}

/// An item of a session's stream.
#[derive(Debug)]
pub enum SessionItem {
    /// The session: as the first item, and each time its status has changed.
    Session(Box<Session>),
    /// An execution has started.
    Begin(Box<Execution>),
    /// An event of the execution that started last.
    Event(Event),
    /// The execution that started last has ended.
    End(Box<Execution>),
}

/// The stream of one execution. A connection that breaks is resumed after the last event that
/// arrived.
pub struct EventStream {
    stream: Stream,
    is_finished: bool,
}

/// The stream of one session. A connection that breaks is resumed after the last event that
/// arrived.
pub struct SessionStream {
    stream: Stream,
    is_finished: bool,
}

impl Client {
    /// `GET /executions/{execution_id}/events/stream`: the events with a sequence number above
    /// `after_seq` as they are recorded, and the end of the execution.
    pub fn follow(&self, execution_id: impl Display, after_seq: u64) -> EventStream {
        let id = execution_id.to_string();
        EventStream {
            stream: Stream::new(self, ["executions", &id], &[], Some(after_seq.to_string())),
            is_finished: false,
        }
    }

    /// `GET /sessions/{session_id}/events/stream`: the session and its executions as they run,
    /// starting with the running execution or, with `from_start`, with the session's first.
    pub fn follow_session(&self, session_id: impl Display, from_start: bool) -> SessionStream {
        let id = session_id.to_string();
        let last_event_id = from_start.then(|| START_EVENT_ID.to_owned());
        SessionStream {
            stream: Stream::new(self, ["sessions", &id], &[], last_event_id),
            is_finished: false,
        }
    }

    /// The same route with `executions=false`: the session's status alone. It suffices for a client
    /// that only counts as a follower, so that the session is not closed as unwatched.
    pub fn follow_session_status(&self, session_id: impl Display) -> SessionStream {
        let id = session_id.to_string();
        SessionStream {
            stream: Stream::new(self, ["sessions", &id], &[("executions", "false")], None),
            is_finished: false,
        }
    }
}

impl EventStream {
    /// Waits for the next item; `None` after the end of the execution.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon refuses the request; another [`Error`] if it can't be reached
    /// and the stream can't be resumed.
    pub async fn next(&mut self) -> Result<Option<StreamItem>, Error> {
        if self.is_finished {
            return Ok(None);
        }
        let message = self.stream.next().await?;
        let item = if message.name == "end" {
            self.is_finished = true;
            StreamItem::End(self.stream.decode(&message)?)
        } else {
            StreamItem::Event(self.stream.decode(&message)?)
        };
        Ok(Some(item))
    }
}

impl SessionStream {
    /// Waits for the next item; `None` after the end of the session.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon refuses the request; another [`Error`] if it can't be reached
    /// and the stream can't be resumed.
    pub async fn next(&mut self) -> Result<Option<SessionItem>, Error> {
        if self.is_finished {
            return Ok(None);
        }
        let message = self.stream.next().await?;
        Ok(Some(match message.name.as_str() {
            "session" => {
                let session: Box<Session> = self.stream.decode(&message)?;
                self.is_finished = session.closed_at.is_some();
                SessionItem::Session(session)
            }
            "execution" => SessionItem::Begin(self.stream.decode(&message)?),
            "end" => SessionItem::End(self.stream.decode(&message)?),
            _ => SessionItem::Event(self.stream.decode(&message)?),
        }))
    }
}

/// A stream of messages that spans one or more connections.
struct Stream {
    client: Client,
    path: [String; 2],
    query: &'static [(&'static str, &'static str)],
    /// The id of the last event that arrived; `None` starts where the daemon chooses.
    last_event_id: Option<String>,
    connection: Option<Connection>,
    /// Whether a connection was ever established.
    was_connected: bool,
    attempts: u32,
}

/// One message of a stream.
struct Message {
    name: String,
    data: String,
}

impl Stream {
    fn new(
        client: &Client,
        path: [&str; 2],
        query: &'static [(&'static str, &'static str)],
        last_event_id: Option<String>,
    ) -> Self {
        Self {
            client: client.clone(),
            path: path.map(str::to_owned),
            query,
            last_event_id,
            connection: None,
            was_connected: false,
            attempts: 0,
        }
    }

    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            match self.attempt().await {
                Ok((id, message)) => {
                    self.attempts = 0;
                    self.last_event_id = id.or(self.last_event_id.take());
                    return Ok(message);
                }
                Err(error) => {
                    self.connection = None;
                    self.attempts += 1;
                    let is_final = match &error {
                        // The daemon is temporarily unavailable.
                        Error::Api { status: 503, .. } => false,
                        // A daemon that was reachable before may come back.
                        Error::Unreachable { .. } => !self.was_connected,
                        Error::Api { .. } | Error::Protocol { .. } | Error::PathSegment(_) => true,
                        _ => false,
                    };
                    if is_final || self.attempts > MAX_ATTEMPTS {
                        return Err(match error {
                            Error::Unreachable { url, .. } if self.was_connected => {
                                Error::UnexpectedEnd { url }
                            }
                            error => error,
                        });
                    }
                    tokio::time::sleep(RETRY_PAUSE * self.attempts).await;
                }
            }
        }
    }

    async fn attempt(&mut self) -> Result<(Option<String>, Message), Error> {
        if let Some(connection) = &mut self.connection {
            return connection.next().await;
        }
        let [kind, id] = &self.path;
        let path = [kind, id, "events", "stream"];
        let (request, daemon) = self.client.open(&path)?;
        let mut request = request.query(self.query);
        if let Some(id) = &self.last_event_id {
            request = request.header(LAST_EVENT_ID, id);
        }
        let connection = Connection::open(request, daemon).await?;
        self.was_connected = true;
        self.connection.insert(connection).next().await
    }

    fn decode<T: DeserializeOwned>(&self, message: &Message) -> Result<T, Error> {
        serde_json::from_str(&message.data).map_err(|error| Error::Protocol {
            url: self.client.base_url().to_owned(),
            reason: format!("{error} in a stream"),
        })
    }
}

/// One connection of a stream: a response whose body is read line by line.
struct Connection {
    response: Response,
    daemon: Arc<str>,
    /// The bytes that were received and are not a complete line yet.
    buffer: Vec<u8>,
    id: Option<String>,
    name: String,
    data: String,
}

impl Connection {
    async fn open(request: RequestBuilder, daemon: Arc<str>) -> Result<Self, Error> {
        Ok(Self {
            response: send_checked(request, &daemon).await?,
            daemon,
            buffer: Vec::new(),
            id: None,
            name: String::new(),
            data: String::new(),
        })
    }

    /// Waits for the next message; returns it with its event id, if it has one.
    async fn next(&mut self) -> Result<(Option<String>, Message), Error> {
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                let (id, message) = (
                    self.id.take(),
                    Message {
                        name: std::mem::take(&mut self.name),
                        data: std::mem::take(&mut self.data),
                    },
                );
                if message.data.is_empty() {
                    continue;
                }
                return Ok((id, message));
            }
            match line.split_once(": ") {
                Some(("id", id)) => self.id = Some(id.to_owned()),
                Some(("event", name)) => name.clone_into(&mut self.name),
                Some(("data", data)) => data.clone_into(&mut self.data),
                // A comment, or a field of a later protocol version.
                _ => {}
            }
        }
    }

    /// Waits for the next line and returns it without its line end.
    async fn line(&mut self) -> Result<String, Error> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                return String::from_utf8(line[..line.len() - 1].to_vec())
                    .map_err(|error| self.malformed(&error));
            }
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err(self.malformed(&"a line that does not end"));
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|error| Error::transport(&self.daemon, error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    return Err(Error::UnexpectedEnd {
                        url: self.daemon.to_string(),
                    });
                }
            }
        }
    }

    fn malformed(&self, reason: &dyn Display) -> Error {
        Error::Protocol {
            url: self.daemon.to_string(),
            reason: format!("{reason} in a stream"),
        }
    }
}
