//! The operations of the API, by resource: each with its path, its description and its handler. The
//! router and the OpenAPI document are made from them, in this order.

mod execution;
mod runtime;
mod session;
mod template;

use axum::handler::Handler;
use vmcontrol::Control;

use crate::operation::{Operation, Parameter, Route};

/// Every operation. `openapi` answers with the OpenAPI document, which is made from this list.
pub(crate) fn all<H, T>(openapi: H) -> Vec<Route>
where
    H: Handler<T, Control>,
    T: 'static,
{
    [
        runtime::service(openapi),
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

/// Adds the parameters of an operation that lists records, newest first, in portions.
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
