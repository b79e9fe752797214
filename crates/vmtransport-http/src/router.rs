//! The router: the operations, and what happens around each of them.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use vmapi_types::Version;
use vmcontrol::Control;

use crate::bodies::{self, Bodies};
use crate::drain;
use crate::error::ApiError;
use crate::guard::{self, Guard};
use crate::middleware::request_context;
use crate::openapi::add_routes;
use crate::operations::{self, BASE_PATH};
use crate::token::{self, Token};

/// How large a request's body may be unless told otherwise, in bytes.
pub const DEFAULT_MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// What the API is made with.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// The address that is listened on; nothing for a socket in the file system.
    pub address: Option<SocketAddr>,
    /// What callers have to know, if anything.
    pub token: Option<Token>,
    /// How large a request's body may be, in bytes.
    pub max_body_bytes: usize,
    /// Values of `Host` that are served beside the address's own and those of the loopback
    /// interface, as `host:port`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call, as `https://host`.
    pub allowed_origins: Vec<String>,
    /// What `GET /version` answers.
    pub version: Version,
}

/// The whole API, under `/api/v1`.
pub fn router(control: Control, options: &ApiOptions) -> Router {
    let guard = Guard::new(
        options.address,
        &options.allowed_hosts,
        &options.allowed_origins,
    );
    let api = add_routes(Router::new(), operations::all());
    Router::new()
        .nest(BASE_PATH, api)
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
