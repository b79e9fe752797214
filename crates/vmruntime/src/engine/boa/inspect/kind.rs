//! The kind of an object by its internal slots, whatever its prototype is.

use boa_engine::{
    Context, JsBigInt, JsObject, JsString, JsSymbol, JsValue,
    builtins::{
        array_buffer::{ArrayBuffer, SharedArrayBuffer},
        dataview::DataView,
        date::Date,
        error::Error,
        map::ordered_map::OrderedMap,
        object::OrdinaryObject,
        promise::Promise,
        regexp::RegExp,
        set::ordered_set::OrderedSet,
        typed_array::{TypedArray, TypedArrayKind},
    },
    module::ModuleNamespace,
    object::builtins::{JsWeakMap, JsWeakSet},
};

use super::{
    Inspector,
    properties::{self, Lookup},
};

/// The kinds that an inspection distinguishes.
pub(super) enum Kind {
    Arguments,
    Array,
    Boxed(JsValue),
    Buffer,
    SharedBuffer,
    Date,
    Error,
    Function,
    Map,
    /// The namespace of a module: `import * as`.
    Namespace,
    Plain,
    Promise,
    Proxy,
    RegExp,
    Set,
    TypedArray(TypedArrayKind),
    View,
    WeakMap,
    WeakSet,
}

impl Kind {
    pub(super) fn of(object: &JsObject, inspector: &Inspector, context: &mut Context) -> Self {
        if object.is::<OrdinaryObject>() {
            // Objects made without the constructor of an error are errors to Node as well.
            let error = context.intrinsics().constructors().error().prototype();
            if properties::inherits(object, &error) {
                Self::Error
            } else {
                Self::Plain
            }
        } else if properties::is_proxy(object) {
            Self::Proxy
        } else if object.is_array() {
            Self::Array
        } else if object.is_callable() {
            Self::Function
        } else if let Some(array) = object.downcast_ref::<TypedArray>() {
            Self::TypedArray(array.kind())
        } else if let Some(primitive) = boxed(object) {
            Self::Boxed(primitive)
        } else {
            Self::of_collection(object)
                .or_else(|| Self::of_data(object))
                .unwrap_or_else(|| Self::of_rest(object, inspector, context))
        }
    }

    fn of_collection(object: &JsObject) -> Option<Self> {
        if object.is::<OrderedMap<JsValue>>() {
            Some(Self::Map)
        } else if object.is::<OrderedSet>() {
            Some(Self::Set)
        } else if JsWeakMap::from_object(object.clone()).is_ok() {
            Some(Self::WeakMap)
        } else if JsWeakSet::from_object(object.clone()).is_ok() {
            Some(Self::WeakSet)
        } else {
            None
        }
    }

    fn of_data(object: &JsObject) -> Option<Self> {
        if object.is::<Error>() {
            Some(Self::Error)
        } else if object.is::<Date>() {
            Some(Self::Date)
        } else if object.is::<RegExp>() {
            Some(Self::RegExp)
        } else if object.is::<Promise>() {
            Some(Self::Promise)
        } else if object.is::<ArrayBuffer>() {
            Some(Self::Buffer)
        } else if object.is::<SharedArrayBuffer>() {
            Some(Self::SharedBuffer)
        } else if object.is::<DataView>() {
            Some(Self::View)
        } else if object.is::<ModuleNamespace>() {
            Some(Self::Namespace)
        } else {
            None
        }
    }

    /// Arguments objects have no type that is public, so the engine is asked for their name, in
    /// the one case where that runs no code of a script.
    fn of_rest(object: &JsObject, inspector: &Inspector, context: &mut Context) -> Self {
        let tag = properties::lookup(object, &JsSymbol::to_string_tag().into(), context);
        if !matches!(tag, Lookup::Absent) {
            return Self::Plain;
        }
        let text = inspector.intrinsics.object_text(object, context);
        if text.is_some_and(|text| text == "[object Arguments]") {
            Self::Arguments
        } else {
            Self::Plain
        }
    }

    /// The name of the built-in class.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Arguments | Self::Plain => "Object",
            Self::Array => "Array",
            Self::Boxed(primitive) => boxed_name(primitive),
            Self::Buffer => "ArrayBuffer",
            Self::SharedBuffer => "SharedArrayBuffer",
            Self::Date => "Date",
            Self::Error => "Error",
            Self::Function => "Function",
            Self::Map => "Map",
            Self::Namespace => "Module",
            Self::Promise => "Promise",
            Self::Proxy => "Proxy",
            Self::RegExp => "RegExp",
            Self::Set => "Set",
            Self::TypedArray(kind) => typed_array_name(*kind),
            Self::View => "DataView",
            Self::WeakMap => "WeakMap",
            Self::WeakSet => "WeakSet",
        }
    }
}

/// The primitive inside `Object(primitive)`.
pub(super) fn boxed(object: &JsObject) -> Option<JsValue> {
    if let Some(text) = object.downcast_ref::<JsString>() {
        return Some(text.clone().into());
    }
    if let Some(number) = object.downcast_ref::<f64>() {
        return Some(JsValue::from(*number));
    }
    if let Some(boolean) = object.downcast_ref::<bool>() {
        return Some(JsValue::from(*boolean));
    }
    if let Some(bigint) = object.downcast_ref::<JsBigInt>() {
        return Some(bigint.clone().into());
    }
    let symbol = object.downcast_ref::<JsSymbol>()?;
    Some(symbol.clone().into())
}

pub(super) fn boxed_name(primitive: &JsValue) -> &'static str {
    if primitive.is_string() {
        "String"
    } else if primitive.is_number() {
        "Number"
    } else if primitive.is_boolean() {
        "Boolean"
    } else if primitive.is_bigint() {
        "BigInt"
    } else {
        "Symbol"
    }
}

fn typed_array_name(kind: TypedArrayKind) -> &'static str {
    match kind {
        TypedArrayKind::Int8 => "Int8Array",
        TypedArrayKind::Uint8 => "Uint8Array",
        TypedArrayKind::Uint8Clamped => "Uint8ClampedArray",
        TypedArrayKind::Int16 => "Int16Array",
        TypedArrayKind::Uint16 => "Uint16Array",
        TypedArrayKind::Int32 => "Int32Array",
        TypedArrayKind::Uint32 => "Uint32Array",
        TypedArrayKind::BigInt64 => "BigInt64Array",
        TypedArrayKind::BigUint64 => "BigUint64Array",
        TypedArrayKind::Float16 => "Float16Array",
        TypedArrayKind::Float32 => "Float32Array",
        TypedArrayKind::Float64 => "Float64Array",
    }
}
