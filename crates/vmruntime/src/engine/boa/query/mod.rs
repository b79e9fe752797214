//! Queries about the global scope. They run in a process that ends with the answer.

mod complete;
mod inspect;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use boa_engine::JsValue;
use vmapi_types::Limits;
use vmcontrol::runtime::{RunMode, RunRequest};

use super::{Boa, Halt, REPL};

impl Boa {
    /// Runs an expression as a snippet.
    fn value_of(&mut self, expression: &str) -> (RunRequest, Result<JsValue, Halt>) {
        let request = RunRequest {
            source: expression.into(),
            name: REPL.to_owned(),
            mode: RunMode::Repl,
            limits: Limits::default(),
            charge: Arc::default(),
        };
        self.modules.begin(&request.name, &request.source);
        let value = self.run(&request);
        (request, value)
    }
}
