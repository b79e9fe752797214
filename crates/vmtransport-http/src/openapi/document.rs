//! The document as a whole.

use std::sync::OnceLock;

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, header};
use serde_json::{Map, Value, json};
use vmapi_types::ErrorCode;

use super::errors::Errors;
use super::operation::{Answer, Content, Operation, Parameter, ParameterSchema, Tag};
use super::schemas::Schemas;
use crate::operations;

const ABOUT: &str = "\
vm-system runs JavaScript in sandboxed processes. A template says what a session may do, a session \
is a runtime with a state of its own, and an execution is one run of a snippet or a file in a \
session, recorded with its events.

Request bodies are decoded strictly: an unknown field, a wrong type and trailing data are \
`400 INVALID_REQUEST`. Every error has the same envelope. An unknown route is `404 NOT_FOUND`, and \
a known route with an unsupported method is `405 METHOD_NOT_ALLOWED`. Every `GET` route also \
answers `HEAD`. Times are RFC 3339 in UTC with microseconds.";

/// Answers with the document. It is made at the first request.
pub(crate) async fn serve() -> ([(HeaderName, HeaderValue); 1], Bytes) {
    static TEXT: OnceLock<Bytes> = OnceLock::new();
    let text = TEXT.get_or_init(|| format!("{}\n", document()).into());
    let kind = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, kind)], text.clone())
}

/// The document of all operations.
pub(super) fn document() -> Value {
    let operations = operations::all().into_iter().map(|route| route.operation);
    let mut schemas = Schemas::new();
    let mut errors = Errors::new(&mut schemas);
    let mut paths = json!({});
    for operation in operations {
        let described = describe(&operation, &mut schemas, &mut errors);
        paths[operation.path][operation.method] = described;
    }
    // They belong to no operation.
    errors.answer(404, &[ErrorCode::NotFound]);
    errors.answer(405, &[ErrorCode::MethodNotAllowed]);
    let tags: Vec<Value> = Tag::ALL
        .iter()
        .map(|tag| json!({"name": tag.name(), "description": tag.description()}))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "vm-system",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": operations::BASE_PATH}],
        // A daemon that was started without a token asks for none.
        "security": [{"token": []}, {}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas.into_components(),
            "responses": errors.into_components(),
            "headers": headers(),
            "securitySchemes": {"token": {
                "type": "http",
                "scheme": "bearer",
                "description": "The token of the daemon, if it was started with one.",
            }},
        },
    })
}

/// A reference to a component.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

fn headers() -> Value {
    let text = json!({"type": "string"});
    json!({
        "RequestId": {
            "description": "The request's own id if that is 1 to 128 visible ASCII characters, \
                else a new UUID.",
            "schema": text,
        },
        "Link": {
            "description": "The same request for the neighbouring portions of the list (RFC 8288): \
                `rel=\"next\"` for later events and older records, `rel=\"prev\"` for newer \
                records. Absent at the end of the list.",
            "schema": text,
        },
        "Allow": {"description": "The methods that the route supports.", "schema": text},
        "Authenticate": {"description": "The authentication scheme, `Bearer`.", "schema": text},
        "RetryAfter": {
            "description": "After how many seconds a retry makes sense.",
            "schema": {"type": "integer"},
        },
    })
}

fn describe(operation: &Operation, schemas: &mut Schemas, errors: &mut Errors) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "tags": [operation.tag.name()],
        "summary": operation.summary,
    });
    if let Some(description) = operation.description {
        described["description"] = description.into();
    }
    let in_path = operation.path_parameters().map(path_parameter);
    let others = operation.parameters.iter();
    let others: Vec<Value> = others
        .map(|parameter| describe_parameter(parameter, schemas))
        .collect();
    let parameters: Vec<Value> = in_path.chain(others).collect();
    if !parameters.is_empty() {
        described["parameters"] = parameters.into();
    }
    if let Some(body) = operation.body {
        described["requestBody"] = json!({
            "required": true,
            "content": {"application/json": {"schema": schemas.of_request(body)}},
        });
    }
    let mut answers: Map<String, Value> = operation
        .answers
        .iter()
        .map(|answer| (answer.status.to_string(), describe_answer(answer, schemas)))
        .collect();
    answers.extend(errors.by_status(&operation.all_errors()));
    described["responses"] = answers.into();
    if operation.is_open {
        described["security"] = json!([]);
    }
    described
}

fn describe_parameter(parameter: &Parameter, schemas: &mut Schemas) -> Value {
    let schema = match &parameter.schema {
        ParameterSchema::Json(schema) => schema.clone(),
        // Enumerations are the same in both directions, and most stand in answers, too.
        ParameterSchema::Of(schema) => schemas.of_answer(*schema),
    };
    json!({
        "name": parameter.name,
        "in": parameter.place,
        "description": parameter.description,
        "required": parameter.is_required,
        "schema": schema,
    })
}

fn path_parameter(name: &str) -> Value {
    let id = json!({"type": "string", "format": "uuid"});
    let (description, schema) = match name {
        "template_id" => ("The id of the template.", id),
        "capability_id" => ("The id of the capability.", id),
        "file_id" => ("The id of the startup file.", id),
        "session_id" => ("The id of the session.", id),
        "execution_id" => ("The id of the execution.", id),
        "name" => (
            "The name of the module, or of the library with or without its version.",
            json!({"type": "string", "minLength": 1, "maxLength": 256}),
        ),
        "prefix" => (
            "The beginning of an id: digits, the letters `a` to `f`, and hyphens.",
            json!({"type": "string", "pattern": "^[0-9a-f-]+$"}),
        ),
        // A test finds it.
        _ => ("", Value::Null),
    };
    json!({
        "name": name,
        "in": "path",
        "description": description,
        "required": true,
        "schema": schema,
    })
}

fn describe_answer(answer: &Answer, schemas: &mut Schemas) -> Value {
    let mut headers = json!({"X-Request-Id": reference("headers", "RequestId")});
    let content = match &answer.content {
        Content::Json { schema, has_links } => {
            if *has_links {
                headers["Link"] = reference("headers", "Link");
            }
            json!({"application/json": {"schema": schemas.of_answer(*schema)}})
        }
        Content::Stream(messages) => {
            let messages: Map<String, Value> = messages
                .iter()
                .map(|(name, schema)| ((*name).to_owned(), schemas.of_answer(*schema)))
                .collect();
            json!({"text/event-stream": {
                "schema": {"type": "string", "description": "Server-sent events."},
                "x-messages": messages,
            }})
        }
        Content::Binary(kind) => json!({*kind: {"schema": {"type": "string", "format": "binary"}}}),
    };
    json!({"description": answer.description, "headers": headers, "content": content})
}
