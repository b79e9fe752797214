//! Loading libraries, and refusing modules among them.
//!
//! A library is a script that defines globals. A `CommonJS` module that is run as a script either
//! fails at `module` or `exports`, which are not defined, or checks for them and does nothing. Many
//! files are both (UMD): without a loader they define a global. So what a file does to the global
//! scope decides, and not how it is written.

use std::sync::Arc;

use boa_engine::property::PropertyKey;
use boa_engine::{JsObject, JsValue, js_string};
use vmapi_types::Limits;
use vmcontrol::runtime::{RunMode, RunRequest};

use super::inspect::{OwnProperty, listed_keys, own_property};
use super::{Boa, Halt};
use crate::engine::source;
use crate::ipc::LoadError;

/// The global scope, as far as loading a library changes it: the names, their values, and how many
/// properties each value and its prototype have.
struct Footprint {
    /// Each property of the global object: its value (`None` for an accessor), and how many
    /// properties that has.
    globals: Vec<(PropertyKey, Option<JsValue>, usize)>,
    /// How many names scripts have declared.
    declared: usize,
}

impl PartialEq for Footprint {
    fn eq(&self, other: &Self) -> bool {
        let is_same = |one: &Option<JsValue>, other: &Option<JsValue>| match (one, other) {
            (Some(one), Some(other)) => JsValue::same_value(one, other),
            (one, other) => one.is_none() && other.is_none(),
        };
        self.declared == other.declared
            && self.globals.len() == other.globals.len()
            && self.globals.iter().zip(&other.globals).all(|(one, other)| {
                one.0 == other.0 && is_same(&one.1, &other.1) && one.2 == other.2
            })
    }
}

impl Boa {
    /// Runs a library.
    ///
    /// # Errors
    /// See [`Engine::load`](crate::engine::Engine::load).
    pub(super) fn load_library(&mut self, name: &str, source: &str) -> Result<(), LoadError> {
        if source::has_module_syntax(source) {
            return Err(no_script(name, "an ES module"));
        }
        let before = source::uses_common_js(source).then(|| self.footprint());
        let request = RunRequest {
            source: source.into(),
            name: format!("{name}.js"),
            mode: RunMode::Startup,
            limits: Limits::default(),
            charge: Arc::default(),
        };
        self.modules.begin(&request.name, &request.source);
        let loaded = match self.run(&request) {
            Ok(_)
                if before
                    .as_ref()
                    .is_some_and(|before| *before == self.footprint()) =>
            {
                Err(no_script(name, "a CommonJS module"))
            }
            Ok(_) => Ok(()),
            Err(Halt::Threw(error)) => {
                let message = self.report(error, &request).message;
                let lacks_loader = ["module", "exports"].iter().any(|word| {
                    message.starts_with(&format!("ReferenceError: {word} is not defined"))
                });
                // A file that has called `require` before it failed is no file for pages.
                let needs_loader = lacks_loader || before.is_some() && self.modules.has_required();
                Err(if needs_loader {
                    no_script(name, "a CommonJS module")
                } else {
                    LoadError::Failed(message)
                })
            }
            Err(Halt::Deadlock) => Err(LoadError::Failed(
                "it waits for something that can't happen any more".into(),
            )),
        };
        self.finish(loaded.is_err());
        loaded
    }

    /// The global scope as it is now.
    fn footprint(&mut self) -> Footprint {
        let global = self.context.global_object();
        let keys = listed_keys(&global);
        let globals = keys.into_iter().map(|key| {
            let value = match own_property(&global, &key, &mut self.context) {
                Some((OwnProperty::Value(value), _)) => Some(value),
                Some((OwnProperty::Accessor(_), _)) | None => None,
            };
            let object = value.as_ref().and_then(JsValue::as_object);
            let properties = object.map_or(0, |object| self.properties_of(&object));
            (key, value, properties)
        });
        let globals = globals.collect();
        Footprint {
            globals,
            declared: self.variables.len() + self.constants.len(),
        }
    }

    /// How many properties an object and its `prototype` have.
    fn properties_of(&mut self, object: &JsObject) -> usize {
        let key = PropertyKey::from(js_string!("prototype"));
        let prototype = match own_property(object, &key, &mut self.context) {
            Some((OwnProperty::Value(value), _)) => value.as_object(),
            _ => None,
        };
        listed_keys(object).len() + prototype.map_or(0, |object| listed_keys(&object).len())
    }
}

fn no_script(name: &str, what: &str) -> LoadError {
    LoadError::NoScript(format!(
        "it is {what} and defines no global, so that no script could reach it: if its package has a build for pages, take that \
         file with `vm-system libs download {name} --file PATH`"
    ))
}
