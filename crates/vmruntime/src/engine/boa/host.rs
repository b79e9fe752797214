//! What native functions know of the session that they run in, kept with the context.

use std::rc::Rc;
use std::time::Duration;

use boa_engine::{
    Context, JsError, JsNativeError, JsObject, JsResult, JsString, JsValue, js_string,
};
use serde_json::Value;
use serde_json::value::to_raw_value;

use super::HostLink;
use super::{nondeterminism, wire};
use crate::clock::{monotonic, since_epoch};
use crate::ipc::{HostError, SessionSetup};

/// The session as native functions know it.
pub(super) struct Host {
    pub(super) link: Rc<dyn HostLink>,
    /// The absolute path of the worktree.
    pub(super) folder: String,
    pub(super) template_id: String,
    /// The names of the native modules that the template gives.
    pub(super) allowed: Vec<String>,
    /// The native modules, by name.
    pub(super) modules: JsObject,
    started: Duration,
    started_at: Duration,
}

impl Host {
    pub(super) fn new(link: Rc<dyn HostLink>, modules: JsObject) -> Self {
        Self {
            link,
            folder: String::new(),
            template_id: String::new(),
            allowed: Vec::new(),
            modules,
            // What a library sees that is loaded before there is a session.
            started: monotonic(),
            started_at: since_epoch(),
        }
    }

    /// Takes over what a session may do.
    pub(super) fn set_up(&mut self, setup: &SessionSetup) {
        self.folder.clone_from(&setup.worktree);
        self.template_id.clone_from(&setup.template_id);
        self.allowed.clone_from(&setup.modules);
        self.started = setup.started;
        self.started_at = setup.started_at;
    }

    /// Milliseconds since the session started.
    pub(super) fn now_ms(&self) -> f64 {
        let now = Duration::from_nanos(nondeterminism::nanoseconds(&*self.link));
        now.saturating_sub(self.started).as_secs_f64() * 1000.0
    }

    /// When the session started, in milliseconds since 1970.
    pub(super) fn started_at_ms(&self) -> f64 {
        self.started_at.as_secs_f64() * 1000.0
    }
}

/// What the context keeps of the session.
pub(super) fn host(context: &Context) -> JsResult<&Host> {
    context.get_data::<Host>().ok_or_else(|| {
        JsNativeError::error()
            .with_message("there is no host to call")
            .into()
    })
}

/// Calls a function of a host module.
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

/// The same with JSON, and the body of its arguments; gives the answer's JSON and its bodies.
pub(super) fn call_json(
    module: &str,
    function: &str,
    args: &[Value],
    body: Vec<u8>,
    context: &mut Context,
) -> JsResult<(Value, Vec<Vec<u8>>)> {
    let args = to_raw_value(args).map_err(JsError::from_rust)?;
    let link = Rc::clone(&host(context)?.link);
    // What it gives takes room.
    link.collect_if_due(boa_gc::force_collect);
    match link.call(module, function, args, body) {
        Ok(answered) => {
            let json = serde_json::from_str(answered.json.get()).map_err(JsError::from_rust)?;
            Ok((json, answered.bodies))
        }
        Err(error) => Err(thrown(error, context)),
    }
}

/// The error to throw.
pub(super) fn thrown(error: HostError, context: &mut Context) -> JsError {
    let object = JsNativeError::error()
        .with_message(error.message)
        .into_opaque(context);
    let code = error
        .code
        .map(|code| ("code".to_owned(), Value::from(code)));
    for (name, value) in code.into_iter().chain(error.properties) {
        let set = wire::decode(&value, &[], context).and_then(|value| {
            object.create_data_property_or_throw(JsString::from(name.as_str()), value, context)
        });
        if let Err(error) = set {
            return error;
        }
    }
    JsError::from_opaque(object.into())
}

/// An error with a code and a place of its own instead of where the engine is: what Node says of a file that can't be
/// loaded is about that file.
pub(super) fn located(
    error: JsNativeError,
    code: Option<&str>,
    place: Option<&str>,
    context: &mut Context,
) -> JsError {
    let headline = format!("{}: {}", error.kind(), error.message());
    let object = error.into_opaque(context);
    let mut define = |name: JsString, value: JsString| {
        let property = boa_engine::property::PropertyDescriptor::builder()
            .value(value)
            .writable(true)
            .enumerable(false)
            .configurable(true);
        object.define_property_or_throw(name, property, context)
    };
    let mut defined = Ok(true);
    if let Some(place) = place {
        let stack = format!("{headline}\n    at {place}");
        defined = define(js_string!("stack"), JsString::from(stack));
    }
    if let (Ok(_), Some(code)) = (&defined, code) {
        defined =
            object.create_data_property_or_throw(js_string!("code"), JsString::from(code), context);
    }
    match defined {
        Ok(_) => JsError::from_opaque(object.into()),
        Err(error) => error,
    }
}
