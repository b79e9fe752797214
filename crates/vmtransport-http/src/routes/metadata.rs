//! The handlers of modules, libraries and ids.

use axum::extract::State;
use vmapi_types::{AvailableLibrary, AvailableModule, Identified};
use vmcontrol::Control;

use crate::error::ApiError;
use crate::extract::PathParams;
use crate::respond::Body;

pub(crate) async fn modules(State(control): State<Control>) -> Body<Vec<AvailableModule>> {
    Body(control.available_modules())
}

pub(crate) async fn libraries(
    State(control): State<Control>,
) -> Result<Body<Vec<AvailableLibrary>>, ApiError> {
    Ok(Body(control.available_libraries().await?))
}

/// Finds the ids that begin with a text.
pub(crate) async fn ids(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Vec<Identified>>, ApiError> {
    Ok(Body(control.ids_like(&path.text("prefix")).await?))
}
