//! The operations of the API: each with its path, its description and its handler. The router and
//! the OpenAPI document are both made from them, in this order.

mod execution;
mod runtime;
mod session;
mod template;

use crate::openapi::{Operation, Parameter, Route};

/// What the paths of all operations begin with.
pub(crate) const BASE_PATH: &str = "/api/v1";

/// Every operation.
pub(crate) fn all() -> Vec<Route> {
    [
        runtime::service(),
        runtime::runtime(),
        runtime::metadata(),
        template::templates(),
        template::parts(),
        template::modules(),
        template::libraries(),
        session::sessions(),
        session::streams(),
        session::queries(),
        execution::executions(),
        execution::events(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The operation lists records, newest first, in portions.
fn paged(operation: Operation, default_limit: u32) -> Operation {
    operation
        .parameter(
            Parameter::query(
                "limit",
                "The largest number of records in the answer; at most 10000 are given.",
            )
            .number(1, Some(default_limit.into())),
        )
        .parameter(
            Parameter::query(
                "before",
                "Only records that are older than the one with this id.",
            )
            .id(),
        )
        .parameter(
            Parameter::query(
                "after",
                "Only records that are newer than the one with this id.",
            )
            .id(),
        )
}
