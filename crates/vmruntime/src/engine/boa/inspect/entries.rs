//! The entries of containers, which are listed before own properties: elements, pairs, bytes,
//! results.

use boa_engine::{
    JsObject, JsValue,
    builtins::{
        array_buffer::ArrayBuffer, map::ordered_map::OrderedMap, promise::PromiseState,
        set::ordered_set::OrderedSet,
    },
    object::builtins::{JsDataView, JsSharedArrayBuffer},
    property::PropertyKey,
};

use super::{describe::Body, formatter::Formatter, properties};
use crate::engine::view::text::{self, holes, more};

impl Formatter<'_> {
    /// The entries of an object's body.
    pub(super) fn body(&mut self, object: &JsObject, body: &Body, depth: usize) -> Vec<String> {
        match body {
            Body::Nothing => Vec::new(),
            Body::Array(length) => self.elements(object, *length, depth),
            Body::TypedArray(length) => self.typed_elements(object, *length),
            Body::Set => self.set_entries(object, depth),
            Body::Map => self.map_entries(object, depth),
            Body::Buffer => self.buffer(object),
            Body::View => self.view(object, depth),
            Body::Namespace => self.exports(object, depth),
            Body::Weak => vec!["<items unknown>".to_owned()],
            Body::Promise(state) => vec![self.promise(state, depth)],
        }
    }

    /// The elements of an array, with its holes counted.
    fn elements(&mut self, object: &JsObject, length: usize, depth: usize) -> Vec<String> {
        let limit = self.options.max_array_length.min(length);
        self.charge(properties::element_cost(object));
        let mut entries = Vec::new();
        let mut next = 0;
        for index in properties::index_keys(object, limit) {
            if entries.len() == limit || self.is_spent() {
                break;
            }
            let position = index as usize;
            if position > next {
                entries.push(holes(position - next));
                next = position;
                if entries.len() == limit {
                    break;
                }
            }
            if let Some(property) = properties::own(object, &index.into(), self.context) {
                entries.push(self.slot(&property.slot, depth));
            }
            next += 1;
        }
        let rest = length.saturating_sub(next);
        if rest > 0 {
            let full = entries.len() == limit || self.is_spent();
            entries.push(if full {
                more(rest, "item")
            } else {
                holes(rest)
            });
        }
        entries
    }

    /// The exports of a module. Reading a namespace runs no code of a script.
    fn exports(&mut self, object: &JsObject, depth: usize) -> Vec<String> {
        let keys = object.own_property_keys(self.context).unwrap_or_default();
        let names = keys.into_iter().filter_map(|key| match key {
            PropertyKey::String(name) => Some(name),
            _ => None,
        });
        let names: Vec<_> = names.take(properties::MAX_KEYS).collect();
        names
            .into_iter()
            .map(|name| {
                let value = match object.get(name.clone(), self.context) {
                    Ok(value) => self.indented(&value, depth),
                    Err(_) => "<uninitialized>".to_owned(),
                };
                let text = name.to_std_string_lossy();
                if text::is_identifier(&text) {
                    format!("{text}: {value}")
                } else {
                    format!("{}: {value}", text::quoted(name.iter()))
                }
            })
            .collect()
    }

    fn typed_elements(&mut self, object: &JsObject, length: usize) -> Vec<String> {
        let limit = self.options.max_array_length.min(length);
        let mut entries: Vec<String> = (0..limit)
            .map(|index| {
                // Reading an element of a typed array runs no code of a script.
                let element = u32::try_from(index)
                    .ok()
                    .and_then(|index| object.get(index, self.context).ok());
                self.primitive(&element.unwrap_or_default())
            })
            .collect();
        if length > limit {
            entries.push(more(length - limit, "item"));
        }
        entries
    }

    fn set_entries(&mut self, object: &JsObject, depth: usize) -> Vec<String> {
        // The set is not borrowed while its elements are written.
        let (shown, size): (Vec<JsValue>, usize) = match object.downcast_ref::<OrderedSet>() {
            Some(set) => {
                let limit = self.options.max_array_length;
                (set.iter().take(limit).cloned().collect(), set.len())
            }
            None => return Vec::new(),
        };
        let mut entries: Vec<String> = shown
            .iter()
            .map(|element| self.indented(element, depth))
            .collect();
        if size > shown.len() {
            entries.push(more(size - shown.len(), "item"));
        }
        entries
    }

    fn map_entries(&mut self, object: &JsObject, depth: usize) -> Vec<String> {
        let (shown, size) = match object.downcast_ref::<OrderedMap<JsValue>>() {
            Some(map) => {
                let limit = self.options.max_array_length;
                let pairs = map.iter().take(limit);
                let pairs = pairs.map(|(key, value)| (key.clone(), value.clone()));
                (pairs.collect::<Vec<_>>(), map.len())
            }
            None => return Vec::new(),
        };
        let mut entries: Vec<String> = shown
            .iter()
            .map(|(key, value)| {
                let key = self.indented(key, depth);
                format!("{key} => {}", self.indented(value, depth))
            })
            .collect();
        if size > shown.len() {
            entries.push(more(size - shown.len(), "item"));
        }
        entries
    }

    /// The bytes and the length of a buffer.
    fn buffer(&mut self, object: &JsObject) -> Vec<String> {
        let limit = self.options.max_array_length;
        let Some((bytes, length)) = first_bytes(object, limit) else {
            return vec!["(detached)".to_owned(), "byteLength: 0".to_owned()];
        };
        let mut contents = bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<Vec<_>>()
            .join(" ");
        if length > limit {
            contents.push(' ');
            contents.push_str(&more(length - limit, "byte"));
        }
        vec![
            format!("[Uint8Contents]: <{contents}>"),
            format!("byteLength: {length}"),
        ]
    }

    fn view(&mut self, object: &JsObject, depth: usize) -> Vec<String> {
        let Ok(view) = JsDataView::from_object(object.clone()) else {
            return Vec::new();
        };
        let length = view.byte_length(self.context).unwrap_or(0);
        let offset = view.byte_offset(self.context).unwrap_or(0);
        let buffer = view.buffer(self.context).unwrap_or_default();
        vec![
            format!("byteLength: {length}"),
            format!("byteOffset: {offset}"),
            format!("buffer: {}", self.indented(&buffer, depth)),
        ]
    }

    fn promise(&mut self, state: &PromiseState, depth: usize) -> String {
        match state {
            PromiseState::Pending => "<pending>".to_owned(),
            PromiseState::Fulfilled(value) => self.indented(value, depth),
            PromiseState::Rejected(reason) => {
                format!("<rejected> {}", self.indented(reason, depth))
            }
        }
    }
}

/// At most `limit` bytes from the start of a buffer, and its length; `None` if it is detached.
fn first_bytes(object: &JsObject, limit: usize) -> Option<(Vec<u8>, usize)> {
    if let Some(buffer) = object.downcast_ref::<ArrayBuffer>() {
        let data = buffer.data()?;
        return Some((data.iter().take(limit).copied().collect(), data.len()));
    }
    let shared = JsSharedArrayBuffer::from_object(object.clone()).ok()?;
    let length = shared.byte_length();
    let mut bytes = shared.to_vec();
    bytes.truncate(limit);
    Some((bytes, length))
}
