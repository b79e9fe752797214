//! Loading libraries, and telling those that sessions can use from modules.
//!
//! A library is a script: what it defines are globals. A `CommonJS` module run as a script either fails at `module` or `exports`,
//! which are not there, or finds that out and does nothing. Many files are both (UMD): without a loader they define a global. So
//! what counts is what a file does to the global scope, and not how it is written.

use std::sync::Arc;

use boa_engine::property::PropertyKey;
use boa_engine::{JsObject, JsValue, js_string};
use vmapi_types::Limits;
use vmcontrol::runtime::{RunMode, RunRequest};

use super::inspect::{OwnProperty, listed_keys, own_property};
use super::{Boa, Halt};
use crate::engine::source;
use crate::ipc::LoadError;

/// What is in the global scope, as far as a library shows there: a name that is new or means something else, and a global with
/// other properties, itself or in its prototype.
struct Footprint {
    globals: Vec<(PropertyKey, Option<JsValue>, usize)>,
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
                // What has asked for other files before it failed is not for pages.
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
