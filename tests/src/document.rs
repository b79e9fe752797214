//! The check of requests and answers against the OpenAPI document.
//!
//! The document is `docs/openapi.json`; a test of the HTTP crate checks that the daemon serves the
//! same one. The check is stricter than clients should be: an answer must not have a field that its
//! schema does not name.

use std::collections::HashMap;
use std::sync::OnceLock;

use boon::{Compiler, Draft, SchemaIndex, Schemas, ValidationError};
use serde_json::{Map, Value, json};

/// The name under which schemas refer to each other.
const LOCATION: &str = "https://vm-system.invalid/openapi.json";

/// What the paths of the API begin with.
const BASE_PATH: &str = "/api/v1";

/// The statuses with which the HTTP library answers bytes that are no request. These answers have
/// no body.
const OF_NO_REQUEST: [u16; 3] = [400, 414, 431];

/// The schema of every error.
const ENVELOPE: &str = "/components/schemas/ErrorEnvelope";

/// The largest number of faults that are listed of one answer.
const MOST_SHOWN: usize = 8;

/// A request and its answer.
pub(crate) struct Exchange<'a> {
    pub(crate) method: &'a str,
    /// The path, without a query.
    pub(crate) path: &'a str,
    /// The body of the request; `None` if there is none, or none in memory.
    pub(crate) request: Option<&'a [u8]>,
    pub(crate) status: u16,
    /// The value of `Content-Type`; empty if there is none.
    pub(crate) content_type: &'a str,
    /// The body of the answer.
    pub(crate) text: &'a str,
}

/// The document with its schemas, ready to be applied.
pub(crate) struct Document {
    json: Value,
    schemas: Schemas,
    /// The schemas by their JSON pointers.
    by_place: HashMap<String, SchemaIndex>,
}

