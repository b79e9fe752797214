use super::*;
use crate::output::testing::printed;

fn value(kind: &str, preview: &str) -> String {
    let value = Value {
        kind: kind.into(),
        preview: preview.into(),
    };
    printed(|out| print_value(out, &value))
}

fn exception(message: &str, stack: Option<&str>) -> String {
    let exception = Exception {
        message: message.into(),
        stack: stack.map(String::from),
    };
    printed(|out| print_exception(out, &exception))
}

#[test]
fn a_value_is_its_preview_and_undefined_is_nothing() {
    assert_eq!(value("number", "42"), "42\n");
    assert_eq!(value("null", "null"), "null\n");
    assert_eq!(value("string", "undefined"), "undefined\n");
    assert_eq!(value("undefined", "undefined"), "");
}

#[test]
fn an_exception_is_its_message_once_and_its_stack() {
    let message = "Error: no at a.js:1:7";
    let expected = "Error: no at a.js:1:7\n    at f (a.js:1:7)\n";
    assert_eq!(exception(message, None), "Error: no at a.js:1:7\n");
    assert_eq!(exception(message, Some("")), "Error: no at a.js:1:7\n");
    assert_eq!(
        exception(message, Some("Error: no")),
        "Error: no at a.js:1:7\n"
    );
    assert_eq!(exception(message, Some("    at f (a.js:1:7)")), expected);
    assert_eq!(exception(message, Some("    at f (a.js:1:7)\n")), expected);
    assert_eq!(
        exception(message, Some("Error: no\n    at f (a.js:1:7)")),
        expected
    );
}

#[test]
fn a_script_is_its_directory_and_its_name() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.js");
    fs::write(&file, "").unwrap();
    let script = Script::find(&file).unwrap();
    let canonical = directory.path().canonicalize().unwrap();
    assert_eq!(script.worktree, canonical.to_str().unwrap());
    assert_eq!(script.name, "a.js");
}

#[test]
fn what_is_no_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    for file in [
        directory.path().join("missing.js"),
        directory.path().to_owned(),
    ] {
        let Err(Failure::Other(error)) = Script::find(&file) else {
            panic!("{} is no script", file.display());
        };
        let expected = format!("cannot run {}: ", file.display());
        assert!(format!("{error:#}").starts_with(&expected), "{error:#}");
    }
}
