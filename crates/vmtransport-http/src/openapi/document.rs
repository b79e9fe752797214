//! The document as a whole.

use serde_json::{Map, Value, json};
use vmapi_types::ErrorCode;

use super::components::{headers, reference};
use super::errors::Errors;
use super::schemas::Schemas;
use crate::operation::{
    Answer, BASE_PATH, Content, Operation, Parameter, ParameterSchema, Route, Tag,
};

const ABOUT: &str = "\
vm-system runs JavaScript in sandboxed processes. A template says what a session may do, a session \
is a runtime with a state of its own, and an execution is one run of a snippet or a file in a \
session, recorded with its events.

Request bodies are decoded strictly: an unknown field, a wrong type and trailing data are \
`400 INVALID_REQUEST`. Every error has the same envelope. An unknown route is `404 NOT_FOUND`, and \
a known route with an unsupported method is `405 METHOD_NOT_ALLOWED`. Every `GET` route also \
answers `HEAD`. Times are RFC 3339 in UTC with microseconds.";

/// The OpenAPI document of these routes.
pub(crate) fn document(routes: &[Route]) -> Value {
    let mut schemas = Schemas::new();
    let mut errors = Errors::new(&mut schemas);
    let mut paths = json!({});
    for Route { operation, .. } in routes {
        let described = describe(operation, &mut schemas, &mut errors);
        paths[operation.path][operation.method] = described;
    }
    // These two answer requests that no operation takes.
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
        "servers": [{"url": BASE_PATH}],
        // A daemon that was started without a token requires none.
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
        // An enumeration is the same in requests and answers, and most are in answers, too.
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
        // A test finds a parameter without a description.
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
