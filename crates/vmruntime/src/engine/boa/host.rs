//! The session as native functions know it, kept with the context.

use std::rc::Rc;
use std::time::Duration;

use boa_engine::{Context, JsError, JsNativeError, JsObject, JsResult, JsValue};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::{errors, wire};
use crate::clock::{monotonic, since_epoch};
use crate::engine::{HostLink, ModuleScript, inputs};
use crate::ipc::SessionSetup;

/// The session as native functions know it.
pub(super) struct Host {
    pub(super) link: Rc<dyn HostLink>,
    /// The absolute path of the worktree.
    pub(super) folder: String,
    /// The id of the session's template, for the remedies that errors name.
    pub(super) template_id: String,
    /// The names of the host modules that the template gives.
    pub(super) allowed: Vec<String>,
    /// The host modules that the engine knows.
    pub(super) scripts: &'static [ModuleScript],
    /// What each specifier of a host module gives, by specifier.
    pub(super) modules: JsObject,
    /// When the session started, by the monotonic clock and since 1970.
    started: Duration,
    started_at: Duration,
}

impl Host {
    pub(super) fn new(
        link: Rc<dyn HostLink>,
        scripts: &'static [ModuleScript],
        modules: JsObject,
    ) -> Self {
        Self {
            link,
            folder: String::new(),
            template_id: String::new(),
            allowed: Vec::new(),
            scripts,
            modules,
            // Libraries are loaded before there is a session, and get the time of this process.
            started: monotonic(),
            started_at: since_epoch(),
        }
    }

    /// Takes what the policy of a session gives.
    pub(super) fn set_up(&mut self, setup: &SessionSetup) {
        self.folder.clone_from(&setup.worktree);
        self.template_id.clone_from(&setup.template_id);
        self.allowed.clone_from(&setup.modules);
        self.started = setup.started;
        self.started_at = setup.started_at;
    }

    /// Milliseconds since the session started.
    pub(super) fn now_ms(&self) -> f64 {
        let now = Duration::from_nanos(inputs::monotonic_nanoseconds(&*self.link));
        now.saturating_sub(self.started).as_secs_f64() * 1000.0
    }

    /// When the session started, in milliseconds since 1970.
    pub(super) fn started_at_ms(&self) -> f64 {
        self.started_at.as_secs_f64() * 1000.0
    }
}

/// The session of a context.
///
/// # Errors
/// While the engine is built, before there is one.
pub(super) fn host(context: &Context) -> JsResult<&Host> {
    context.get_data::<Host>().ok_or_else(|| {
        JsNativeError::error()
            .with_message("there is no host to call")
            .into()
    })
}

/// Calls a function of a host module with these arguments.
///
/// # Errors
/// The error of the module, and when an argument can't be sent.
pub(super) fn call(
    module: &str,
    function: &str,
    args: &[JsValue],
    context: &mut Context,
) -> JsResult<JsValue> {
    let mut body = Vec::new();
    let args = args
        .iter()
        .map(|arg| wire::encode(arg, &mut body, context))
        .collect::<JsResult<Vec<Value>>>()?;
    let (answer, bodies) = call_json(module, function, &args, body, context)?;
    wire::decode(&answer, &bodies, context)
}

/// As [`call`], with arguments in JSON and the body that they refer to; gives the JSON of the
/// answer and its bodies.
///
/// # Errors
/// The error of the module.
pub(super) fn call_json(
    module: &str,
    function: &str,
    args: &[Value],
    body: Vec<u8>,
    context: &mut Context,
) -> JsResult<(Value, Vec<Vec<u8>>)> {
    let args = to_raw_value(args).map_err(JsError::from_rust)?;
    let link = Rc::clone(&host(context)?.link);
    // The answer needs memory.
    link.collect_if_due(boa_gc::force_collect);
    match link.call(module, function, args, body) {
        Ok(answered) => {
            let json = serde_json::from_str(answered.json.get()).map_err(JsError::from_rust)?;
            Ok((json, answered.bodies))
        }
        Err(error) => Err(errors::of_host(error, context)),
    }
}
