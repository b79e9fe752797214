//! The bearer token that requests must have, if the daemon requires one.

use std::fmt;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// The routes that need no token: they reveal nothing about the daemon's records.
pub(crate) const OPEN_ROUTES: [&str; 2] = ["/api/v1/health", "/api/v1/openapi.json"];

/// A bearer token. Its `Debug` text does not contain the secret, so that no log does.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Compares in a time that does not depend on the position of the difference.
    fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }

    /// Whether the headers have this token, in one `Authorization` header.
    fn is_in(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return false;
        };
        let Some((scheme, text)) = value.to_str().ok().and_then(|value| value.split_once(' '))
        else {
            return false;
        };
        scheme.eq_ignore_ascii_case("bearer") && self.matches(text.trim())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Refuses requests without the token; with `None` it refuses none.
pub(crate) async fn check(
    State(token): State<Option<Token>>,
    request: Request,
    next: Next,
) -> Response {
    let is_open = OPEN_ROUTES.contains(&request.uri().path());
    let is_allowed = is_open || token.is_none_or(|token| token.is_in(request.headers()));
    if is_allowed {
        next.run(request).await
    } else {
        ApiError::Unauthorized.into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    /// Whether a request with these values of `Authorization` has the token `secret`.
    fn is_in(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        Token::new("secret").is_in(&headers)
    }

    #[test]
    fn only_the_whole_token_is_accepted_and_only_once() {
        assert!(is_in(&["Bearer secret"]));
        assert!(is_in(&["bearer  secret "]));
        for values in [
            &[][..],
            &["secret"],
            &["Bearer"],
            &["Bearer "],
            &["Bearer secre"],
            &["Bearer secrets"],
            &["Bearer Secret"],
            &["Basic secret"],
            &["Bearer secret", "Bearer secret"],
        ] {
            assert!(!is_in(values), "{values:?}");
        }
    }

    #[test]
    fn the_debug_text_of_a_token_does_not_contain_it() {
        assert_eq!(format!("{:?}", Token::new("secret")), "Token(…)");
    }
}
