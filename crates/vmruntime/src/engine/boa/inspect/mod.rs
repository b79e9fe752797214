//! Values as text: what Node's `util.inspect` and `util.format` print, the name of a value's type,
//! its JSON, and the report of an exception.
//!
//! Nothing here runs code of a script unless its documentation says so. Accessors are named and not
//! called. A proxy is written as `Proxy {}`: the engine does not give its target, and every other
//! access to it would call a trap.

mod describe;
mod entries;
mod errors;
mod format;
mod formatter;
mod functions;
mod intrinsics;
mod json;
mod kind;
mod names;
mod properties;
mod stack;
mod table;
#[cfg(test)]
mod tests;
mod text;
mod write;

use boa_engine::{Context, Finalize, JsObject, JsResult, JsString, JsValue, Trace};

use formatter::Formatter;
use intrinsics::Intrinsics;
use kind::Kind;

use crate::engine::view::options::InspectOptions;
use crate::engine::view::text::cut;

pub(crate) use self::{
    errors::Thrown,
    json::Json,
    properties::{OwnProperty, listed_keys, own_property, parent},
    stack::Frame,
};

/// How long the name of a type may be, in bytes. A script can give a class any name.
const MAX_TYPE_BYTES: usize = 200;

/// Turns values into text. Made before any script runs, so that nothing a script overwrites
/// changes what it prints.
#[derive(Clone, Trace, Finalize)]
pub(crate) struct Inspector {
    intrinsics: Intrinsics,
}

impl Inspector {
    /// Takes what is needed from a context in which no script has run.
    pub(crate) fn new(context: &mut Context) -> JsResult<Self> {
        Ok(Self {
            intrinsics: Intrinsics::new(context)?,
        })
    }

    /// What `util.inspect(value)` gives.
    pub(crate) fn inspect(&self, value: &JsValue, context: &mut Context) -> String {
        self.inspect_with(value, &InspectOptions::default(), context)
    }

    /// What `util.inspect(value, options)` gives.
    pub(crate) fn inspect_with(
        &self,
        value: &JsValue,
        options: &InspectOptions,
        context: &mut Context,
    ) -> String {
        Formatter::new(self, options, context).value(value, 0)
    }

    /// The same, at most `max_bytes` long; tells whether anything was cut off.
    pub(crate) fn inspect_within(
        &self,
        value: &JsValue,
        options: &InspectOptions,
        max_bytes: usize,
        context: &mut Context,
    ) -> (String, bool) {
        cut(self.inspect_with(value, options, context), max_bytes)
    }

    /// What `util.format(...args)` gives. The specifiers `%s`, `%d`, `%i`, `%f` and `%j` convert
    /// their argument with the methods a script gave it, whose exceptions are passed on.
    pub(crate) fn format(&self, args: &[JsValue], context: &mut Context) -> JsResult<String> {
        format::format(self, args, context)
    }

    /// What kind of value it is: `undefined`, `null`, `boolean`, `number`, `bigint`, `string`,
    /// `symbol`, `function`, `object`, or the name of the class of an object that has one, of at
    /// most [`MAX_TYPE_BYTES`].
    pub(crate) fn type_name(&self, value: &JsValue, context: &mut Context) -> String {
        let Some(object) = value.as_object() else {
            let name = if value.is_null() {
                "null"
            } else {
                value.type_of()
            };
            return name.to_owned();
        };
        if object.is_callable() {
            return "function".to_owned();
        }
        let kind = Kind::of(&object, self, context);
        if matches!(kind, Kind::Proxy) {
            return "object".to_owned();
        }
        let class = names::class(&object, context).unwrap_or_else(|| kind.name().to_owned());
        if class == "Object" {
            return "object".to_owned();
        }
        match cut(class, MAX_TYPE_BYTES) {
            (start, true) => format!("{start}…"),
            (class, false) => class,
        }
    }

    /// A short text for a value: a string is itself, anything else is inspected. At most
    /// `max_bytes` long; tells whether anything was cut off.
    pub(crate) fn preview(
        &self,
        value: &JsValue,
        max_bytes: usize,
        context: &mut Context,
    ) -> (String, bool) {
        let Some(string) = value.as_string() else {
            return cut(self.inspect(value, context), max_bytes);
        };
        // A code unit takes at least one byte, so no more of them than bytes can be shown.
        let start = string.slice(0, string.len().min(max_bytes));
        let shortened = start.len() < string.len();
        let (text, cut) = cut(start.to_std_string_lossy(), max_bytes);
        (text, cut || shortened)
    }

    /// What `JSON.stringify(value)` gives, in at most `max_bytes`. Runs the `toJSON` methods of a
    /// script, and nothing else of it.
    #[expect(
        clippy::unused_self,
        reason = "the inspector is the interface of this module"
    )]
    pub(crate) fn json(&self, value: &JsValue, max_bytes: usize, context: &mut Context) -> Json {
        json::json(value, max_bytes, context)
    }

    /// What is reported of a value that was thrown.
    pub(crate) fn thrown(&self, value: &JsValue, context: &mut Context) -> Thrown {
        errors::thrown(self, value, context)
    }

    /// What `error.stack` is: the header and the frames.
    pub(crate) fn stack(&self, error: &JsObject, context: &mut Context) -> String {
        stack::ErrorParts::of(self, error, context).stack()
    }

    /// What `console.trace` prints under this heading. The call of `console.trace` is left out.
    pub(crate) fn trace(&self, heading: &str, context: &mut Context) -> String {
        let frames = stack::here(self, context);
        stack::lines(heading, frames.get(1..).unwrap_or_default())
    }

    /// What `console.table` draws; `None` for a value that has no rows. With `columns`, only the
    /// properties with these names are shown.
    pub(crate) fn table(
        &self,
        value: &JsValue,
        columns: Option<&[String]>,
        context: &mut Context,
    ) -> Option<String> {
        table::table(self, value, columns, context)
    }

    /// The value of a data property of an object, without running an accessor or a trap.
    #[expect(
        clippy::unused_self,
        reason = "the inspector is the interface of this module"
    )]
    pub(crate) fn data_property(
        &self,
        value: &JsValue,
        name: &str,
        context: &mut Context,
    ) -> Option<JsValue> {
        properties::data(&value.as_object()?, JsString::from(name), context)
    }

    /// The elements of an array that are strings or other primitives, as strings; `None` if the
    /// value is not an array.
    #[expect(
        clippy::unused_self,
        reason = "the inspector is the interface of this module"
    )]
    pub(crate) fn names_in(&self, value: &JsValue, context: &mut Context) -> Option<Vec<String>> {
        let array = value.as_object().filter(|object| object.is_array())?;
        let names = properties::index_keys(&array, properties::MAX_KEYS).into_iter();
        let names = names.filter_map(|index| properties::own_data(&array, index, context));
        Some(names.filter_map(|name| text::primitive(&name)).collect())
    }
}
