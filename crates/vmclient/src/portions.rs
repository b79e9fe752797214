//! Lists that the daemon gives in portions.

use std::marker::PhantomData;
use std::sync::Arc;

use reqwest::header::LINK;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use vmapi_types::RawJson;

use crate::call::{accepted, excerpt};
use crate::{Client, Error};

/// What says in a `Link` header that there is another portion.
const NEXT: &str = "rel=\"next\"";

/// A list that comes in portions, each with the next [`next`](Self::next). The daemon ends a portion where it would become
/// large.
#[must_use = "nothing is asked for before the first portion is"]
pub struct Portions<T> {
    client: Client,
    path: Vec<String>,
    query: Vec<(&'static str, String)>,
    cursor: Cursor,
    /// How many items are still wanted; all there are when `None`.
    left: Option<usize>,
    is_over: bool,
    item: PhantomData<fn() -> T>,
}

/// What a portion begins after.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cursor {
    /// The number of an event.
    AfterSeq,
    /// The id of something that is newer.
    Before,
}

impl Cursor {
    /// The parameter that asks for what comes after an item.
    fn after(self, item: &RawJson) -> serde_json::Result<(&'static str, String)> {
        #[derive(Deserialize)]
        struct Numbered {
            seq: u64,
        }
        #[derive(Deserialize)]
        struct Named {
            id: Uuid,
        }
        Ok(match self {
            Self::AfterSeq => {
                let Numbered { seq } = serde_json::from_str(item.get())?;
                ("after_seq", seq.to_string())
            }
            Self::Before => {
                let Named { id } = serde_json::from_str(item.get())?;
                ("before", id.to_string())
            }
        })
    }
}

impl<T> Portions<T> {
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
            left: limit,
            is_over: false,
            item: PhantomData,
        }
    }

    /// The same list, with the JSON text of each item as the daemon wrote it.
    pub fn raw(self) -> Portions<RawJson> {
        Portions {
            client: self.client,
            path: self.path,
            query: self.query,
            cursor: self.cursor,
            left: self.left,
            is_over: self.is_over,
            item: PhantomData,
        }
    }
}

impl<T: DeserializeOwned> Portions<T> {
    /// The next portion, and nothing after the last one.
    ///
    /// # Errors
    /// [`Error::Api`] if the daemon says no, another [`Error`] if there is no daemon to say anything.
    pub async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        if self.is_over {
            return Ok(None);
        }
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let (request, daemon) = self.client.open(&path)?;
        let mut query = self.query.clone();
        query.extend(self.left.map(|left| ("limit", left.to_string())));
        let response = accepted(request.query(&query), &daemon).await?;
        let links = response.headers().get_all(LINK);
        let has_more = links
            .iter()
            .any(|link| link.to_str().is_ok_and(|link| link.contains(NEXT)));
        let body = response.bytes().await;
        let body = body.map_err(|error| Error::transport(&daemon, error))?;
        let nonsense = |error| nonsense(&daemon, &error, &body);
        let items: Vec<RawJson> = serde_json::from_slice(&body).map_err(nonsense)?;
        self.left = self.left.map(|left| left.saturating_sub(items.len()));
        self.is_over = !has_more || items.is_empty() || self.left == Some(0);
        if let Some(last) = items.last() {
            let (name, place) = self.cursor.after(last).map_err(nonsense)?;
            self.query.retain(|(other, _)| *other != name);
            self.query.push((name, place));
        }
        let items = items.iter().map(|item| serde_json::from_str(item.get()));
        items.collect::<Result<_, _>>().map(Some).map_err(nonsense)
    }

    /// All portions as one list.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(portion) = self.next().await? {
            all.extend(portion);
        }
        Ok(all)
    }
}

fn nonsense(daemon: &Arc<str>, error: &serde_json::Error, body: &[u8]) -> Error {
    Error::Protocol {
        url: daemon.to_string(),
        reason: format!("{error} in {}", excerpt(body)),
    }
}
