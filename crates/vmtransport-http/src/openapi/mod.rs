//! The OpenAPI document of the API.
//!
//! It is made from the descriptions of the operations (see [`operation`](crate::operation)), from
//! which the router is made as well. The schemas of bodies come from the types of `vmapi_types`.

mod components;
mod document;
mod errors;
mod schemas;

pub(crate) use document::document;

#[cfg(test)]
mod tests;
