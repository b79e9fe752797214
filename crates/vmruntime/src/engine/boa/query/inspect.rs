//! Inspecting an expression: its value as a tree and as text.

use boa_engine::property::PropertyKey;
use boa_engine::{JsObject, JsValue};
use serde_json::json;
use vmapi_types::{Inspection, PropertyView, ValueView};

use super::super::Halt;
use super::super::inspect::{OwnProperty, listed_keys, own_property};
use super::Boa;
use crate::engine::view::options::InspectOptions;
use crate::engine::view::payload::raw;
use crate::engine::view::text::shortened;

/// How many levels the tree has.
const MAX_DEPTH: usize = 5;

/// How many levels the text lists.
const MAX_TEXT_DEPTH: usize = 10;

/// How many values the tree has at most.
const MAX_VALUES: usize = 2000;

/// How many properties of one object are listed.
const MAX_PROPERTIES: usize = 200;

/// The longest text, in bytes.
const MAX_TEXT_BYTES: usize = 256 * 1024;

/// The longest name in the tree, in characters.
const MAX_NAME_CHARS: usize = 200;

/// The longest preview in the tree, in bytes.
const MAX_PREVIEW_BYTES: usize = 200;

impl Boa {
    /// The value of an expression as a tree and as text.
    pub(in super::super) fn inspect(&mut self, expression: &str) -> Inspection {
        let (request, value) = self.value_of(expression);
        let error = match value {
            Ok(value) => {
                let options = InspectOptions {
                    depth: Some(MAX_TEXT_DEPTH),
                    ..InspectOptions::default()
                };
                let (text, truncated) = self.inspector.inspect_within(
                    &value,
                    &options,
                    MAX_TEXT_BYTES,
                    &mut self.context,
                );
                let mut left = MAX_VALUES;
                return Inspection {
                    value: Some(self.view(&value, &mut Vec::new(), &mut left)),
                    text: Some(text),
                    truncated,
                    error: None,
                };
            }
            Err(Halt::Threw(error)) => raw(&self.report(error, &request)),
            Err(Halt::Deadlock) => raw(&json!({
                "message": "the expression waits for something that can't happen any more",
                "code": "DEADLOCK",
            })),
        };
        Inspection {
            error: Some(error),
            ..Inspection::default()
        }
    }

    /// A value with its properties, of which at most `left` are listed in all. The properties of an
    /// object in `within` are not listed again.
    fn view(&mut self, value: &JsValue, within: &mut Vec<JsObject>, left: &mut usize) -> ValueView {
        let context = &mut self.context;
        let mut view = ValueView {
            r#type: self.inspector.type_name(value, context),
            preview: self.inspector.preview(value, MAX_PREVIEW_BYTES, context).0,
            ..ValueView::default()
        };
        let Some(object) = value.as_object() else {
            return view;
        };
        let is_known = within.iter().any(|outer| JsObject::equals(outer, &object));
        if is_known {
            return view;
        }
        let keys = listed_keys(&object);
        let room = if within.len() < MAX_DEPTH {
            MAX_PROPERTIES.min(*left)
        } else {
            0
        };
        view.properties_left_out = keys.len().saturating_sub(room);
        *left -= keys.len().min(room);
        within.push(object.clone());
        for key in keys.into_iter().take(room) {
            let Some((property, enumerable)) = own_property(&object, &key, &mut self.context)
            else {
                continue;
            };
            let (accessor, value) = match property {
                OwnProperty::Value(value) => (None, Some(self.view(&value, within, left))),
                OwnProperty::Accessor(sides) => (Some(sides.to_owned()), None),
            };
            view.properties.push(PropertyView {
                name: name_of(&key),
                enumerable,
                accessor,
                value,
            });
        }
        within.pop();
        view
    }
}

/// The name of a property, shortened.
fn name_of(key: &PropertyKey) -> String {
    let name = match key {
        PropertyKey::String(name) => name.to_std_string_lossy(),
        PropertyKey::Index(index) => index.get().to_string(),
        PropertyKey::Symbol(symbol) => {
            let description = symbol.description();
            let description =
                description.map_or_else(String::new, |text| text.to_std_string_lossy());
            format!("Symbol({description})")
        }
    };
    shortened(name, MAX_NAME_CHARS)
}
