use insta::assert_snapshot;
use serde_json::json;
use vmapi_types::Limits;

use super::*;
use crate::output::testing::printed;

fn template(modules: &[&str]) -> Template {
    serde_json::from_value(json!({
        "id": "6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11",
        "name": "scripts",
        "engine": "boa",
        "is_active": true,
        "exposed_modules": modules,
        "libraries": ["lodash-4.17.21"],
        "created_at": "2026-01-02T03:04:05.678900Z",
        "updated_at": "2026-01-02T03:04:06.000000Z",
    }))
    .unwrap()
}

#[test]
fn templates_are_a_table() {
    let plain = Paint::new(false);
    let templates = [template(&[]), template(&["exec", "fs"])];
    assert_snapshot!(printed(|out| list(out, plain, &templates)), @r"
    ID                                    NAME     ENGINE  ACTIVE  CREATED (UTC)        MODULES   LIBRARIES
    6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11  scripts  boa     yes     2026-01-02 03:04:05  -         lodash-4.17.21
    6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11  scripts  boa     yes     2026-01-02 03:04:05  exec, fs  lodash-4.17.21
    ");
    assert_snapshot!(printed(|out| list(out, plain, &[])), @"No templates.");
}

#[test]
fn a_template_is_shown_with_all_that_belongs_to_it() {
    let plain = Paint::new(false);
    let template = template(&["database", "fs"]);
    let shown = TemplateDetails {
        settings: Settings {
            vm_id: template.id,
            limits: Limits::default(),
            resolver: vmapi_types::Resolver::default(),
            runtime: vmapi_types::RuntimeSettings::default(),
        },
        capabilities: vec![],
        startup_files: vec![vmapi_types::StartupFile {
            id: template.id,
            vm_id: template.id,
            path: "init.js".into(),
            order_index: 10,
            mode: "eval".into(),
        }],
        template,
    };
    assert_snapshot!(printed(|out| details(out, plain, &shown)), @r"
    Template: scripts
    ID: 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11
    Engine: boa
    Active: yes
    Created: 2026-01-02T03:04:05Z
    Updated: 2026-01-02T03:04:06Z

    Settings:
      Limits: 2000 ms of CPU, 5000 ms in all, 128 MiB, 50000 events, 256 KiB of output
      Resolver: roots .; extensions .js, .mjs; absolute imports yes
      Runtime: ES modules yes, strict no, console yes

    Capabilities:
    No capabilities.

    Startup Files:
    ORDER  MODE  PATH     ID
    10     eval  init.js  6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11

    Exposed Modules:
      - database
      - fs

    Loaded Libraries:
      - lodash-4.17.21
    ");
}
