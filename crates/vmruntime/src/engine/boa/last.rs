//! `_` and `_error`: what the last snippets ended with.
//!
//! They are there for snippets alone, while one runs, and once there is something that they stand for. Files, startup files and
//! modules share the global object with snippets, also within one execution, and must not see them: not by `typeof`, and not by
//! `"_" in globalThis` either. So they are no properties of the global object. They lie behind it, in an object on its prototype
//! chain that says what it has depending on whose code asks. A library or a script that defines a global of such a name hides
//! what lies behind, and everybody sees that one.

use std::cell::Cell;
use std::rc::Rc;

use boa_engine::gc::{Finalize, Trace};
use boa_engine::module::Referrer;
use boa_engine::object::JsObject;
use boa_engine::property::{PropertyDescriptor, PropertyKey};
use boa_engine::{Context, JsArgs, JsResult, JsString, JsValue, NativeFunction, js_string};

use super::REPL;
use crate::engine::source;

/// The name of the last value.
const VALUE: &str = "_";

/// The name of the last exception.
const ERROR: &str = "_error";

/// Both names, with what they stand for.
pub(super) struct Last {
    /// Lies behind the global object, and has an accessor for each name that stands for something.
    scope: JsObject,
    viewer: Viewer,
    /// The names that the template takes away.
    removed: Vec<String>,
}

/// Who may see the names now, and what they stand for.
#[derive(Clone, Trace, Finalize)]
struct Viewer {
    /// Whether what runs is a snippet.
    #[unsafe_ignore_trace]
    is_snippet: Rc<Cell<bool>>,
    values: JsObject,
    scope: JsObject,
}

impl Viewer {
    /// Whether the code that asks is a snippet's, and one runs.
    fn sees(&self, context: &Context) -> bool {
        self.is_snippet.get()
            && context.get_active_script_or_module().is_some_and(|active| {
                let asks = Referrer::from(active);
                let is_script = matches!(asks, Referrer::Script(_));
                let path = asks.path().filter(|_| is_script);
                path.is_some_and(|path| source::untagged(&path.to_string_lossy()) == REPL)
            })
    }

    /// What a question for a property behind the global object comes to.
    fn has(&self, key: PropertyKey, context: &mut Context) -> JsResult<bool> {
        let is_own = self.scope.borrow().properties().contains_key(&key);
        if is_own && !self.sees(context) {
            return Ok(false);
        }
        self.scope.has_property(key, context)
    }
}

impl Last {
    /// Puts the object for both names behind the global object. Neither stands for anything yet.
    pub(super) fn define(context: &mut Context) -> JsResult<Self> {
        let scope = JsObject::with_object_proto(context.intrinsics());
        let viewer = Viewer {
            is_snippet: Rc::default(),
            values: JsObject::with_null_proto(),
            scope: scope.clone(),
        };
        let has = NativeFunction::from_copy_closure_with_captures(
            |_, args, viewer: &Viewer, context| {
                let key = args.get_or_undefined(1).to_property_key(context)?;
                viewer.has(key, context).map(JsValue::from)
            },
            viewer.clone(),
        );
        let handler = JsObject::with_null_proto();
        let has = has.to_js_function(context.realm());
        handler.create_data_property_or_throw(js_string!("has"), has, context)?;
        let proxy = context.intrinsics().constructors().proxy().constructor();
        let guard = proxy.construct(&[scope.clone().into(), handler.into()], None, context)?;
        // Nothing that the language says of a proxy depends on this; it is how inspection sees that this one is no script's, and
        // what lies behind it.
        guard.set_prototype(Some(scope.clone()));
        context.global_object().set_prototype(Some(guard));
        Ok(Self {
            scope,
            viewer,
            removed: Vec::new(),
        })
    }

    /// A run begins, of a snippet or of something else.
    pub(super) fn begin(&self, is_snippet: bool) {
        self.viewer.is_snippet.set(is_snippet);
    }

    /// Takes a name away for good, if it is one of these.
    pub(super) fn remove(&mut self, name: &str) {
        if [VALUE, ERROR].contains(&name) {
            self.removed.push(name.to_owned());
        }
    }

    /// The object whose properties are the names that stand for something.
    pub(super) fn scope(&self) -> &JsObject {
        &self.scope
    }

    /// Notes a value.
    pub(super) fn set_value(&self, value: JsValue, context: &mut Context) {
        self.set(VALUE, value, context);
    }

    /// Notes an exception.
    pub(super) fn set_error(&self, value: JsValue, context: &mut Context) {
        self.set(ERROR, value, context);
    }

    fn set(&self, name: &str, value: JsValue, context: &mut Context) {
        if self.removed.iter().any(|removed| removed == name) {
            return;
        }
        let key = JsString::from(name);
        let values = &self.viewer.values;
        let defined = values
            .create_data_property_or_throw(key.clone(), value, context)
            .and_then(|_| self.define_accessor(key, context));
        // Both are ordinary objects. A script that reaches for the second one and freezes it keeps things as they were.
        drop(defined);
    }

    fn define_accessor(&self, key: JsString, context: &mut Context) -> JsResult<()> {
        if self
            .scope
            .borrow()
            .properties()
            .contains_key(&key.clone().into())
        {
            return Ok(());
        }
        let captures = (self.viewer.clone(), key.clone());
        let getter = NativeFunction::from_copy_closure_with_captures(
            |_, _, (viewer, key): &(Viewer, JsString), context| {
                if viewer.sees(context) {
                    viewer.values.get(key.clone(), context)
                } else {
                    Ok(JsValue::undefined())
                }
            },
            captures,
        );
        // Whoever assigns to the name has a global of that name from then on, as from any other assignment.
        let setter = NativeFunction::from_copy_closure_with_captures(
            |this, args, key: &JsString, context| {
                let value = args.get_or_undefined(0).clone();
                let object = this.to_object(context)?;
                object.create_data_property_or_throw(key.clone(), value, context)?;
                Ok(JsValue::undefined())
            },
            key.clone(),
        );
        let property = PropertyDescriptor::builder()
            .get(getter.to_js_function(context.realm()))
            .set(setter.to_js_function(context.realm()))
            .enumerable(false)
            .configurable(true);
        self.scope
            .define_property_or_throw(key, property, context)
            .map(drop)
    }
}
