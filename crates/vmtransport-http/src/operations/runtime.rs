//! The daemon itself, its database, and what templates can name.

use axum::handler::Handler;
use serde_json::Value;
use vmapi_types::ErrorCode::Unavailable;
use vmapi_types::{
    AvailableLibrary, AvailableModule, CheckReport, Health, Identified, PruneRequest, Pruned,
    RuntimeSummary, Sandbox, Vacuumed, Version,
};
use vmcontrol::Control;

use crate::operation::{Route, Tag, get, post};
use crate::routes::{maintenance, metadata, runtime};

/// The service as a whole. `openapi` answers with the OpenAPI document.
pub(super) fn service<H, T>(openapi: H) -> Vec<Route>
where
    H: Handler<T, Control>,
    T: 'static,
{
    vec![
        get("/health", "getHealth", "Report whether the daemon serves")
            .answers::<Health>(200, "The daemon serves.")
            .open()
            .to(runtime::health)
            .tagged(Tag::Service),
        get(
            "/version",
            "getVersion",
            "Report the version of the daemon and its engines",
        )
        .answers::<Version>(200, "The version.")
        .to(runtime::version)
        .tagged(Tag::Service),
        get("/openapi.json", "getOpenApi", "Get this document")
            .answers::<serde_json::Map<String, Value>>(200, "An OpenAPI 3.1 document.")
            .open()
            .to(openapi)
            .tagged(Tag::Service),
    ]
}

/// The running daemon and its database.
pub(super) fn runtime() -> Vec<Route> {
    vec![
        get(
            "/runtime/summary",
            "getRuntimeSummary",
            "Count and list the ready sessions",
        )
        .answers::<RuntimeSummary>(200, "The ready sessions.")
        .to(runtime::summary)
        .tagged(Tag::Runtime),
        get(
            "/runtime/sandbox",
            "getSandbox",
            "Report how the kernel confines session processes",
        )
        .answers::<Sandbox>(200, "The restrictions that are in force.")
        .fails(&[Unavailable])
        .to(runtime::sandbox)
        .tagged(Tag::Runtime),
        post(
            "/runtime/prune",
            "prune",
            "Remove sessions and executions that ended long ago",
        )
        .takes::<PruneRequest>()
        .answers::<Pruned>(200, "The number of records that were removed, or would be.")
        .stored()
        .to(maintenance::prune)
        .tagged(Tag::Runtime),
        get(
            "/runtime/backup",
            "backUp",
            "Download a copy of the database",
        )
        .about("The copy is consistent: it has the state of one moment.")
        .sends("application/vnd.sqlite3", "A SQLite database file.")
        .stored()
        .to(maintenance::backup)
        // A client that asks for the media type alone should not wait for a copy.
        .with_head(async || maintenance::KIND_OF_BACKUP)
        .tagged(Tag::Runtime),
        get("/runtime/check", "checkDatabase", "Check the database")
            .answers::<CheckReport>(200, "What was checked, and the damage that was found.")
            .stored()
            .to(maintenance::check)
            .tagged(Tag::Runtime),
        post("/runtime/vacuum", "vacuum", "Compact the database")
            .about("Other requests wait until it is done.")
            .answers::<Vacuumed>(200, "The size of the database before and after.")
            .stored()
            .to(maintenance::vacuum)
            .tagged(Tag::Runtime),
    ]
}

/// What templates can name, and what ids identify.
pub(super) fn metadata() -> Vec<Route> {
    vec![
        get(
            "/metadata/modules",
            "listAvailableModules",
            "List the native modules that templates can expose",
        )
        .answers::<Vec<AvailableModule>>(200, "The modules, by name.")
        .to(metadata::modules)
        .tagged(Tag::Metadata),
        get(
            "/metadata/libraries",
            "listAvailableLibraries",
            "List the libraries that templates can name",
        )
        .answers::<Vec<AvailableLibrary>>(
            200,
            "The libraries of the catalogue, then the others in the daemon's cache, by name.",
        )
        .fails(&[Unavailable])
        .to(metadata::libraries)
        .tagged(Tag::Metadata),
        get(
            "/ids/{prefix}",
            "findIds",
            "Find the ids that begin with a text",
        )
        .answers::<Vec<Identified>>(200, "The ids, at most 10 of each kind.")
        .stored()
        .to(metadata::ids)
        .tagged(Tag::Metadata),
    ]
}
