//! Extractors: what a handler takes from a request, decoded strictly.

use std::collections::HashMap;

use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::HeaderMap;
use axum::http::header::{CONTENT_TYPE, ORIGIN};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use uuid::Uuid;
use vmcontrol::{Error, parse_id};

use crate::bodies::{BODY_TIMEOUT, BodyShare};
use crate::error::ApiError;
use crate::heavy::{LARGE_BYTES, heavy};

/// A JSON body without unknown fields. `IN_TREES` is whether JSON of any shape in it is parsed into
/// trees, which take many times the memory of their text.
pub(crate) struct Json<T, const IN_TREES: bool = true>(pub(crate) T);

impl<S, T, const IN_TREES: bool> FromRequest<S> for Json<T, IN_TREES>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + 'static,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        if !is_taken_as_json(request.headers()) {
            return Err(ApiError::MediaType);
        }
        let (mut parts, body) = request.into_parts();
        let share = parts.extensions.remove::<BodyShare>();
        let share = share.ok_or_else(|| Error::internal("a body has no share of the memory"))?;
        let bytes = tokio::time::timeout(BODY_TIMEOUT, share.read(body))
            .await
            .map_err(|_| ApiError::BodyTimeout(BODY_TIMEOUT))??;
        if bytes.len() <= LARGE_BYTES {
            return decode(&bytes).map(Self);
        }
        let decoded = heavy(move || {
            if IN_TREES && tree_bytes(&bytes) > MAX_TREE_BYTES {
                return Err(ApiError::TooManyValues);
            }
            decode(&bytes)
        });
        match decoded.await {
            Ok(decoded) => decoded.map(Self),
            Err(_) => Err(Error::internal("the decoder of a body panicked").into()),
        }
    }
}

/// Whether the `Content-Type` says JSON. Existing clients send no type, or the form type of
/// `curl -d`. A web page can send these two without a preflight request, so they are accepted from
/// clients alone that are no browsers.
fn is_taken_as_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let kind = match (types.next(), types.next()) {
        (None, _) => None,
        (Some(kind), None) => Some(kind.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => return false,
    };
    let is_type = |name: &str, kind: &str| {
        let essence = kind.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case(name)
    };
    match kind {
        Some(kind) if is_type("application/json", kind) => true,
        Some(kind) if !is_type("application/x-www-form-urlencoded", kind) => false,
        _ => {
            let is_of_browser = |name: &str| name.starts_with("sec-fetch-");
            !headers.contains_key(ORIGIN)
                && !headers.keys().any(|name| is_of_browser(name.as_str()))
        }
    }
}

/// The largest size of the values of a body as trees, in bytes.
const MAX_TREE_BYTES: usize = 32 * 1024 * 1024;

/// The size of an element of a list as a tree, in bytes, if the list has grown to twice its length.
const ELEMENT_BYTES: usize = 64;

/// The size of an object as a tree, in bytes: its first node has room for eleven fields.
const OBJECT_BYTES: usize = 700;

/// An upper bound on the size of the values of a body as trees, in bytes.
fn tree_bytes(json: &[u8]) -> usize {
    let (mut bytes, mut in_string, mut is_escaped) = (0, false, false);
    for byte in json {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'{' if !in_string => bytes += OBJECT_BYTES,
            b'[' | b',' if !in_string => bytes += ELEMENT_BYTES,
            _ => {}
        }
    }
    bytes
}

