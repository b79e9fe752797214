//! The secret that callers have to know, where there is one.

use std::fmt;

use axum::extract::{Request, State};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// The routes that tell nothing about the daemon's records, and need no token.
pub(crate) const OPEN_ROUTES: [&str; 2] = ["/api/v1/health", "/api/v1/openapi.json"];

/// A secret. It never shows in a log.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// A token with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Compares in a time that does not depend on where the difference is.
    fn matches(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }

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

/// Refuses requests without the token.
pub(crate) async fn check(
    State(token): State<Option<Token>>,
    request: Request,
    next: Next,
) -> Response {
    let is_open = OPEN_ROUTES.contains(&request.uri().path());
    let is_welcome = is_open || token.is_none_or(|token| token.is_in(request.headers()));
    if is_welcome {
        next.run(request).await
    } else {
        ApiError::Unauthorized.into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn is_in(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        Token::new("secret").is_in(&headers)
    }

    #[test]
    fn only_the_whole_token_counts_and_only_once() {
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
    fn it_does_not_show() {
        assert_eq!(format!("{:?}", Token::new("secret")), "Token(…)");
    }
}
