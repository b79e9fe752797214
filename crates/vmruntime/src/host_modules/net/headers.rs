//! The headers of requests and answers.

use reqwest::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LOCATION, CONTENT_TYPE, COOKIE,
    HeaderMap, HeaderName, HeaderValue, PROXY_AUTHORIZATION,
};

use crate::ipc::HostError;

/// The largest number of headers of a request.
const MAX_HEADERS: usize = 100;

/// The largest size of the names and values of a request's headers together, in bytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// The headers that the HTTP client sets itself. As in browsers, a script that sets one changes
/// nothing.
const OF_CLIENT: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// The headers that a script gave, as the client sends them.
///
/// # Errors
/// When there are too many headers, and when one is malformed.
pub(super) fn of_request(given: &[(String, String)]) -> Result<HeaderMap, HostError> {
    let size: usize = given
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if given.len() > MAX_HEADERS || size > MAX_HEADER_BYTES {
        return Err(HostError::with_code(
            "ERR_OUT_OF_RANGE",
            format!("fetch: more than {MAX_HEADERS} headers or {MAX_HEADER_BYTES} bytes of them"),
        ));
    }
    let wrong = |what: &str, text: &str| {
        HostError::with_code(
            "ERR_INVALID_CHAR",
            format!("fetch: {text:?} is not the {what} of a header"),
        )
    };
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("name", name))?;
        let value = to_bytes(value.trim_matches([' ', '\t', '\r', '\n']))
            .and_then(|bytes| HeaderValue::from_bytes(&bytes).ok())
            .ok_or_else(|| wrong("value", value))?;
        if !OF_CLIENT.contains(&parsed.as_str()) {
            headers.append(parsed, value);
        }
    }
    Ok(headers)
}

/// The headers of an answer. Each character of a value represents one byte.
pub(super) fn of_answer(headers: &HeaderMap) -> Vec<(String, String)> {
    headers
        .iter()
        .map(|(name, value)| {
            let value = value.as_bytes().iter().map(|byte| char::from(*byte));
            (name.as_str().to_owned(), value.collect())
        })
        .collect()
}

/// Removes the headers that must not be sent to another origin than the script's own request.
pub(super) fn drop_credentials(headers: &mut HeaderMap) {
    for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
        headers.remove(name);
    }
}

/// Removes the headers of a body, once a redirect has dropped the body.
pub(super) fn drop_content(headers: &mut HeaderMap) {
    for name in [
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_LOCATION,
        CONTENT_TYPE,
    ] {
        headers.remove(name);
    }
}

/// The bytes of a text in which each character represents one byte; `None` if a character
/// represents none.
fn to_bytes(text: &str) -> Option<Vec<u8>> {
    text.chars()
        .map(|character| u8::try_from(u32::from(character)).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn headers_of_the_connection_are_left_out() {
        let given = [
            pair("X-Own", " 1 "),
            pair("HOST", "evil"),
            pair("Content-Length", "5"),
            pair("Transfer-Encoding", "chunked"),
            pair("x-own", "\u{e4}"),
        ];
        let headers = of_request(&given).unwrap();
        assert_eq!(
            of_answer(&headers),
            [pair("x-own", "1"), pair("x-own", "\u{e4}")]
        );
    }

    #[test]
    fn malformed_headers_and_too_many_are_refused() {
        for (name, value) in [
            ("", "a"),
            ("a b", "a"),
            ("a:", "a"),
            ("a", "b\r\nc: d"),
            ("a", "\u{20ac}"),
            ("a", "\0"),
        ] {
            assert!(
                of_request(&[pair(name, value)]).is_err(),
                "{name:?}: {value:?}"
            );
        }
        assert!(of_request(&vec![pair("a", "b"); MAX_HEADERS + 1]).is_err());
        assert!(of_request(&[pair("a", &"b".repeat(MAX_HEADER_BYTES))]).is_err());
    }
}
