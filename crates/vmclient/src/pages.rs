//! Lists that the daemon serves in pages.

use std::marker::PhantomData;
use std::sync::Arc;

use reqwest::header::LINK;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use vmapi_types::RawJson;

use crate::call::{excerpt, send_checked};
use crate::{Client, Error};

/// The part of a `Link` header that announces a further page.
const NEXT: &str = "rel=\"next\"";

/// A list that the daemon serves in pages; each call of [`next`](Self::next) requests one page. The
/// daemon ends a page early where its answer would become large.
#[must_use = "no page is requested before `next` is called"]
pub struct Pages<T> {
    client: Client,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    cursor: Cursor,
    /// The number of items that the caller still wants; `None` means all.
    remaining: Option<usize>,
    is_finished: bool,
    item: PhantomData<fn() -> T>,
}

/// The kind of position that a page starts after.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cursor {
    /// The sequence number of an event; the list is in ascending order.
    AfterSeq,
    /// The id of a list item; the list is in descending order of age.
    Before,
}

impl Cursor {
    /// The name and the value of the query parameter that requests the items after `item`.
    fn after(self, item: &RawJson) -> serde_json::Result<(&'static str, String)> {
        #[derive(Deserialize)]
        struct WithSeq {
            seq: u64,
        }
        #[derive(Deserialize)]
        struct WithId {
            id: Uuid,
        }
        Ok(match self {
            Self::AfterSeq => {
                let WithSeq { seq } = serde_json::from_str(item.get())?;
                ("after_seq", seq.to_string())
            }
            Self::Before => {
                let WithId { id } = serde_json::from_str(item.get())?;
                ("before", id.to_string())
            }
        })
    }
}

impl<T> Pages<T> {
    pub(crate) fn new(
        client: &Client,
        path: &[&str],
        query: Vec<(&'static str, String)>,
        cursor: Cursor,
        limit: Option<usize>,
    ) -> Self {
        Self {
            client: client.clone(),
            path: path.iter().map(|&part| part.to_owned()).collect(),
            query,
            cursor,
            remaining: limit,
            is_finished: false,
            item: PhantomData,
        }
    }

    /// The same list, where each item is its JSON text as the daemon wrote it.
    pub fn raw(self) -> Pages<RawJson> {
        Pages {
            client: self.client,
            path: self.path,
            query: self.query,
            cursor: self.cursor,
            remaining: self.remaining,
            is_finished: self.is_finished,
            item: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Pages<T> {
    /// Requests the next page; `None` after the last one.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon refuses the request, another [`Error`] if it can't be reached
    /// or its answer can't be read.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        if self.is_finished {
            return Ok(None);
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let (request, daemon) = self.client.open(&path)?;
        let mut query = self.query.clone();
        query.extend(
            self.remaining
                .map(|remaining| ("limit", remaining.to_string())),
        );
        let response = send_checked(request.query(&query), &daemon).await?;
        let links = response.headers().get_all(LINK);
        let has_more = links
            .iter()
            .any(|link| link.to_str().is_ok_and(|link| link.contains(NEXT)));
        let body = response.bytes().await;
        let body = body.map_err(|error| Error::transport(&daemon, error))?;
        let malformed = |error| malformed(&daemon, &error, &body);
        let items: Vec<RawJson> = serde_json::from_slice(&body).map_err(malformed)?;
        self.remaining = self
            .remaining
            .map(|remaining| remaining.saturating_sub(items.len()));
        self.is_finished = !has_more || items.is_empty() || self.remaining == Some(0);
        if let Some(last) = items.last() {
            let (name, value) = self.cursor.after(last).map_err(malformed)?;
            self.query.retain(|(other, _)| *other != name);
            self.query.push((name, value));
        }
        let items = items.iter().map(|item| serde_json::from_str(item.get()));
        items.collect::<Result<_, _>>().map(Some).map_err(malformed)
    }

    /// Requests all remaining pages and returns their items as one list.
    ///
    /// # Errors
    /// The errors of [`next`](Self::next).
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.next().await? {
            all.extend(page);
        }
        Ok(all)
    }
}

fn malformed(daemon: &Arc<str>, error: &serde_json::Error, body: &[u8]) -> Error {
    Error::Protocol {
        url: daemon.to_string(),
        reason: format!("{error} in {}", excerpt(body)),
    }
}
