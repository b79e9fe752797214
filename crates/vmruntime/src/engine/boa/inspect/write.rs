//! Writing one value: what `util.inspect` prints.

use boa_engine::{JsObject, JsValue, property::PropertyKey};

use super::{
    describe::{Body, Description},
    formatter::{ELIDED, Formatter},
    functions,
    kind::Kind,
    names::Names,
    properties::{self, Property, Slot},
};
use crate::engine::view::layout::{self, Columns, Pieces, Spot};
use crate::engine::view::text;

impl Formatter<'_> {
    /// Writes a value that is nested `depth` levels deep.
    pub(super) fn value(&mut self, value: &JsValue, depth: usize) -> String {
        if self.is_spent() {
            return ELIDED.to_owned();
        }
        let Some(object) = value.as_object() else {
            let text = self.primitive(value);
            return self.spend(text);
        };
        if self.seen.iter().any(|seen| JsObject::equals(seen, &object)) {
            let text = format!("[Circular *{}]", self.reference(&object));
            return self.spend(text);
        }
        self.object(&object, depth)
    }

    /// Writes a value two columns further to the right.
    pub(super) fn indented(&mut self, value: &JsValue, depth: usize) -> String {
        self.indentation += 2;
        let text = self.value(value, depth);
        self.indentation -= 2;
        text
    }

    fn reference(&mut self, object: &JsObject) -> usize {
        let known = self
            .circular
            .iter()
            .position(|known| JsObject::equals(known, object));
        1 + known.unwrap_or_else(|| {
            self.circular.push(object.clone());
            self.circular.len() - 1
        })
    }

    fn object(&mut self, object: &JsObject, depth: usize) -> String {
        let kind = Kind::of(object, self.inspector, self.context);
        let names = Names::of(object, &kind, self.options.show_hidden, self.context);
        let mut description = self.describe(object, &kind, &names);
        self.charge(description.keys.examined + description.base.len());
        if description.keys.list.is_empty()
            && let Some(alone) = description.alone
        {
            return self.spend(alone);
        }
        if self.is_too_deep(depth) {
            let regexp = matches!(kind, Kind::RegExp) && !names.constructor_is("Object");
            return self.spend(if regexp {
                description.base
            } else {
                names.placeholder()
            });
        }
        let extent = description.base.len() + description.open.len();
        self.spent += extent + 2 * self.indentation;
        self.seen.push(object.clone());
        self.current_depth = depth + 1;
        let entries = self.entries(object, &mut description, depth + 1);
        self.seen.pop();
        self.assemble(object, &description, entries, depth + 1)
    }

    fn entries(
        &mut self,
        object: &JsObject,
        description: &mut Description,
        depth: usize,
    ) -> Vec<String> {
        let mut entries = self.body(object, &description.body, depth);
        for key in &description.keys.list {
            if self.is_spent() {
                entries.push(ELIDED.to_owned());
                return entries;
            }
            if let Some(property) = properties::own(object, key, self.context) {
                entries.push(self.property(key, &property, depth));
            }
        }
        if description.keys.left_out > 0 {
            let plural = if description.keys.left_out > 1 {
                "ies"
            } else {
                "y"
            };
            let note = format!("... {} more propert{plural}", description.keys.left_out);
            entries.push(note);
        }
        entries
    }

    /// `key: value`
    fn property(&mut self, key: &PropertyKey, property: &Property, depth: usize) -> String {
        let value = self.slot(&property.slot, depth);
        let name = match key {
            PropertyKey::Symbol(symbol) => {
                format!("[{}]", text::escaped(symbol.descriptive_string().iter()))
            }
            PropertyKey::Index(index) => format!("'{}'", index.get()),
            PropertyKey::String(name) => {
                let plain = name.to_std_string_lossy();
                if plain == "__proto__" {
                    "['__proto__']".to_owned()
                } else if !property.enumerable {
                    format!("[{}]", text::escaped(name.iter()))
                } else if text::is_identifier(&plain) {
                    plain
                } else {
                    text::quoted(name.iter())
                }
            }
        };
        self.spent += name.len();
        format!("{name}: {value}")
    }

    /// What a property holds. An accessor is named and not called.
    pub(super) fn slot(&mut self, slot: &Slot, depth: usize) -> String {
        match slot {
            Slot::Value(value) => self.indented(value, depth),
            accessor => functions::accessor_label(accessor)
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn assemble(
        &mut self,
        object: &JsObject,
        description: &Description,
        entries: Vec<String>,
        depth: usize,
    ) -> String {
        let known = self
            .circular
            .iter()
            .position(|known| JsObject::equals(known, object));
        let reference = known.map(|index| format!("<ref *{}>", index + 1));
        let base = match (reference, description.base.as_str()) {
            (None, base) => base.to_owned(),
            (Some(reference), "") => reference,
            (Some(reference), base) => format!("{reference} {base}"),
        };
        let columns = description.is_list.then(|| Columns {
            numeric: self.is_numeric(object, &description.body, entries.len()),
            max_entries: self.options.max_array_length,
        });
        layout::assemble(
            Pieces {
                base: &base,
                open: &description.open,
                close: description.close,
                entries,
                columns,
            },
            Spot {
                indentation: self.indentation,
                break_length: self.options.break_length,
                levels_below: self.current_depth - depth,
            },
        )
    }

    /// Whether each of the first `count` elements is a number.
    fn is_numeric(&mut self, object: &JsObject, body: &Body, count: usize) -> bool {
        match body {
            Body::TypedArray(length) => count <= *length,
            Body::Array(_) => (0..count).all(|index| {
                let Ok(index) = u32::try_from(index) else {
                    return false;
                };
                let element = properties::own_data(object, index, self.context);
                element.is_some_and(|element| element.is_number() || element.is_bigint())
            }),
            _ => false,
        }
    }
}