/// Decodes a body.
///
/// # Errors
/// If the body is not JSON of this type; the message names the field and the position.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(ApiError::InvalidRequest(
            "the body is empty: send a JSON object".into(),
        ));
    }
    // A derived decoder would also accept a list, as the fields in their order.
    let start = bytes.len() - bytes.trim_ascii_start().len();
    if bytes[start] != b'{' {
        // If the body is no JSON at all, the decoder says so, with the position.
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
        // There is no path if the fault is in the body as a whole, or in a name.
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

/// The message for JSON that is no object, which begins after the bytes `before`.
fn not_an_object(before: &[u8]) -> String {
    let lines: Vec<&[u8]> = before.split(|byte| *byte == b'\n').collect();
    let line = lines.len();
    let column = lines.last().map_or(0, |last| last.len()) + 1;
    format!("it is not a JSON object at line {line} column {column}")
}

/// The parameters of a path, which are ids and names.
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
    /// The id that a parameter holds.
    pub(crate) fn id(&self, name: &str) -> Result<Uuid, ApiError> {
        Ok(parse_id(name, &self.text(name))?)
    }

    /// The text of a parameter; empty if the route has no such parameter.
    pub(crate) fn text(&self, name: &str) -> String {
        self.0.get(name).cloned().unwrap_or_default()
    }
}

/// The parameters of a query; if one is repeated, the last one counts.
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
    /// The value of a parameter; `None` if it is absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The value of a filter; `None` if it is absent or empty.
    pub(crate) fn filter(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|text| !text.is_empty())
    }

    /// The id that a required parameter holds.
    pub(crate) fn id(&self, name: &str) -> Result<Uuid, ApiError> {
        required_id(name, self.get(name))
    }

    /// The value of a parameter that is `true` or `false`; `default` if it is absent.
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

    /// The value of a parameter that is a whole number of at least `least`; `default` if it is
    /// absent.
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

/// The id that a required field holds.
pub(crate) fn required_id(name: &str, text: Option<&str>) -> Result<Uuid, ApiError> {
    match text {
        None | Some("") => Err(Error::validation(format!("{name} is required")).into()),
        Some(text) => Ok(parse_id(name, text)?),
    }
}

/// The text of a required field that must not be empty.
pub(crate) fn required(name: &str, text: Option<String>) -> Result<String, ApiError> {
    text.filter(|text| !text.is_empty())
        .ok_or_else(|| Error::validation(format!("{name} is required")).into())
}

/// The text of a required field that may be empty.
pub(crate) fn present(name: &str, text: Option<String>) -> Result<String, ApiError> {
    text.ok_or_else(|| Error::validation(format!("{name} is required")).into())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};
    use serde_json::Value;

    use super::*;

    fn is_taken(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            );
        }
        is_taken_as_json(&headers)
    }

    #[test]
    fn a_type_that_a_page_can_send_without_a_preflight_is_accepted_from_programs_alone() {
        const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");
        const JSON: (&str, &str) = ("content-type", "application/json");
        assert!(is_taken(&[]));
        assert!(is_taken(&[FORM]));
        assert!(is_taken(&[(
            "content-type",
            "Application/X-WWW-form-urlencoded; charset=utf-8"
        )]));
        for browser in [
            ("origin", "http://localhost:3210"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
            ("sec-fetch-storage-access", "none"),
        ] {
            assert!(!is_taken(&[browser]), "{browser:?}");
            assert!(!is_taken(&[browser, FORM]), "{browser:?}");
            assert!(is_taken(&[browser, JSON]), "{browser:?}");
        }
        for other in ["text/plain", "multipart/form-data; boundary=a", "json", ""] {
            assert!(!is_taken(&[("content-type", other)]), "{other}");
        }
        assert!(!is_taken(&[JSON, JSON]));
    }

    #[test]
    fn values_are_counted_and_text_in_strings_is_not() {
        assert_eq!(tree_bytes(br#"{"a":1}"#), OBJECT_BYTES);
        assert_eq!(tree_bytes(b"[1,2,3]"), 3 * ELEMENT_BYTES);
        assert_eq!(tree_bytes(br#""[,{\"[,{\\\"""#), 0);
        assert_eq!(tree_bytes(br#"["\\",[]]"#), 3 * ELEMENT_BYTES);
        // The bound must not be lower than the real size.
        assert!(size_of::<Value>() * 2 <= ELEMENT_BYTES);
    }
}
