//! What a handler takes from a request, decoded strictly.

use std::collections::HashMap;
use std::time::Duration;

use axum::RequestExt;
use axum::body::{Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use vmcontrol::{Error, parse_id};

use crate::error::ApiError;

/// How long a client may take to send a body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// A JSON body with no field too many.
pub(crate) struct Json<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(is_json_type);
        if !is_json {
            return Err(ApiError::MediaType);
        }
        let declared = request.body().size_hint().lower();
        let limited = request.with_limited_body();
        // A client that asks first is told before it has sent anything.
        let most = limited.body().size_hint().upper();
        if most.is_some_and(|most| declared > most) {
            return Err(ApiError::BodyTooLarge);
        }
        let bytes = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(limited, state))
            .await
            .map_err(|_| ApiError::BodyTimeout)?
            .map_err(|rejection| match rejection.status().as_u16() {
                413 => ApiError::BodyTooLarge,
                _ => ApiError::InvalidRequest(rejection.body_text()),
            })?;
        decode(&bytes).map(Self)
    }
}

fn is_json_type(value: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default().trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// Decodes a body; the error names the field and the position.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::InvalidRequest(
            "the body is empty: send a JSON object".into(),
        ));
    }
    // A derived decoder would take a list for the fields in their order.
    let start = bytes.len() - bytes.trim_ascii_start().len();
    if bytes[start] != b'{' {
        // What is no JSON at all is told by the decoder, with its position.
        let error = serde_json::from_slice::<serde::de::IgnoredAny>(bytes).err();
        let reason =
            error.map_or_else(|| not_an_object(&bytes[..start]), |error| error.to_string());
        return Err(ApiError::InvalidRequest(format!(
            "the body can't be read: {reason}"
        )));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        // Where the whole is at fault, or a name, there is no path.
        ApiError::InvalidRequest(if path == "." || path == "?" {
            format!("the body can't be read: {inner}")
        } else {
            format!("the body can't be read: {path}: {inner}")
        })
    })?;
    deserializer.end().map_err(|error| {
        ApiError::InvalidRequest(format!("the body goes on after its end: {error}"))
    })?;
    Ok(value)
}

fn not_an_object(before: &[u8]) -> String {
    let lines: Vec<&[u8]> = before.split(|byte| *byte == b'\n').collect();
    let line = lines.len();
    let column = lines.last().map_or(0, |last| last.len()) + 1;
    format!("it is not a JSON object at line {line} column {column}")
}

/// The ids and names in a path, by parameter.
pub(crate) struct PathParams(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for PathParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Path::from_request_parts(parts, state)
            .await
            .map(|Path(params)| Self(params))
            .map_err(|rejection| Error::validation(rejection.body_text()).into())
    }
}

impl PathParams {
    /// The id in a parameter.
    pub(crate) fn id(&self, name: &str) -> Result<Uuid, ApiError> {
        Ok(parse_id(name, &self.text(name))?)
    }

    /// The text of a parameter.
    pub(crate) fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// The parameters of a query; of one that is repeated, the last.
pub(crate) struct QueryParams(HashMap<String, String>);

impl<S: Send + Sync> FromRequestParts<S> for QueryParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(params)| Self(params))
            .map_err(|rejection| Error::validation(rejection.body_text()).into())
    }
}

impl QueryParams {
    /// A parameter, if it is there.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A required id.
    pub(crate) fn id(&self, name: &str) -> Result<Uuid, ApiError> {
        required_id(name, self.get(name))
    }

    /// `true` or `false`, or a default.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, ApiError> {
        match self.get(name) {
            None => Ok(default),
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            Some(other) => Err(Error::validation(format!(
                "{name} must be true or false, not {other:?}"
            ))
            .into()),
        }
    }

    /// A whole number of at least `least`, or a default.
    pub(crate) fn number(&self, name: &str, default: u64, least: u64) -> Result<u64, ApiError> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .filter(|number| *number >= least)
            .ok_or_else(|| {
                Error::validation(format!(
                    "{name} must be a whole number of at least {least}, not {text:?}"
                ))
                .into()
            })
    }
}

/// An id that has to be there.
pub(crate) fn required_id(name: &str, text: Option<&str>) -> Result<Uuid, ApiError> {
    match text {
        None | Some("") => Err(Error::validation(format!("{name} is required")).into()),
        Some(text) => Ok(parse_id(name, text)?),
    }
}

/// A text that has to be there.
pub(crate) fn required(name: &str, text: Option<String>) -> Result<String, ApiError> {
    text.filter(|text| !text.is_empty())
        .ok_or_else(|| Error::validation(format!("{name} is required")).into())
}

/// A text that has to be there, and may be empty.
pub(crate) fn present(name: &str, text: Option<String>) -> Result<String, ApiError> {
    text.ok_or_else(|| Error::validation(format!("{name} is required")).into())
}
