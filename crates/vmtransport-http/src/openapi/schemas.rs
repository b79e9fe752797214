//! Schemas of the API's types.
//!
//! A type has one schema for answers, in which every field that is always there is required, and
//! another for requests. Types of requests and types of answers have different names, so that one
//! list of components holds both.

use schemars::generate::{Contract, SchemaSettings};
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::operation::SchemaOf;

/// Where the schemas stand in the document.
const COMPONENTS: &str = "/components/schemas";

/// Makes the schemas of a document.
pub(super) struct Schemas {
    requests: SchemaGenerator,
    answers: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        Self {
            requests: settings(Contract::Deserialize).into_generator(),
            answers: settings(Contract::Serialize).into_generator(),
        }
    }

    /// The schema of a type in a request.
    pub(super) fn of_request(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.requests).to_value()
    }

    /// The schema of a type in an answer.
    pub(super) fn of_answer(&mut self, schema: SchemaOf) -> Value {
        schema(&mut self.answers).to_value()
    }

    /// The named schemas that the others refer to.
    ///
    /// # Panics
    /// If a type of requests and a type of answers have one name and differ. A test makes the
    /// document, so that this does not happen in a daemon.
    pub(super) fn into_components(mut self) -> Map<String, Value> {
        let mut all = self.answers.take_definitions(true);
        for (name, schema) in self.requests.take_definitions(true) {
            let other = all.insert(name.clone(), schema.clone());
            assert!(
                other.is_none_or(|other| other == schema),
                "{name} differs between requests and answers: give it two types"
            );
        }
        all
    }
}

fn settings(contract: Contract) -> SchemaSettings {
    SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = COMPONENTS.into();
        settings.meta_schema = None;
        let is_answer = contract == Contract::Serialize;
        settings.contract = contract;
        if is_answer {
            settings.transforms.push(Box::new(NeverNull));
        }
        settings.transforms.push(Box::new(Readable));
    })
}

/// Removes `null` and the default from each optional field of an answer: such a field is absent if
/// it has no value.
#[derive(Clone, Debug)]
struct NeverNull;

impl Transform for NeverNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let required = schema.get("required").cloned().unwrap_or_default();
        let is_required = |name: &str| {
            let required = required.as_array();
            required.is_some_and(|names| names.iter().any(|other| other == name))
        };
        let Some(Value::Object(properties)) = schema.get_mut("properties") else {
            return;
        };
        for (name, property) in properties {
            if let Value::Object(property) = property {
                property.remove("default");
                if !is_required(name) {
                    remove_null(property);
                }
            }
        }
    }
}

fn remove_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = &types[..] {
            schema["type"] = only.clone();
        }
    }
    if let Some(Value::Array(variants)) = schema.get_mut("anyOf") {
        variants.retain(|variant| *variant != json!({"type": "null"}));
        if let [Value::Object(only)] = &mut variants[..] {
            let only = std::mem::take(only);
            schema.remove("anyOf");
            schema.extend(only);
        }
    }
}

/// Writes enumerations as one list, descriptions as Markdown, formats by their registered names.
#[derive(Clone, Debug)]
struct Readable;

impl Transform for Readable {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(schema) = schema.as_object_mut() else {
            return;
        };
        if let Some(Value::String(description)) = schema.get_mut("description") {
            *description = paragraphs(description);
        }
        if schema.get("format").is_some_and(|format| format == "uint") {
            schema.insert("format".into(), "uint64".into());
        }
        list_variants(schema);
    }
}

/// A doc comment with each paragraph on one line, and without the brackets of links to items.
fn paragraphs(comment: &str) -> String {
    let lines: Vec<String> = comment
        .split("\n\n")
        .map(|paragraph| paragraph.replace('\n', " "))
        .collect();
    lines.join("\n\n").replace("[`", "`").replace("`]", "`")
}

/// Turns a choice of texts into an `enum`, with the meaning of each text in the description.
fn list_variants(schema: &mut Map<String, Value>) {
    let Some(Value::Array(variants)) = schema.get("oneOf") else {
        return;
    };
    let texts: Option<Vec<Value>> = variants
        .iter()
        .map(|variant| variant.get("const").cloned())
        .collect();
    let Some(texts) = texts else { return };
    let mut description = match schema.get("description") {
        Some(Value::String(description)) => format!("{description}\n"),
        _ => String::new(),
    };
    for (text, variant) in texts.iter().zip(variants) {
        let (text, meaning) = (text.as_str(), variant["description"].as_str());
        if let (Some(text), Some(meaning)) = (text, meaning) {
            description += "\n- `";
            description += text;
            description += "`: ";
            description += meaning;
        }
    }
    schema.remove("oneOf");
    schema.insert("type".into(), "string".into());
    schema.insert("enum".into(), texts.into());
    schema.insert("description".into(), description.into());
}
