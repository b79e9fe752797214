//! Following executions and sessions.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use vmapi_types::{Event, Execution, Session};

use crate::call::accepted;
use crate::{Client, Error};

/// How often a stream that broke off is resumed before anything new has come.
const MAX_ATTEMPTS: u32 = 10;

/// How long to wait before it is, for each attempt before.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// The longest line of a stream, in bytes: far more than an event can have.
const MAX_LINE_BYTES: usize = 1 << 30;

/// The header that says where to go on.
const LAST_EVENT_ID: &str = "last-event-id";

/// The place before the first execution of a session.
const FIRST_PLACE: &str = "start";

/// What happens in an execution.
#[derive(Debug)]
pub enum StreamItem {
    /// An event.
    Event(Event),
    /// The execution has ended; nothing comes after it.
    End(Box<Execution>),
}

/// What happens in a session.
#[derive(Debug)]
pub enum SessionItem {
    /// The session: at first, and whenever its status has changed.
    Session(Box<Session>),
    /// An execution begins.
    Begin(Box<Execution>),
    /// An event of the execution that began last.
    Event(Event),
    /// That execution has ended.
    End(Box<Execution>),
}

/// An execution that is followed. A connection that breaks off is resumed where it ended.
pub struct EventStream {
    stream: Stream,
    is_over: bool,
}

/// A session that is followed. A connection that breaks off is resumed where it ended.
pub struct SessionStream {
    stream: Stream,
    is_over: bool,
}

impl Client {
    /// `GET /executions/{execution_id}/events/stream`: the events after number `after_seq` as they come, and the end.
    pub fn follow(&self, execution_id: impl Display, after_seq: u64) -> EventStream {
        let id = execution_id.to_string();
        EventStream {
            stream: Stream::new(self, ["executions", &id], &[], Some(after_seq.to_string())),
            is_over: false,
        }
    }

    /// `GET /sessions/{session_id}/events/stream`: the session with its executions as they come, from what runs now or,
    /// with `from_start`, from its first.
    pub fn follow_session(&self, session_id: impl Display, from_start: bool) -> SessionStream {
        let id = session_id.to_string();
        let place = from_start.then(|| FIRST_PLACE.to_owned());
        SessionStream {
            stream: Stream::new(self, ["sessions", &id], &[], place),
            is_over: false,
        }
    }

    /// The same route with `executions=false`: the session's status alone. Who only keeps a session
    /// from being closed for want of followers needs no more.
    pub fn follow_session_status(&self, session_id: impl Display) -> SessionStream {
        let id = session_id.to_string();
        SessionStream {
            stream: Stream::new(self, ["sessions", &id], &[("executions", "false")], None),
            is_over: false,
        }
    }
}

impl EventStream {
    /// Waits for the next item; nothing after the end.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon says no; another one if it is gone and does not come back.
    pub async fn next(&mut self) -> Result<Option<StreamItem>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let message = self.stream.next().await?;
        let item = if message.name == "end" {
            self.is_over = true;
            StreamItem::End(self.stream.decode(&message)?)
        } else {
            StreamItem::Event(self.stream.decode(&message)?)
        };
        Ok(Some(item))
    }
}

impl SessionStream {
    /// Waits for the next item; nothing after the end of the session.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon says no; another one if it is gone and does not come back.
    pub async fn next(&mut self) -> Result<Option<SessionItem>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let message = self.stream.next().await?;
        Ok(Some(match message.name.as_str() {
            "session" => {
                let session: Box<Session> = self.stream.decode(&message)?;
                self.is_over = session.closed_at.is_some();
                SessionItem::Session(session)
            }
            "execution" => SessionItem::Begin(self.stream.decode(&message)?),
            "end" => SessionItem::End(self.stream.decode(&message)?),
            _ => SessionItem::Event(self.stream.decode(&message)?),
        }))
    }
}

/// A stream of messages over as many connections as it takes.
struct Stream {
    client: Client,
    path: [String; 2],
    query: &'static [(&'static str, &'static str)],
    /// Where to go on, as the daemon names it.
    place: Option<String>,
    connection: Option<Connection>,
    /// Whether there ever was one.
    has_begun: bool,
    attempts: u32,
}

/// A message of a stream.
struct Message {
    name: String,
    data: String,
}

impl Stream {
    fn new(
        client: &Client,
        path: [&str; 2],
        query: &'static [(&'static str, &'static str)],
        place: Option<String>,
    ) -> Self {
        Self {
            client: client.clone(),
            path: path.map(str::to_owned),
            query,
            place,
            connection: None,
            has_begun: false,
            attempts: 0,
        }
    }

    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            match self.attempt().await {
                Ok((id, message)) => {
                    self.attempts = 0;
                    self.place = id.or(self.place.take());
                    return Ok(message);
                }
                Err(error) => {
                    self.connection = None;
                    self.attempts += 1;
                    let is_final = match &error {
                        // The daemon can't answer for now.
                        Error::Api { status: 503, .. } => false,
                        // A daemon that was there may come back.
                        Error::Unreachable { .. } => !self.has_begun,
                        Error::Api { .. } | Error::Protocol { .. } | Error::PathSegment(_) => true,
                        _ => false,
                    };
                    if is_final || self.attempts > MAX_ATTEMPTS {
                        return Err(match error {
                            Error::Unreachable { url, .. } if self.has_begun => {
                                Error::BrokeOff { url }
                            }
                            error => error,
                        });
                    }
                    tokio::time::sleep(BETWEEN_ATTEMPTS * self.attempts).await;
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
        if let Some(place) = &self.place {
            request = request.header(LAST_EVENT_ID, place);
        }
        let connection = Connection::open(request, daemon).await?;
        self.has_begun = true;
        self.connection.insert(connection).next().await
    }

    fn decode<T: DeserializeOwned>(&self, message: &Message) -> Result<T, Error> {
        serde_json::from_str(&message.data).map_err(|error| Error::Protocol {
            url: self.client.base_url().to_owned(),
            reason: format!("{error} in a stream"),
        })
    }
}

/// One response of a stream.
struct Connection {
    response: Response,
    daemon: Arc<str>,
    /// What has come and is not a whole line yet.
    buffer: Vec<u8>,
    id: Option<String>,
    name: String,
    data: String,
}

impl Connection {
    async fn open(request: RequestBuilder, daemon: Arc<str>) -> Result<Self, Error> {
        Ok(Self {
            response: accepted(request, &daemon).await?,
            daemon,
            buffer: Vec::new(),
            id: None,
            name: String::new(),
            data: String::new(),
        })
    }

    /// The next message, and its id if it has one.
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
                // A comment, or a field of a later version.
                _ => {}
            }
        }
    }

    /// The next line, without its end.
    async fn line(&mut self) -> Result<String, Error> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.buffer[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let line: Vec<u8> = self.buffer.drain(..=searched + end).collect();
                return String::from_utf8(line[..line.len() - 1].to_vec())
                    .map_err(|error| self.nonsense(&error));
            }
            searched = self.buffer.len();
            if searched > MAX_LINE_BYTES {
                return Err(self.nonsense(&"a line that does not end"));
            }
            let chunk = self.response.chunk().await;
            match chunk.map_err(|error| Error::transport(&self.daemon, error))? {
                Some(chunk) => self.buffer.extend_from_slice(&chunk),
                None => {
                    return Err(Error::BrokeOff {
                        url: self.daemon.to_string(),
                    });
                }
            }
        }
    }

    fn nonsense(&self, reason: &dyn Display) -> Error {
        Error::Protocol {
            url: self.daemon.to_string(),
            reason: format!("{reason} in a stream"),
        }
    }
}
