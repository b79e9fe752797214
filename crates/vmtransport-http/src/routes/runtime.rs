use axum::extract::State;
use vmapi_types::{Health, RuntimeSummary};
use vmcontrol::Control;

use crate::respond::Body;

pub(crate) async fn health() -> Body<Health> {
    Body(Health {
        status: "ok".into(),
    })
}

pub(crate) async fn summary(State(control): State<Control>) -> Body<RuntimeSummary> {
    Body(control.summary())
}
