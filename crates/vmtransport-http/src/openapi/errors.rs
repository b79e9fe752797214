//! The error answers in the document: one for each combination of codes that an operation has
//! under one status.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};
use vmapi_types::{ErrorCode, ErrorEnvelope};

use super::components::reference;
use super::schemas::Schemas;

/// Makes the error answers of a document.
pub(super) struct Errors {
    /// A reference to the schema of the error envelope.
    envelope: Value,
    /// The meaning of each code.
    meanings: BTreeMap<String, String>,
    /// The answers that were made, by name.
    answers: Map<String, Value>,
}

impl Errors {
    pub(super) fn new(schemas: &mut Schemas) -> Self {
        Self {
            envelope: schemas.of_answer(SchemaGenerator::subschema_for::<ErrorEnvelope>),
            meanings: meanings(),
            answers: Map::new(),
        }
    }

    /// References to the answers with these codes, by status.
    pub(super) fn by_status(&mut self, codes: &[ErrorCode]) -> Map<String, Value> {
        let mut groups: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
        for code in codes {
            groups.entry(code.status()).or_default().push(*code);
        }
        groups
            .into_iter()
            .map(|(status, codes)| (status.to_string(), self.answer(status, &codes)))
            .collect()
    }

    /// A reference to the answer with one of some codes.
    pub(super) fn answer(&mut self, status: u16, codes: &[ErrorCode]) -> Value {
        let names: Vec<String> = codes.iter().map(|code| camel_case(code.as_str())).collect();
        let name = names.join("Or");
        if !self.answers.contains_key(&name) {
            let answer = self.describe(status, codes);
            self.answers.insert(name.clone(), answer);
        }
        reference("responses", &name)
    }

    fn describe(&self, status: u16, codes: &[ErrorCode]) -> Value {
        let reason = StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or_default();
        let mut description = format!("{reason}.\n");
        for code in codes {
            let meaning = self.meanings.get(code.as_str());
            let meaning = meaning.map(String::as_str).unwrap_or_default();
            description += "\n- `";
            description += code.as_str();
            description += "`: ";
            description += meaning;
        }
        let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
        let code = json!({"properties": {"code": {"enum": codes}}});
        let mut headers = json!({"X-Request-Id": reference("headers", "RequestId")});
        for (of, name, component) in [
            (401, "WWW-Authenticate", "Authenticate"),
            (405, "Allow", "Allow"),
            (503, "Retry-After", "RetryAfter"),
        ] {
            if of == status {
                headers[name] = reference("headers", component);
            }
        }
        json!({
            "description": description,
            "headers": headers,
            "content": {"application/json": {
                "schema": {"allOf": [self.envelope, {"properties": {"error": code}}]},
            }},
        })
    }

    /// The answers that operations refer to.
    pub(super) fn into_components(self) -> Map<String, Value> {
        self.answers
    }
}

/// The meaning of each code: its doc comment.
fn meanings() -> BTreeMap<String, String> {
    let schema = ErrorCode::json_schema(&mut SchemaGenerator::default());
    let variants = schema.get("oneOf").and_then(Value::as_array);
    let meanings = variants.into_iter().flatten().filter_map(|variant| {
        let (code, meaning) = (variant.get("const")?, variant.get("description")?);
        Some((
            code.as_str()?.to_owned(),
            meaning.as_str()?.replace('\n', " "),
        ))
    });
    meanings.collect()
}

/// `SessionBusy` for `SESSION_BUSY`.
fn camel_case(code: &str) -> String {
    let words = code.split('_').map(|word| {
        let (first, rest) = word.split_at(1);
        format!("{first}{}", rest.to_ascii_lowercase())
    });
    words.collect()
}
