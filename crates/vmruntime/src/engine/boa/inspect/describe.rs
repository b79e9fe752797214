//! Describing an object of each kind: its braces, the text before them, and its contents.

use boa_engine::{
    JsObject, JsValue,
    builtins::map::ordered_map::OrderedMap,
    builtins::promise::PromiseState,
    builtins::set::ordered_set::OrderedSet,
    object::builtins::{JsDate, JsPromise, JsTypedArray},
};

use super::{
    errors,
    formatter::Formatter,
    functions,
    kind::{self, Kind},
    names::Names,
    properties::{self, Keys, MAX_KEYS, Wanted},
};

/// The entries that are listed before the own properties.
pub(super) enum Body {
    Nothing,
    /// The length.
    Array(usize),
    Buffer,
    Map,
    Promise(PromiseState),
    Set,
    /// The length.
    TypedArray(usize),
    View,
    Weak,
    Namespace,
}

/// The parts of an object's text, before its entries are written.
pub(super) struct Description {
    /// The text before the opening brace.
    pub(super) base: String,
    pub(super) open: String,
    pub(super) close: &'static str,
    pub(super) body: Body,
    pub(super) keys: Keys,
    /// Whether short entries may be laid out in columns.
    pub(super) is_list: bool,
    /// The whole text if there is no key to list; `None` if the entries are still to be written.
    pub(super) alone: Option<String>,
}

impl Description {
    /// An object in braces that has a body.
    fn with_body(prefix: &str, body: Body, keys: Keys) -> Self {
        Self {
            base: String::new(),
            open: format!("{prefix}{{"),
            close: "}",
            body,
            keys,
            is_list: false,
            alone: None,
        }
    }

    /// A text that stands for the object, followed by braces only if it has properties.
    fn with_base(base: String, keys: Keys) -> Self {
        Self {
            alone: Some(base.clone()),
            base,
            ..Self::with_body("", Body::Nothing, keys)
        }
    }

    /// An object of which only the properties are shown.
    fn plain(prefix: &str, keys: Keys) -> Self {
        Self {
            alone: Some(format!("{prefix}{{}}")),
            ..Self::with_body(prefix, Body::Nothing, keys)
        }
    }

    fn list(prefix: &str, length: usize, body: Body, keys: Keys) -> Self {
        Self {
            open: format!("{prefix}["),
            close: "]",
            is_list: true,
            alone: (length == 0).then(|| format!("{prefix}[]")),
            ..Self::with_body("", body, keys)
        }
    }
}

