//! The OpenAPI document of the API.
//!
//! An [`Operation`] describes one method of one route and is declared together with its handler
//! (see [`operations`](crate::operations)): the router is made from these declarations, and so is
//! the document. The schemas of bodies come from the types of `vmapi_types`.

mod document;
mod errors;
mod operation;
mod schemas;

pub(crate) use document::serve;
pub(crate) use operation::{
    Operation, Parameter, Route, Tag, add_routes, delete, get, patch, post,
};

#[cfg(test)]
mod tests;
