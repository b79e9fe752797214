//! The route table.

use std::net::SocketAddr;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use vmcontrol::{Control, NameList};

use crate::bodies::{self, Bodies};
use crate::drain;
use crate::error::ApiError;
use crate::guard::{self, Guard};
use crate::middleware::request_context;
use crate::routes::{execution, maintenance, metadata, runtime, session, template};
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
    /// Values of `Host` that are served beside the address's own and those of the loopback interface, as `host:port`.
    pub allowed_hosts: Vec<String>,
    /// Origins whose pages may call, as `https://host`.
    pub allowed_origins: Vec<String>,
}

/// The whole API, under `/api/v1`.
pub fn router(control: Control, options: &ApiOptions) -> Router {
    let guard = Guard::new(
        options.address,
        &options.allowed_hosts,
        &options.allowed_origins,
    );
    let api = Router::new()
        .route("/health", get(runtime::health))
        .route("/runtime/summary", get(runtime::summary))
        .route("/runtime/sandbox", get(runtime::sandbox))
        .route("/runtime/prune", post(maintenance::prune))
        // Nobody should wait for a copy to learn what kind of answer there would be.
        .route(
            "/runtime/backup",
            get(maintenance::backup).head(async || maintenance::KIND_OF_BACKUP),
        )
        .route("/runtime/check", get(maintenance::check))
        .route("/runtime/vacuum", post(maintenance::vacuum))
        .route("/metadata/modules", get(metadata::modules))
        .route("/metadata/libraries", get(metadata::libraries))
        .route("/ids/{prefix}", get(metadata::ids))
        .merge(templates())
        .merge(sessions())
        .merge(executions());
    Router::new()
        .nest("/api/v1", api)
        .fallback(async || ApiError::NoRoute)
        .method_not_allowed_fallback(async || ApiError::WrongMethod)
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

fn templates() -> Router<Control> {
    Router::new()
        .route("/templates", get(template::list).post(template::create))
        .route(
            "/templates/{template_id}",
            get(template::get)
                .patch(template::update)
                .delete(template::delete),
        )
        .route(
            "/templates/{template_id}/capabilities",
            get(template::list_capabilities).post(template::add_capability),
        )
        .route(
            "/templates/{template_id}/capabilities/{capability_id}",
            delete(template::delete_capability),
        )
        .route(
            "/templates/{template_id}/startup-files/{file_id}",
            delete(template::delete_startup_file),
        )
        .route(
            "/templates/{template_id}/startup-files",
            get(template::list_startup_files).post(template::add_startup_file),
        )
        .merge(names("/templates/{template_id}/modules", NameList::Modules))
        .merge(names(
            "/templates/{template_id}/libraries",
            NameList::Libraries,
        ))
}

/// The routes of one of a template's lists of names.
fn names(path: &str, list: NameList) -> Router<Control> {
    Router::new()
        .route(
            path,
            get(move |control, path| template::list_names(list, control, path))
                .post(move |control, path, body| template::add_name(list, control, path, body)),
        )
        .route(
            &format!("{path}/{{name}}"),
            delete(move |control, path| template::remove_name(list, control, path)),
        )
}

fn sessions() -> Router<Control> {
    Router::new()
        .route("/sessions", get(session::list).post(session::create))
        .route(
            "/sessions/{session_id}",
            get(session::get).delete(session::close),
        )
        .route("/sessions/{session_id}/close", post(session::close))
        .route("/sessions/{session_id}/events/stream", get(session::stream))
        .route("/sessions/{session_id}/complete", post(session::complete))
        .route("/sessions/{session_id}/inspect", post(session::inspect))
        .route(
            "/sessions/{session_id}/is-complete",
            post(session::is_complete),
        )
}

fn executions() -> Router<Control> {
    Router::new()
        .route("/executions", get(execution::list))
        .route("/executions/repl", post(execution::repl))
        .route("/executions/run-file", post(execution::run_file))
        .route("/executions/{execution_id}", get(execution::get))
        .route("/executions/{execution_id}/cancel", post(execution::cancel))
        .route("/executions/{execution_id}/events", get(execution::events))
        .route(
            "/executions/{execution_id}/events/stream",
            get(execution::stream),
        )
}
