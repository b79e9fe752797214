//! The handlers of the daemon itself: health, version, summary, sandbox.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use vmapi_types::{Health, RuntimeSummary, Sandbox, Version};
use vmcontrol::Control;

use crate::error::ApiError;
use crate::respond::Body;

pub(crate) async fn health() -> Body<Health> {
    Body(Health {
        status: "ok".into(),
    })
}

pub(crate) async fn version(Extension(version): Extension<Arc<Version>>) -> Body<Arc<Version>> {
    Body(version)
}

pub(crate) async fn summary(State(control): State<Control>) -> Body<RuntimeSummary> {
    Body(control.summary())
}

pub(crate) async fn sandbox(State(control): State<Control>) -> Result<Body<Sandbox>, ApiError> {
    Ok(Body(control.sandbox().await?))
}
