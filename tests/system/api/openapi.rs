//! The API has the routes, the parameters and the limits that the OpenAPI document describes.
//! (Every test checks its answers against the document: see `Api::try_send`.)

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::{Value, json};
use vm_system_tests::{Daemon, DaemonOptions};

fn document(daemon: &Daemon) -> Value {
    daemon.api.get("/openapi.json").expect_status(200)
}

/// The paths of the document with their operations by method, in upper case.
fn operations(document: &Value) -> Vec<(String, Vec<(Method, Value)>)> {
    let paths = document["paths"].as_object().expect("paths");
    paths
        .iter()
        .map(|(path, operations)| {
            let operations = operations.as_object().expect("operations");
            let by_method = operations.iter().map(|(method, operation)| {
                let method = method.to_uppercase().parse().expect("a method");
                (method, operation.clone())
            });
            (path.clone(), by_method.collect())
        })
        .collect()
}

/// A path in which every parameter is an id that no record has.
fn with_parameters(path: &str) -> String {
    let id = uuid::Uuid::new_v4().to_string();
    let segments = path.split('/').map(|segment| match segment {
        "{prefix}" => "0",
        segment if segment.starts_with('{') => &id,
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn the_document_needs_no_token_and_is_the_one_in_docs() {
    let daemon = Daemon::start_with(DaemonOptions {
        args: ["--token-file", "token"].map(str::to_owned).into(),
        ..DaemonOptions::default()
    });
    daemon.api.get("/version").expect_error(401, "UNAUTHORIZED");
    let answer = daemon.api.get("/openapi.json");
    assert!(answer.text.ends_with("}\n"));
    let kept: Value =
        serde_json::from_str(include_str!("../../../docs/openapi.json")).expect("JSON");
    let served = answer.expect_status(200);
    assert!(
        served == kept,
        "the document is not docs/openapi.json: {}\nWrite it anew with\n    \
         UPDATE_OPENAPI=1 cargo test --workspace --lib the_document_in_docs_is_current",
        first_difference(&kept, &served)
    );
}

/// The first line in which two documents differ.
fn first_difference(kept: &Value, served: &Value) -> String {
    let [kept, served] =
        [kept, served].map(|document| serde_json::to_string_pretty(document).expect("JSON"));
    let differing = (1..)
        .zip(kept.lines().zip(served.lines()))
        .find(|(_, (kept, served))| kept != served);
    differing.map_or_else(
        || "one is longer than the other".to_owned(),
        |(number, (kept, served))| {
            let (kept, served) = (kept.trim(), served.trim());
            format!("line {number} is\n    {kept}\nand is served as\n    {served}")
        },
    )
}

#[test]
fn a_route_supports_the_described_methods_and_no_other() {
    let daemon = Daemon::start();
    for (path, operations) in operations(&document(&daemon)) {
        let real = with_parameters(&path);
        for (method, operation) in &operations {
            let mut request = daemon.api.request(method.clone(), &real);
            if operation.get("requestBody").is_some() {
                request = request.json(&json!({}));
            }
            let code = daemon.api.send(request).code().to_owned();
            let is_none = ["METHOD_NOT_ALLOWED", "NOT_FOUND"].contains(&code.as_str());
            assert!(!is_none, "{method} {path}: {code}");
        }
        let answer = daemon
            .api
            .send(daemon.api.request(Method::PUT, &real))
            .expect_error(405, "METHOD_NOT_ALLOWED");
        let allowed = answer.headers["allow"].to_str().expect("text");
        let allowed: BTreeSet<&str> = allowed.split(',').map(str::trim).collect();
        let mut described: BTreeSet<&str> =
            operations.iter().map(|(name, _)| name.as_str()).collect();
        if described.contains("GET") {
            described.insert("HEAD");
        }
        assert_eq!(allowed, described, "{path}");
    }
}

#[test]
fn a_request_needs_the_fields_that_the_document_says() {
    let daemon = Daemon::start();
    let document = document(&daemon);
    for (path, operations) in operations(&document) {
        for (method, operation) in operations {
            let body = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
            let Some(reference) = body.as_str() else {
                continue;
            };
            let pointer = reference.trim_start_matches('#');
            let schema = document.pointer(pointer).expect("a component");
            let request = daemon.api.request(method, &with_parameters(&path));
            let answer = daemon.api.send(request.json(&json!({"extra": 1})));
            assert!(
                answer.message().contains("extra"),
                "{path}: {}",
                answer.text
            );
            let required = schema["required"].as_array();
            if required.is_none_or(Vec::is_empty) {
                continue;
            }
            let request = daemon.api.request(Method::POST, &with_parameters(&path));
            let answer = daemon.api.send(request.json(&json!({})));
            let answer = answer.expect_error(400, "VALIDATION_ERROR");
            let names = required.into_iter().flatten().filter_map(Value::as_str);
            let is_named = names
                .into_iter()
                .any(|name| answer.message().contains(name));
            assert!(is_named, "{path}: {}", answer.text);
        }
    }
}

#[test]
fn limits_are_accepted_in_the_described_range_and_not_outside_it() {
    let daemon = Daemon::start();
    let schemas = &document(&daemon)["components"]["schemas"];
    let limits = schemas["LimitsPatch"]["properties"].as_object();
    let path = format!("/templates/{}", daemon.template());
    for (name, schema) in limits.expect("properties") {
        let [least, most] =
            ["minimum", "maximum"].map(|bound| schema[bound].as_u64().expect(bound));
        for value in [least, most] {
            let change = json!({"limits": {name: value}});
            daemon.api.patch(&path, &change).expect_status(200);
        }
        for value in [least - 1, most + 1] {
            let change = json!({"limits": {name: value}});
            let answer = daemon.api.patch(&path, &change);
            answer.expect_error(400, "VALIDATION_ERROR");
        }
    }
}

#[test]
fn kinds_and_modes_are_those_that_the_document_names() {
    let daemon = Daemon::start();
    let template = daemon.template();
    let schemas = &document(&daemon)["components"]["schemas"];
    let kinds = &schemas["AddCapabilityRequest"]["properties"]["kind"]["enum"];
    let path = format!("/templates/{template}/capabilities");
    let refused = daemon
        .api
        .post(&path, &json!({"kind": "other", "name": "x"}));
    let refused = refused.expect_error(400, "VALIDATION_ERROR");
    for kind in kinds.as_array().expect("a list") {
        // The name and the configuration may be wrong for this kind.
        let answer = daemon
            .api
            .post(&path, &json!({"kind": kind, "name": "console"}));
        assert!(
            !answer.message().contains("kind must be"),
            "{}",
            answer.text
        );
        assert!(refused.message().contains(&kind.to_string()));
    }
    let modes = &schemas["AddStartupFileRequest"]["properties"]["mode"]["enum"];
    let path = format!("/templates/{template}/startup-files");
    let refused = daemon
        .api
        .post(&path, &json!({"path": "a.js", "mode": "other"}));
    let supported = &refused.expect_error(422, "STARTUP_MODE_UNSUPPORTED").json["error"]["details"]
        ["supported_modes"];
    let modes = modes.as_array().expect("a list").iter();
    let modes: Vec<_> = modes.filter(|mode| !mode.is_null()).cloned().collect();
    assert_eq!(*supported, Value::from(modes));
}

#[test]
fn the_version_is_that_of_the_program_and_names_its_engines() {
    let daemon = Daemon::start();
    let version = daemon.api.get("/version").expect_status(200);
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(version["api"], "v1");
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    assert_eq!(version["profile"], profile);
    let platform = json!({"os": std::env::consts::OS, "arch": std::env::consts::ARCH});
    assert_eq!(version["platform"], platform);
    let engines = version["engines"].as_array().expect("a list");
    assert!(engines.contains(&version["default_engine"]), "{version}");
    // Templates accept each of these engines, and have the default one if they name none.
    for engine in engines {
        let name = format!("of {engine}");
        let made = daemon
            .api
            .post("/templates", &json!({"name": name, "engine": engine}));
        assert_eq!(made.expect_status(201)["engine"], *engine);
    }
    let made = daemon
        .api
        .post("/templates", &json!({"name": "plain"}))
        .expect_status(201);
    assert_eq!(made["engine"], version["default_engine"]);
    let printed = daemon
        .cli(&["ops", "version"])
        .output()
        .expect("it can be run");
    let printed: Value = serde_json::from_slice(&printed.stdout).expect("it is JSON");
    assert_eq!(printed, version);
}
