//! Lists in portions: the portion that a request asks for, and the links to the neighbouring ones.

use std::fmt::Display;

use axum::http::{HeaderValue, Uri, header};
use axum::response::Response;
use serde::Serialize;
use uuid::Uuid;
use vmcontrol::{Charged, Error, Page, Portion, parse_id};

use crate::error::ApiError;
use crate::extract::QueryParams;
use crate::respond;

impl QueryParams {
    /// The portion that `limit`, `before` and `after` ask for.
    pub(crate) fn page(&self, default_limit: u32) -> Result<Page, ApiError> {
        let cursor = |name| self.get(name).map(|id| parse_id(name, id)).transpose();
        let limit = self.number("limit", default_limit.into(), 1)?;
        Ok(Page {
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            before: cursor("before")?,
            after: cursor("after")?,
        })
    }

    /// The value of a parameter that names one of some values; `None` if it is absent or empty.
    pub(crate) fn one_of<T: Copy>(
        &self,
        name: &str,
        all: &[T],
        name_of: impl Fn(T) -> &'static str,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.filter(name) else {
            return Ok(None);
        };
        let found = all.iter().copied().find(|value| name_of(*value) == text);
        if found.is_some() {
            return Ok(found);
        }
        let names: Vec<_> = all.iter().map(|value| name_of(*value)).collect();
        let names = names.join(", ");
        Err(Error::validation(format!("{name} must be one of {names}, not {text:?}")).into())
    }
}

/// An answer with a portion of a list. Its `Link` header has the URLs of the portions with older
/// records (`next`) and newer records (`prev`); for events, with later ones (`next`).
pub(crate) struct Listed<T> {
    portion: Charged<Portion<T>>,
    links: Vec<String>,
}

impl<T> Listed<T> {
    /// A portion of records, newest first. `uri` is that of the request; `id_of` is the id of a
    /// record, which is the cursor of the portion before or after it.
    pub(crate) fn new(
        portion: Charged<Portion<T>>,
        page: Page,
        uri: &Uri,
        id_of: impl Fn(&T) -> Uuid,
    ) -> Self {
        let is_upwards = page.after.is_some() && page.before.is_none();
        let (has_older, has_newer) = if is_upwards {
            (true, portion.has_more)
        } else {
            (portion.has_more, page.before.is_some())
        };
        let mut links = Vec::new();
        if let (Some(oldest), true) = (portion.items.last(), has_older) {
            links.push(link(uri, "before", &id_of(oldest), "next"));
        }
        if let (Some(newest), true) = (portion.items.first(), has_newer) {
            links.push(link(uri, "after", &id_of(newest), "prev"));
        }
        Self { portion, links }
    }

    /// A portion of items with numbers, in the order of the numbers.
    pub(crate) fn numbered(
        portion: Charged<Portion<T>>,
        uri: &Uri,
        number_of: impl Fn(&T) -> u64,
    ) -> Self {
        let last = portion.items.last().filter(|_| portion.has_more);
        let links = last.map(|last| link(uri, "after_seq", &number_of(last), "next"));
        Self {
            links: links.into_iter().collect(),
            portion,
        }
    }
}

/// The names of the parameters that say where a portion begins.
const CURSORS: [&str; 3] = ["before", "after", "after_seq"];

/// A link to the same request with another cursor.
fn link(uri: &Uri, cursor: &str, value: &dyn Display, relation: &str) -> String {
    let is_cursor = |part: &&str| {
        let name = part.split('=').next().unwrap_or_default();
        CURSORS.contains(&name)
    };
    let kept = uri.query().unwrap_or_default().split('&');
    let mut query: Vec<String> = kept
        .filter(|part| !part.is_empty() && !is_cursor(part))
        .map(str::to_owned)
        .collect();
    query.push(format!("{cursor}={value}"));
    format!("<{}?{}>; rel=\"{relation}\"", uri.path(), query.join("&"))
}

impl<T: Serialize + Send + 'static> Listed<T> {
    /// Encodes the answer.
    pub(crate) async fn respond(self) -> Response {
        let bytes = self.portion.bytes;
        let items = self.portion.map(|portion| portion.items);
        let mut response = respond::list(items, bytes).await;
        // This succeeds: the links consist of text of the URI, which is allowed in a header.
        if let (false, Ok(links)) = (
            self.links.is_empty(),
            HeaderValue::try_from(self.links.join(", ")),
        ) {
            response.headers_mut().insert(header::LINK, links);
        }
        response
    }
}
