//! Following an execution.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{RequestBuilder, Response};
use vmapi_types::{Event, Execution};

use crate::call::refusal;
use crate::{Client, Error};

/// How often a stream that broke off is resumed before anything new has come.
const MAX_ATTEMPTS: u32 = 10;

/// How long to wait before it is, for each attempt before.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// The longest line of a stream, in bytes: far more than an event can have.
const MAX_LINE_BYTES: usize = 1 << 30;

/// What happens in an execution.
#[derive(Debug)]
pub enum StreamItem {
    /// An event.
    Event(Event),
    /// The execution has ended; nothing comes after it.
    End(Box<Execution>),
}

/// An execution that is followed. A connection that breaks off is resumed where it ended.
pub struct EventStream {
    client: Client,
    execution: String,
    after_seq: u64,
    connection: Option<Connection>,
    attempts: u32,
    is_over: bool,
}

impl Client {
    /// `GET /executions/{execution_id}/events/stream`: the events after number `after_seq` as they come, and the end.
    pub fn follow(&self, execution_id: impl Display, after_seq: u64) -> EventStream {
        EventStream {
            client: self.clone(),
            execution: execution_id.to_string(),
            after_seq,
            connection: None,
            attempts: 0,
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
        while !self.is_over {
            match self.attempt().await {
                Ok(item) => {
                    self.attempts = 0;
                    match &item {
                        StreamItem::Event(event) => self.after_seq = event.seq,
                        StreamItem::End(_) => self.is_over = true,
                    }
                    return Ok(Some(item));
                }
                Err(error) => {
                    self.connection = None;
                    self.attempts += 1;
                    let is_final = matches!(
                        error,
                        Error::Api { .. } | Error::Protocol { .. } | Error::PathSegment(_)
                    );
                    if is_final || self.attempts > MAX_ATTEMPTS {
                        return Err(error);
                    }
                    tokio::time::sleep(BETWEEN_ATTEMPTS * self.attempts).await;
                }
            }
        }
        Ok(None)
    }

    async fn attempt(&mut self) -> Result<StreamItem, Error> {
        if let Some(connection) = &mut self.connection {
            return connection.next().await;
        }
        let path = ["executions", &self.execution, "events", "stream"];
        let query = [("after_seq", self.after_seq.to_string())];
        let (request, daemon) = self.client.request_with(&path, &query)?;
        let connection = Connection::open(request, daemon).await?;
        self.connection.insert(connection).next().await
    }
}

/// One response of a stream.
struct Connection {
    response: Response,
    daemon: Arc<str>,
    /// What has come and is not a whole line yet.
    buffer: Vec<u8>,
    name: String,
    data: String,
}

impl Connection {
    async fn open(request: RequestBuilder, daemon: Arc<str>) -> Result<Self, Error> {
        let transport = |error| Error::transport(&daemon, error);
        let response = request.send().await.map_err(transport)?;
        let status = response.status();
        if !status.is_success() {
            let body = response.bytes().await.map_err(transport)?;
            return Err(refusal(&daemon, status, &body));
        }
        Ok(Self {
            response,
            daemon,
            buffer: Vec::new(),
            name: String::new(),
            data: String::new(),
        })
    }

    async fn next(&mut self) -> Result<StreamItem, Error> {
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                let (name, data) = (
                    std::mem::take(&mut self.name),
                    std::mem::take(&mut self.data),
                );
                if data.is_empty() {
                    continue;
                }
                return self.item(&name, &data);
            }
            match line.split_once(": ") {
                Some(("event", name)) => name.clone_into(&mut self.name),
                Some(("data", data)) => data.clone_into(&mut self.data),
                // A comment, an id that stands in the event too, or a field of a later version.
                _ => {}
            }
        }
    }

    fn item(&self, name: &str, data: &str) -> Result<StreamItem, Error> {
        let item = if name == "end" {
            serde_json::from_str(data).map(StreamItem::End)
        } else {
            serde_json::from_str(data).map(StreamItem::Event)
        };
        item.map_err(|error| self.nonsense(&error))
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
