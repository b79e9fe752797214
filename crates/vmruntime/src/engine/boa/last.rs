//! `_` and `_error`: the value of the last snippet, and the last exception of one.
//!
//! Only snippets see these names, while one runs, and once they have a value. Files, startup files
//! and modules share the global object with snippets, also within one execution, and must not see
//! them, neither by `typeof` nor by `"_" in globalThis`. So the names are no properties of the
//! global object. They are on its prototype chain, in a proxy that answers by the code that asks.
//! If a library or a script defines a global of such a name, all code sees that one.

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

/// Both names, with their values.
pub(super) struct Last {
    /// An object on the prototype chain of the global object, with an accessor for each name that
    /// has a value.
    scope: JsObject,
    viewer: Viewer,
    /// The names that the template removes.
    removed: Vec<String>,
}

/// The values of the names, and which code sees them now.
#[derive(Clone, Trace, Finalize)]
struct Viewer {
    /// Whether a snippet is being run.
    #[unsafe_ignore_trace]
    is_snippet: Rc<Cell<bool>>,
    values: JsObject,
    scope: JsObject,
}

impl Viewer {
    /// Whether the active code is that of a snippet, and a snippet is being run.
    fn sees(&self, context: &Context) -> bool {
        self.is_snippet.get()
            && context.get_active_script_or_module().is_some_and(|active| {
                let asks = Referrer::from(active);
                let is_script = matches!(asks, Referrer::Script(_));
                let path = asks.path().filter(|_| is_script);
                path.is_some_and(|path| source::untagged(&path.to_string_lossy()) == REPL)
            })
    }

    /// Whether the proxy has a property, for the active code.
    fn has(&self, key: PropertyKey, context: &mut Context) -> JsResult<bool> {
        let is_own = self.scope.borrow().properties().contains_key(&key);
        if is_own && !self.sees(context) {
            return Ok(false);
        }
        self.scope.has_property(key, context)
    }
}

impl Last {
    /// Puts the object of both names on the prototype chain of the global object. Neither has a
    /// value yet.
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
        // The language never uses the prototype slot of a proxy. Inspection tells by it that this
        // proxy is no script's, and finds the object behind it.
        guard.set_prototype(Some(scope.clone()));
        context.global_object().set_prototype(Some(guard));
        Ok(Self {
            scope,
            viewer,
            removed: Vec::new(),
        })
    }

    /// Notes that a run begins, of a snippet or of something else.
    pub(super) fn begin(&self, is_snippet: bool) {
        self.viewer.is_snippet.set(is_snippet);
    }

    /// Removes a name for good, if it is one of the two.
    pub(super) fn remove(&mut self, name: &str) {
        if [VALUE, ERROR].contains(&name) {
            self.removed.push(name.to_owned());
        }
    }

    /// The object whose properties are the names that have a value.
    pub(super) fn scope(&self) -> &JsObject {
        &self.scope
    }

    /// Sets the value of `_`.
    pub(super) fn set_value(&self, value: JsValue, context: &mut Context) {
        self.set(VALUE, value, context);
    }

    /// Sets the value of `_error`.
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
        // Both objects are ordinary ones. It fails only if a script has got hold of the scope and
        // frozen it.
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
        // An assignment to the name makes a global, as any other assignment does.
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
