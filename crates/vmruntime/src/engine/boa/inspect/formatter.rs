//! Writes one value: what `util.inspect` prints.

use boa_engine::{Context, JsObject, JsString, JsValue, property::PropertyKey};

use super::{
    InspectOptions, Inspector,
    describe::{Body, Description},
    functions,
    kind::Kind,
    layout::{self, Columns, Pieces, Place},
    names::Names,
    properties::{self, Property, Slot},
    text,
};

/// Deepest nesting that is followed, whatever was asked for: each level takes native stack.
const MAX_DEPTH: usize = 100;

/// How much text one inspection may produce. What is left when it is used up is elided, so that an
/// object whose parts share parts cannot grow without limit.
const MAX_OUTPUT: usize = 1 << 20;

/// How much work counts as much as a byte of text.
const STEPS: usize = 8;

/// What an elided value is shown as.
const ELIDED: &str = "...";

/// Strings up to this length are never broken into lines.
const MIN_BROKEN: usize = 16;

/// One run of an inspection.
pub(super) struct Formatter<'a> {
    pub(super) inspector: &'a Inspector,
    pub(super) options: InspectOptions,
    pub(super) context: &'a mut Context,
    pub(super) indentation: usize,
    /// The objects that are being written, outermost first.
    seen: Vec<JsObject>,
    /// The objects to which a reference was written, in the order of their numbers.
    circular: Vec<JsObject>,
    /// The level of the object that was begun last.
    current_depth: usize,
    spent: usize,
}

impl<'a> Formatter<'a> {
    pub(super) fn new(
        inspector: &'a Inspector,
        options: &InspectOptions,
        context: &'a mut Context,
    ) -> Self {
        Self {
            inspector,
            options: options.clone(),
            context,
            indentation: 0,
            seen: Vec::new(),
            circular: Vec::new(),
            current_depth: 0,
            spent: 0,
        }
    }

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

    /// Counts a text that is about to be written, on a line of its own at worst.
    fn spend(&mut self, text: String) -> String {
        self.spent += text.len() + self.indentation;
        text
    }

    /// Counts work that leaves no text, so that it cannot be repeated without limit either.
    pub(super) fn charge(&mut self, steps: usize) {
        self.spent += steps / STEPS;
    }

    pub(super) fn is_spent(&self) -> bool {
        self.spent > MAX_OUTPUT
    }

    /// Whether an object at this level is named instead of listed.
    pub(super) fn is_too_deep(&self, depth: usize) -> bool {
        depth > self.options.depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH)
            || self.options.closed && depth == 0
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

    pub(super) fn primitive(&self, value: &JsValue) -> String {
        if let Some(string) = value.as_string() {
            return self.string(&string);
        }
        let mut text = text::primitive(value).unwrap_or_default();
        if value.is_bigint() {
            text.push('n');
        }
        text
    }

    fn string(&self, string: &JsString) -> String {
        let limit = self.options.max_string_length;
        let (shown, trailer) = match string.len().checked_sub(limit) {
            None | Some(0) => (string.clone(), String::new()),
            Some(rest) => {
                let plural = if rest > 1 { "s" } else { "" };
                let trailer = format!("... {rest} more character{plural}");
                (string.slice(0, limit), trailer)
            }
        };
        let room = self
            .options
            .break_length
            .saturating_sub(self.indentation + 4);
        if shown.len() <= MIN_BROKEN || shown.len() <= room {
            return text::quoted(&shown) + &trailer;
        }
        let units = shown.to_vec();
        let lines: Vec<String> = units
            .split_inclusive(|unit| *unit == u16::from(b'\n'))
            .map(|line| text::quoted(&JsString::from(line)))
            .collect();
        let glue = format!(" +\n{}", " ".repeat(self.indentation + 2));
        lines.join(&glue) + &trailer
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
                format!("[{}]", text::escaped(&symbol.descriptive_string()))
            }
            PropertyKey::Index(index) => format!("'{}'", index.get()),
            PropertyKey::String(name) => {
                let plain = name.to_std_string_lossy();
                if plain == "__proto__" {
                    "['__proto__']".to_owned()
                } else if !property.enumerable {
                    format!("[{}]", text::escaped(name))
                } else if text::is_identifier(&plain) {
                    plain
                } else {
                    text::quoted(name)
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
            Place {
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
