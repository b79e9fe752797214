//! The router: the operations, and the layers around them.
//!
//! A request passes the layers from the last one of [`router`] to the first: its body will be
//! drained, it gets its id and its line in the log, its origin and its token are checked, and it
//! gets its share of the memory for bodies.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use vmapi_types::Version;
use vmcontrol::Control;

use crate::bodies::{self, Bodies};
use crate::drain;
use crate::error::ApiError;
use crate::guard::{self, Guard};
use crate::middleware::request_context;
use crate::openapi;
use crate::operation::{BASE_PATH, Route, router_of};
use crate::operations;
use crate::token::{self, Token};

/// The default of [`ApiOptions::max_body_bytes`].
pub const DEFAULT_MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// The options of the API.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// The address that the daemon listens on; `None` for a socket in the file system.
    pub address: Option<SocketAddr>,
    /// The token that requests must have; `None` if they need none.
    pub token: Option<Token>,
    /// The largest size of the body of a request, in bytes.
    pub max_body_bytes: usize,
    /// Values of `Host` that are served besides those of the address and of the loopback interface,
    /// as `host:port`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may send requests, as `https://host`.
    pub allowed_origins: Vec<String>,
    /// The answer to `GET /version`.
    pub version: Version,
}

/// The whole API, under `/api/v1`.
pub fn router(control: Control, options: &ApiOptions) -> Router {
    let guard = Guard::new(
        options.address,
        &options.allowed_hosts,
        &options.allowed_origins,
    );
    Router::new()
        .nest(BASE_PATH, router_of(routes()))
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::WrongMethod)
        .layer(Extension(Arc::new(options.version.clone())))
        .layer(from_fn_with_state(
            Bodies::new(options.max_body_bytes),
            bodies::share,
        ))
        .layer(from_fn_with_state(options.token.clone(), token::check))
        .layer(from_fn_with_state(guard, guard::check))
        .layer(from_fn(request_context))
        .layer(from_fn_with_state(
            drain::bound(options.max_body_bytes),
            drain::read_to_end,
        ))
        .with_state(control)
}

/// Every route of the API.
pub(crate) fn routes() -> Vec<Route> {
    operations::all(serve_document)
}

/// Answers with the OpenAPI document of all routes. It is made at the first request.
async fn serve_document() -> ([(HeaderName, HeaderValue); 1], Bytes) {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| format!("{}\n", openapi::document(&routes())).into());
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text.clone())
}
