use axum::extract::State;
use vmapi_types::{AvailableLibrary, AvailableModule};
use vmcontrol::Control;

use crate::error::ApiError;
use crate::respond::Body;

pub(crate) async fn modules(State(control): State<Control>) -> Body<Vec<AvailableModule>> {
    Body(control.available_modules())
}

pub(crate) async fn libraries(
    State(control): State<Control>,
) -> Result<Body<Vec<AvailableLibrary>>, ApiError> {
    Ok(Body(control.available_libraries().await?))
}
