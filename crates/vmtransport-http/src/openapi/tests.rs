//! The document is complete, consistent, and the one in `docs/`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde_json::Value;

use crate::operation::BASE_PATH;
use crate::router::routes;
use crate::token::OPEN_ROUTES;

/// The environment variable with which the test writes the document instead of comparing it.
const UPDATE: &str = "UPDATE_OPENAPI";

/// The document of every route.
fn document() -> Value {
    super::document(&routes())
}

#[test]
fn the_document_in_docs_is_current() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/openapi.json");
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&path, text).unwrap();
        return;
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == text,
        "docs/openapi.json is not the document of this code: {}\nWrite it anew with\n    \
         {UPDATE}=1 cargo test --workspace --lib the_document_in_docs_is_current\n\
         and review what has changed.",
        first_difference(&kept, &text)
    );
}

/// The first line in which two texts differ, with its number.
fn first_difference(kept: &str, made: &str) -> String {
    let (mut kept, mut made) = (kept.lines(), made.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (kept.next(), made.next()) {
            (None, None) => return "the line breaks at the end differ".to_owned(),
            (kept, made) if kept == made => {}
            (kept, made) => {
                let [kept, made] = [kept, made].map(|line| line.unwrap_or("(no line)").trim());
                return format!("line {number} is\n    {kept}\nand would be\n    {made}");
            }
        }
    }
}

#[test]
fn a_difference_is_shown_with_its_line() {
    let shown = first_difference("a\n  b\nc\n", "a\n  x\nc\n");
    assert_eq!(shown, "line 2 is\n    b\nand would be\n    x");
    let shown = first_difference("a\n", "a\nb\n");
    assert_eq!(shown, "line 2 is\n    (no line)\nand would be\n    b");
}

#[test]
fn every_route_is_described_under_an_id_of_its_own() {
    let document = document();
    let mut ids = BTreeSet::new();
    for route in routes() {
        let operation = route.operation;
        let id = operation.id;
        assert!(ids.insert(id), "{id} is the id of two operations");
        let described = &document["paths"][operation.path][operation.method];
        assert_eq!(described["operationId"], id);
        assert!(!operation.answers.is_empty(), "{id} has no answer");
        let summary = operation.summary;
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{summary}");
        for parameter in described["parameters"].as_array().into_iter().flatten() {
            let name = &parameter["name"];
            assert!(parameter["schema"].is_object(), "{id}: {name}");
            assert!(parameter["description"] != "", "{id}: {name}");
        }
    }
    let paths = document["paths"].as_object().unwrap();
    let described = paths.values().map(|path| path.as_object().unwrap().len());
    assert_eq!(described.sum::<usize>(), ids.len());
}

#[test]
fn exactly_the_open_routes_are_described_as_needing_no_token() {
    let open: BTreeSet<String> = routes()
        .into_iter()
        .filter(|route| route.operation.is_open)
        .map(|route| format!("{BASE_PATH}{}", route.operation.path))
        .collect();
    assert_eq!(open, OPEN_ROUTES.map(str::to_owned).into());
}

#[test]
fn every_reference_leads_to_a_component_and_every_component_is_referred_to() {
    let document = document();
    let mut references = BTreeSet::new();
    visit(&document, &mut |value| {
        if let Some(Value::String(reference)) = value.get("$ref") {
            references.insert(reference.clone());
        }
    });
    // These two answer requests that no operation takes.
    let of_no_operation = ["NotFound", "MethodNotAllowed"];
    references.extend(of_no_operation.map(|name| format!("#/components/responses/{name}")));
    let components = document["components"].as_object().unwrap();
    let named: BTreeSet<String> = ["schemas", "responses", "headers"]
        .into_iter()
        .flat_map(|kind| {
            let names = components[kind].as_object().unwrap().keys();
            names.map(move |name| format!("#/components/{kind}/{name}"))
        })
        .collect();
    assert_eq!(references, named);
}

#[test]
fn every_error_code_has_an_answer() {
    let document = document();
    let mut answered = BTreeSet::new();
    for answer in document["components"]["responses"]
        .as_object()
        .unwrap()
        .values()
    {
        let schema = &answer["content"]["application/json"]["schema"];
        let codes = &schema["allOf"][1]["properties"]["error"]["properties"]["code"]["enum"];
        for code in codes.as_array().unwrap() {
            let code = code.as_str().unwrap();
            let description = answer["description"].as_str().unwrap();
            assert!(
                description.contains(&format!("\n- `{code}`: ")),
                "{description}"
            );
            answered.insert(code);
        }
    }
    let codes = &document["components"]["schemas"]["ErrorCode"]["enum"];
    let codes = codes.as_array().unwrap().iter();
    let codes: BTreeSet<&str> = codes.map(|code| code.as_str().unwrap()).collect();
    assert_eq!(answered, codes);
}

#[test]
fn fields_that_are_always_there_are_required_and_optional_ones_are_never_null() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let execution = &schemas["Execution"];
    let required = execution["required"].as_array().unwrap();
    assert!(required.contains(&"metrics".into()) && !required.contains(&"ended_at".into()));
    assert_eq!(execution["properties"]["ended_at"]["type"], "string");
    let result = &execution["properties"]["result"];
    assert_eq!(result["$ref"], "#/components/schemas/ValuePayload");
    // A limit that was not stored has its default in an answer.
    assert!(
        schemas["Limits"]["required"]
            .as_array()
            .unwrap()
            .contains(&"cpu_ms".into())
    );
    let request = &schemas["RunFileRequest"];
    assert_eq!(request["additionalProperties"], false);
    assert_eq!(
        request["required"],
        serde_json::json!(["session_id", "path"])
    );
    let id = &request["properties"]["execution_id"];
    assert_eq!(id["type"], serde_json::json!(["string", "null"]));
}

#[test]
fn descriptions_are_sentences_for_users_of_the_api() {
    visit(&document(), &mut |value| {
        // A property may be named `description`.
        let Some(Value::String(description)) = value.get("description") else {
            return;
        };
        assert!(!description.contains("[`"), "{description}");
        let listed = description.contains("\n- ");
        assert!(listed || description.ends_with('.'), "{description}");
    });
}

fn visit(value: &Value, see: &mut impl FnMut(&Value)) {
    see(value);
    match value {
        Value::Array(values) => values.iter().for_each(|value| visit(value, see)),
        Value::Object(fields) => fields.values().for_each(|value| visit(value, see)),
        _ => {}
    }
}

#[test]
fn the_api_reference_lists_every_route() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/api-reference.md");
    let reference = std::fs::read_to_string(path).unwrap();
    for route in routes() {
        let operation = route.operation;
        let method = operation.method.to_uppercase();
        let listed = format!("`{method} {}`", operation.path);
        assert!(
            reference.contains(&listed),
            "docs/api-reference.md has no {listed}"
        );
    }
}