impl Formatter<'_> {
    pub(super) fn describe(
        &mut self,
        object: &JsObject,
        kind: &Kind,
        names: &Names,
    ) -> Description {
        match kind {
            Kind::Array => self.describe_array(object, names),
            Kind::Set => {
                let size = object
                    .downcast_ref::<OrderedSet>()
                    .map_or(0, |set| set.len());
                self.describe_collection(object, names, "Set", size, Body::Set)
            }
            Kind::Map => {
                let map = object.downcast_ref::<OrderedMap<JsValue>>();
                let size = map.map_or(0, |map| map.len());
                self.describe_collection(object, names, "Map", size, Body::Map)
            }
            Kind::TypedArray(_) => self.describe_typed_array(object, names),
            Kind::Proxy => Description::plain("Proxy ", Keys::default()),
            Kind::Namespace => {
                let prefix = "[Module: null prototype] ";
                Description::with_body(prefix, Body::Namespace, Keys::default())
            }
            Kind::Function => {
                let base = functions::base(self, object, names);
                Description::with_base(base, self.keys(object, true))
            }
            _ if names.constructor_is("Object") => self.describe_plain(object, kind, names),
            _ => self.describe_instance(object, kind, names),
        }
    }

    pub(super) fn keys(&self, object: &JsObject, indices: bool) -> Keys {
        let wanted = Wanted {
            indices,
            hidden: self.options.show_hidden,
            symbols: true,
            limit: MAX_KEYS,
        };
        properties::own_keys(object, wanted)
    }

    fn describe_array(&mut self, object: &JsObject, names: &Names) -> Description {
        let length = properties::array_length(object, self.context);
        let prefix = if names.constructor_is("Array") && names.tag.is_empty() {
            String::new()
        } else {
            names.prefix("Array", &format!("({length})"))
        };
        let keys = self.keys(object, false);
        Description::list(&prefix, length, Body::Array(length), keys)
    }

    fn describe_typed_array(&mut self, object: &JsObject, names: &Names) -> Description {
        let length = JsTypedArray::from_object(object.clone())
            .and_then(|array| array.length(self.context))
            .unwrap_or(0);
        let prefix = names.prefix(names.builtin, &format!("({length})"));
        let keys = self.keys(object, false);
        Description::list(&prefix, length, Body::TypedArray(length), keys)
    }

    fn describe_collection(
        &mut self,
        object: &JsObject,
        names: &Names,
        fallback: &str,
        size: usize,
        body: Body,
    ) -> Description {
        let prefix = names.prefix(fallback, &format!("({size})"));
        let keys = self.keys(object, true);
        Description {
            alone: (size == 0).then(|| format!("{prefix}{{}}")),
            ..Description::with_body(&prefix, body, keys)
        }
    }

    fn describe_plain(&mut self, object: &JsObject, kind: &Kind, names: &Names) -> Description {
        let prefix = if matches!(kind, Kind::Arguments) {
            "[Arguments] ".to_owned()
        } else if names.tag.is_empty() {
            String::new()
        } else {
            names.prefix("Object", "")
        };
        Description::plain(&prefix, self.keys(object, true))
    }

    fn describe_instance(&mut self, object: &JsObject, kind: &Kind, names: &Names) -> Description {
        let body = match kind {
            Kind::RegExp => {
                let text = self.inspector.intrinsics.regexp_text(object, self.context);
                return self.describe_text(object, names, text);
            }
            Kind::Date => {
                let text = date_text(object, self);
                return self.describe_text(object, names, text);
            }
            Kind::Error => {
                let mut keys = self.keys(object, true);
                let base = errors::base(self, object, names, &mut keys.list);
                return Description::with_base(base, keys);
            }
            Kind::Boxed(primitive) => {
                let base = self.boxed_base(primitive, names);
                return Description::with_base(base, self.keys(object, !primitive.is_string()));
            }
            Kind::Buffer | Kind::SharedBuffer => Body::Buffer,
            Kind::View => Body::View,
            Kind::Promise => match JsPromise::from_object(object.clone()) {
                Ok(promise) => Body::Promise(promise.state()),
                Err(_) => Body::Nothing,
            },
            Kind::WeakMap | Kind::WeakSet => Body::Weak,
            _ => return Description::plain(&names.plain_prefix(), self.keys(object, true)),
        };
        let prefix = names.prefix(names.builtin, "");
        Description::with_body(&prefix, body, self.keys(object, true))
    }

    /// A text, with the name of the class before it unless that is the usual one.
    fn describe_text(&mut self, object: &JsObject, names: &Names, text: String) -> Description {
        let prefix = names.prefix(names.builtin, "");
        let usual = prefix.trim_end() == names.builtin;
        let base = if usual { text } else { prefix + &text };
        Description::with_base(base, self.keys(object, true))
    }

    /// `[Number: 3]`
    fn boxed_base(&self, primitive: &JsValue, names: &Names) -> String {
        let class = kind::boxed_name(primitive);
        let of = match &names.constructor {
            None => " (null prototype)".to_owned(),
            Some(constructor) if constructor != class => format!(" ({constructor})"),
            Some(_) => String::new(),
        };
        let text = self.primitive(primitive);
        let tag = if names.tag.is_empty() || names.constructor_is(&names.tag) {
            String::new()
        } else {
            format!(" [{}]", names.tag)
        };
        format!("[{class}{of}: {text}]{tag}")
    }
}

fn date_text(object: &JsObject, formatter: &mut Formatter<'_>) -> String {
    let context = &mut *formatter.context;
    let text = JsDate::from_object(object.clone()).and_then(|date| date.to_iso_string(context));
    text.ok().and_then(|text| text.as_string()).map_or_else(
        || "Invalid Date".to_owned(),
        |text| text.to_std_string_lossy(),
    )
}
