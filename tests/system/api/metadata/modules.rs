//! `/metadata/modules`.

use serde_json::{Value, json};
use vm_system_tests::Daemon;

use crate::support::cli::output_of;

#[test]
fn the_modules_are_listed_with_what_they_are_for() {
    let daemon = Daemon::start();
    let modules = daemon.api.get("/metadata/modules").expect_status(200);
    let names: Vec<_> = modules
        .as_array()
        .unwrap()
        .iter()
        .map(|module| module["name"].as_str().unwrap())
        .collect();
    for name in ["database", "exec", "fs"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(modules[0]["summary"].is_string());
}

#[test]
fn the_functions_of_a_module_are_those_that_it_has() {
    let daemon = Daemon::start();
    let listed =
        output_of(&mut daemon.cli(&["template", "list-available-modules", "--output", "json"]));
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(
        listed,
        daemon.api.get("/metadata/modules").expect_status(200)
    );
    let template = daemon.template();
    for module in listed.as_array().unwrap() {
        let name = module["name"].as_str().unwrap();
        let path = format!("/templates/{template}/modules");
        daemon
            .api
            .post(&path, &json!({"name": name}))
            .expect_status(201);
        assert_eq!(module["kind"], "native");
        assert!(!module["description"].as_str().unwrap().is_empty());
    }
    let session = daemon.session_of(&template);
    for module in listed.as_array().unwrap() {
        let name = module["name"].as_str().unwrap();
        let functions = session.eval(&format!(
            "{{ const m = require('{name}'); \
             JSON.stringify(Object.keys(m).filter(key => typeof m[key] === 'function').sort()) }}"
        ));
        let functions: Value = serde_json::from_str(&functions).unwrap();
        assert_eq!(module["functions"], functions, "{name}");
    }
}