impl Document {
    /// The document of this repository.
    pub(crate) fn get() -> &'static Self {
        static DOCUMENT: OnceLock<Document> = OnceLock::new();
        DOCUMENT.get_or_init(|| {
            let text = include_str!("../../docs/openapi.json");
            Self::new(serde_json::from_str(text).expect("the document is JSON"))
        })
    }

    fn new(mut json: Value) -> Self {
        if let Some(schemas) = json["components"]["schemas"].as_object_mut() {
            schemas.values_mut().for_each(close);
        }
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        compiler
            .add_resource(LOCATION, json.clone())
            .expect("the document is no schema with an id of its own");
        let mut places = vec![ENVELOPE.to_owned()];
        find_schemas(&json, &mut String::new(), &mut places);
        let mut schemas = Schemas::new();
        let by_place = places.into_iter().map(|place| {
            let index = compiler.compile(&format!("{LOCATION}#{place}"), &mut schemas);
            let index = index.unwrap_or_else(|error| panic!("{place} is no schema: {error:#}"));
            (place, index)
        });
        let by_place = by_place.collect();
        Self {
            json,
            schemas,
            by_place,
        }
    }

    /// Checks an answer, and the request if it was accepted.
    ///
    /// # Errors
    /// The differences from the document.
    pub(crate) fn check(&self, exchange: &Exchange<'_>) -> Result<(), String> {
        let is_success = (200..300).contains(&exchange.status);
        let Some(operation) = self.operation(exchange.method, exchange.path) else {
            // Browsers send a preflight request with this method.
            if is_success && exchange.method != "OPTIONS" {
                return Err("the document has no such operation".into());
            }
            return self.check_error(exchange, ENVELOPE);
        };
        let answer = format!("{operation}/responses/{}", exchange.status);
        let Some(answer) = self.resolve(answer) else {
            if exchange.text.is_empty() && OF_NO_REQUEST.contains(&exchange.status) {
                return Ok(());
            }
            return Err("the document has no such status for this operation".into());
        };
        if !is_success {
            let schema = format!("{answer}/content/application~1json/schema");
            return self.check_error(exchange, &schema);
        }
        self.check_request(exchange, &operation)?;
        let kind = exchange.content_type.split(';').next().unwrap_or_default();
        let content = format!("{answer}/content/{}", escaped(kind));
        if self.json.pointer(&content).is_none() {
            return Err(format!("the document has no content of the type {kind:?}"));
        }
        if exchange.method == "HEAD" {
            return Ok(());
        }
        match kind {
            "application/json" => self.check_json(&format!("{content}/schema"), exchange.text),
            "text/event-stream" => self.check_stream(&content, exchange.text),
            _ => Ok(()),
        }
    }

    /// The JSON pointer of an operation.
    fn operation(&self, method: &str, path: &str) -> Option<String> {
        let path = path.strip_prefix(BASE_PATH)?;
        let paths = self.json["paths"].as_object()?;
        let matching = paths.keys().filter(|template| matches(template, path));
        // If a name and a parameter both match a segment, the name wins.
        let template = matching.min_by_key(|template| template.matches('{').count())?;
        let method = if method == "HEAD" { "GET" } else { method };
        let place = format!("/paths/{}/{}", escaped(template), method.to_lowercase());
        self.json.pointer(&place).is_some().then_some(place)
    }

    /// The JSON pointer of a value, after its reference was followed if it is one.
    fn resolve(&self, place: String) -> Option<String> {
        match &self.json.pointer(&place)?["$ref"] {
            Value::String(reference) => Some(reference.trim_start_matches('#').to_owned()),
            _ => Some(place),
        }
    }

    fn check_error(&self, exchange: &Exchange<'_>, schema: &str) -> Result<(), String> {
        let is_bare = exchange.method == "HEAD" || exchange.method == "OPTIONS";
        if exchange.text.is_empty() && (is_bare || OF_NO_REQUEST.contains(&exchange.status)) {
            return Ok(());
        }
        self.check_json(schema, exchange.text)
    }

    fn check_request(&self, exchange: &Exchange<'_>, operation: &str) -> Result<(), String> {
        let schema = format!("{operation}/requestBody/content/application~1json/schema");
        let text = exchange
            .request
            .and_then(|body| std::str::from_utf8(body).ok());
        match text {
            Some(text) if self.by_place.contains_key(&schema) => self
                .check_json(&schema, text)
                .map_err(|error| format!("the request was taken: {error}")),
            // The body is ignored.
            _ => Ok(()),
        }
    }

    fn check_json(&self, schema: &str, text: &str) -> Result<(), String> {
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("it is no JSON: {error}"))?;
        let index = self.by_place[schema];
        let checked = self.schemas.validate(&value, index);
        checked.map_err(|error| {
            let mut places = Vec::new();
            leaves(&error, &mut places);
            places.truncate(MOST_SHOWN);
            places.join("\n  ")
        })
    }

    /// Checks the complete messages of a stream.
    fn check_stream(&self, content: &str, text: &str) -> Result<(), String> {
        let messages = text.split_inclusive("\n\n");
        for message in messages.filter(|message| message.ends_with("\n\n")) {
            let field = |name: &str| {
                let mut lines = message.lines();
                lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            };
            let Some(data) = field("data") else { continue };
            let name = field("event").unwrap_or("message");
            let schema = format!("{content}/x-messages/{name}");
            if !self.by_place.contains_key(&schema) {
                return Err(format!("the document has no message {name:?}"));
            }
            self.check_json(&schema, data)
                .map_err(|error| format!("message {name:?}: {error}"))?;
        }
        Ok(())
    }
}

/// Whether a path matches a path template.
fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(wanted), Some(given)) if wanted.starts_with('{') && !given.is_empty() => {}
            _ => return false,
        }
    }
}

/// A name as part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Makes a schema refuse objects with properties that it does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Array(schemas) => schemas.iter_mut().for_each(close),
        Value::Object(fields) => {
            fields.values_mut().for_each(close);
            let is_open = |fields: &Map<String, Value>| {
                fields.get("type") == Some(&json!("object"))
                    && fields.contains_key("properties")
                    && !fields.contains_key("additionalProperties")
            };
            if is_open(fields) {
                fields.insert("additionalProperties".into(), false.into());
            }
        }
        _ => {}
    }
}

/// Finds the JSON pointers of all schemas of bodies and messages.
fn find_schemas(value: &Value, place: &mut String, found: &mut Vec<String>) {
    let Value::Object(fields) = value else { return };
    for (name, value) in fields {
        let length = place.len();
        place.push('/');
        place.push_str(&escaped(name));
        match name.as_str() {
            "schema" => found.push(place.clone()),
            "x-messages" => {
                let names = value.as_object().into_iter().flat_map(Map::keys);
                found.extend(names.map(|name| format!("{place}/{}", escaped(name))));
            }
            _ => find_schemas(value, place, found),
        }
        place.truncate(length);
    }
}

/// Lists the faults, without those that merely follow from others.
fn leaves(error: &ValidationError<'_, '_>, places: &mut Vec<String>) {
    if error.causes.is_empty() {
        let place = error.instance_location.to_string();
        let place = if place.is_empty() {
            "the whole"
        } else {
            &place
        };
        places.push(format!("{place}: {}", error.kind));
    }
    for cause in &error.causes {
        leaves(cause, places);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exchange<'a>(method: &'a str, path: &'a str, status: u16, text: &'a str) -> Exchange<'a> {
        Exchange {
            method,
            path,
            request: None,
            status,
            content_type: "application/json",
            text,
        }
    }

    fn check(method: &str, path: &str, status: u16, text: &str) -> Result<(), String> {
        Document::get().check(&exchange(method, path, status, text))
    }

    const HEALTH: &str = "/api/v1/health";

    #[test]
    fn only_an_answer_as_described_passes() {
        assert_eq!(check("GET", HEALTH, 200, r#"{"status":"ok"}"#), Ok(()));
        assert_eq!(check("HEAD", HEALTH, 200, ""), Ok(()));
        for text in [
            "",
            "[]",
            "{}",
            r#"{"status":1}"#,
            r#"{"status":"ok","more":1}"#,
        ] {
            assert!(check("GET", HEALTH, 200, text).is_err(), "{text}");
        }
        assert!(check("GET", HEALTH, 201, r#"{"status":"ok"}"#).is_err());
        assert!(check("POST", HEALTH, 200, r#"{"status":"ok"}"#).is_err());
        assert!(check("GET", "/api/v1/healthy", 200, "{}").is_err());
    }

    #[test]
    fn a_fault_is_listed_with_its_position() {
        let text = r#"{"active_sessions":1,"active_session_ids":["x"]}"#;
        let error = check("GET", "/api/v1/runtime/summary", 200, text).unwrap_err();
        assert!(error.starts_with("/active_session_ids/0: "), "{error}");
    }

    #[test]
    fn an_error_needs_a_code_of_its_operation_and_the_envelope() {
        let error = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"no"}}}}"#);
        let path = "/api/v1/templates/x";
        assert_eq!(
            check("GET", path, 404, &error("TEMPLATE_NOT_FOUND")),
            Ok(())
        );
        assert!(check("GET", path, 404, &error("SESSION_NOT_FOUND")).is_err());
        assert!(check("GET", path, 418, &error("TEMPLATE_NOT_FOUND")).is_err());
        assert_eq!(
            check("PUT", path, 405, &error("METHOD_NOT_ALLOWED")),
            Ok(())
        );
        assert_eq!(check("GET", "/elsewhere", 404, &error("NOT_FOUND")), Ok(()));
        assert!(check("GET", "/elsewhere", 404, "{}").is_err());
    }

    #[test]
    fn a_name_in_a_path_wins_over_a_parameter() {
        let document = Document::get();
        let place = document.operation("POST", "/api/v1/executions/repl");
        assert_eq!(place.as_deref(), Some("/paths/~1executions~1repl/post"));
        assert_eq!(document.operation("GET", "/api/v1/executions/repl"), None);
        assert!(document.operation("GET", "/api/v1/executions/x").is_some());
        assert_eq!(document.operation("GET", "/api/v1/executions/"), None);
    }

    #[test]
    fn an_accepted_request_must_be_described() {
        let removed = r#"{"sessions":0,"executions":0,"events":0,"dry_run":true}"#;
        let mut exchange = exchange("POST", "/api/v1/runtime/prune", 200, removed);
        for (body, is_good) in [
            (r#"{"retain_sessions_s":1}"#, true),
            (r#"{"retain_sessions_s":1,"more":1}"#, false),
            (r#"{"retain_sessions_s":-1}"#, false),
        ] {
            exchange.request = Some(body.as_bytes());
            let checked = Document::get().check(&exchange);
            assert_eq!(checked.is_ok(), is_good, "{body}: {checked:?}");
        }
    }

    #[test]
    fn the_data_of_messages_is_checked() {
        let path = "/api/v1/executions/x/events/stream";
        let mut exchange = exchange("GET", path, 200, "");
        exchange.content_type = "text/event-stream";
        for (text, is_good) in [
            ("retry: 500\n\n", true),
            (": alive\n\nevent: end\ndata: {\"cut", true),
            ("event: end\ndata: {}\n\n", false),
            ("event: begin\ndata: {}\n\n", false),
            ("data: {}\n\n", false),
        ] {
            exchange.text = text;
            let checked = Document::get().check(&exchange);
            assert_eq!(checked.is_ok(), is_good, "{text}: {checked:?}");
        }
    }
}
