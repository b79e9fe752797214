//! Tests of the module `fs`: it is called as a session calls it.

use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};

use super::Files;
use crate::host_modules::broker::session_context::SessionContext;
use crate::host_modules::fixtures::{answer_of, host_call, session};
use crate::ipc::HostError;

struct Fixture {
    home: tempfile::TempDir,
    context: Arc<SessionContext>,
}

impl Fixture {
    fn with(capabilities: &[(&str, &str, bool, Value)]) -> Self {
        let (home, context) = session(capabilities);
        fs::create_dir(home.path().join("dir")).unwrap();
        fs::write(home.path().join("a.txt"), "text").unwrap();
        Self { home, context }
    }

    fn call(&self, function: &str, args: &Value) -> Result<Value, HostError> {
        let call = host_call("fs", function, args);
        let runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = { runtime }.enable_all().build().unwrap();
        runtime.block_on(answer_of(&Files::new(&self.context), call))
    }

    #[track_caller]
    fn ok(&self, function: &str, args: &Value) -> Value {
        self.call(function, args).unwrap()
    }

    #[track_caller]
    fn error(&self, function: &str, args: &Value) -> HostError {
        self.call(function, args).unwrap_err()
    }
}

#[test]
fn files_are_read_and_written_as_text_and_as_bytes() {
    let fixture = Fixture::with(&[]);
    assert_eq!(fixture.ok("readFile", &json!(["a.txt", true])), "text");
    assert_eq!(
        fixture.ok("readFile", &json!(["a.txt", false])),
        json!({"$bytes": "text"})
    );
    let bytes = json!({"$bytes": "\u{e4}\0"});
    assert_eq!(
        fixture.ok("writeFile", &json!(["b", bytes, "w"])),
        json!(null)
    );
    fixture.ok("writeFile", &json!(["b", "x", "a"]));
    assert_eq!(
        fs::read(fixture.home.path().join("b")).unwrap(),
        b"\xc3\xa4\0x"
    );
    assert_eq!(fixture.ok("readFile", &json!(["b", true])), "\u{e4}\0x");
    fixture.ok("writeFile", &json!(["c", "x", "ax"]));
    for args in [
        json!(["c", 1, "w"]),
        json!(["c", "x", "r"]),
        json!(["c", "x"]),
        json!([1, "x", "w"]),
    ] {
        let error = fixture.error("writeFile", &args);
        assert!(error.code.unwrap().starts_with("ERR_INVALID_ARG"), "{args}");
    }
}

#[test]
fn folders_and_files_answer_in_their_shapes() {
    let fixture = Fixture::with(&[]);
    let root = fixture.context.worktree.path().to_str().unwrap();
    assert_eq!(fixture.ok("mkdir", &json!(["dir/x/y", true])), "dir/x");
    assert_eq!(
        fixture.ok("mkdir", &json!([format!("{root}/n/m"), true])),
        format!("{root}/n")
    );
    assert_eq!(fixture.ok("mkdir", &json!(["dir/x", true])), json!(null));
    assert_eq!(fixture.ok("mkdir", &json!(["z", false])), json!(null));
    assert_eq!(
        fixture.ok("readdir", &json!(["dir", true])),
        json!([{"name": "x", "kind": "directory"}, {"name": "x/y", "kind": "directory"}])
    );
    fixture.ok("rename", &json!(["a.txt", "dir/b.txt"]));
    fixture.ok("copyFile", &json!(["dir/b.txt", "c.txt", true]));
    assert_eq!(fixture.ok("exists", &json!(["a.txt"])), false);
    assert_eq!(fixture.ok("exists", &json!(["c.txt"])), true);
    let stat = fixture.ok("stat", &json!(["c.txt", true]));
    assert_eq!((&stat["kind"], &stat["size"]), (&json!("file"), &json!(4)));
    for key in [
        "mode",
        "mtimeMs",
        "atimeMs",
        "ctimeMs",
        "birthtimeMs",
        "ino",
        "dev",
        "nlink",
        "uid",
        "gid",
    ] {
        assert!(stat[key].is_number(), "{key}");
    }
    fixture.ok("rm", &json!(["dir", true, false]));
    fixture.ok("rmdir", &json!(["z"]));
    fixture.ok("unlink", &json!(["c.txt"]));
    assert_eq!(
        fixture.ok("readdir", &json!([".", false])),
        json!([{"name": "n", "kind": "directory"}])
    );
}

/// Calls that fail in the worktree of a fixture with a file `dir/in`: the function, the arguments
/// and the message.
fn failures() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        (
            "readFile",
            json!(["x", true]),
            "ENOENT: no such file or directory, open 'x'",
        ),
        (
            "readFile",
            json!(["dir", true]),
            "EISDIR: illegal operation on a directory, open 'dir'",
        ),
        (
            "writeFile",
            json!(["a.txt", "", "wx"]),
            "EEXIST: file already exists, open 'a.txt'",
        ),
        (
            "writeFile",
            json!(["a.txt/x", "", "w"]),
            "ENOTDIR: not a directory, open 'a.txt/x'",
        ),
        (
            "stat",
            json!(["x", true]),
            "ENOENT: no such file or directory, stat 'x'",
        ),
        (
            "stat",
            json!(["x", false]),
            "ENOENT: no such file or directory, lstat 'x'",
        ),
        (
            "readdir",
            json!(["a.txt", false]),
            "ENOTDIR: not a directory, scandir 'a.txt'",
        ),
        (
            "mkdir",
            json!(["dir", false]),
            "EEXIST: file already exists, mkdir 'dir'",
        ),
        (
            "rmdir",
            json!(["dir"]),
            "ENOTEMPTY: directory not empty, rmdir 'dir'",
        ),
        (
            "rmdir",
            json!(["a.txt"]),
            "ENOTDIR: not a directory, rmdir 'a.txt'",
        ),
        (
            "unlink",
            json!(["x"]),
            "ENOENT: no such file or directory, unlink 'x'",
        ),
        (
            "rm",
            json!(["x", true, false]),
            "ENOENT: no such file or directory, rm 'x'",
        ),
        (
            "rename",
            json!(["x", "y"]),
            "ENOENT: no such file or directory, rename 'x' -> 'y'",
        ),
        (
            "rename",
            json!(["dir", "dir/in2"]),
            "EINVAL: invalid argument, rename 'dir' -> 'dir/in2'",
        ),
        (
            "copyFile",
            json!(["a.txt", "dir/in", true]),
            "EEXIST: file already exists, copyfile 'a.txt' -> 'dir/in'",
        ),
    ]
}

#[test]
fn errors_have_the_texts_of_node() {
    let fixture = Fixture::with(&[]);
    fs::write(fixture.home.path().join("dir/in"), "").unwrap();
    for (function, args, message) in failures() {
        let error = fixture.error(function, &args);
        assert_eq!(error.message, message);
        let code = message.split(':').next();
        assert_eq!(error.code.as_deref(), code);
        assert_eq!(error.properties["path"], args[0]);
        assert_eq!(
            error.properties["syscall"],
            message
                .split(", ")
                .nth(1)
                .unwrap()
                .split(' ')
                .next()
                .unwrap()
        );
        let dest = matches!(function, "rename" | "copyFile").then(|| &args[1]);
        assert_eq!(error.properties.get("dest"), dest);
    }
}

#[test]
fn some_errors_are_nodes_own_or_the_services() {
    let fixture = Fixture::with(&[]);
    let error = fixture.error("rm", &json!(["dir", false, false]));
    assert_eq!(error.code.as_deref(), Some("ERR_FS_EISDIR"));
    let error = fixture.error("rm", &json!([".", true, true]));
    assert_eq!(error.code.as_deref(), Some("EPERM"));
    let error = fixture.error("readFile", &json!(["../x", true]));
    assert_eq!(error.code.as_deref(), Some("EACCES"));
}

#[test]
fn a_refusal_names_the_capability_that_is_missing_and_the_command_that_adds_it() {
    let fixture = Fixture::with(&[("fs", "data", true, json!({"read": ["data/**"]}))]);
    let id = uuid::Uuid::nil();
    let error = fixture.error("writeFile", &json!(["secret.txt", "", "w"]));
    assert_eq!(
        error.message,
        format!(
            "EACCES: permission denied, open 'secret.txt': no fs capability of the template gives writing here; add one \
             for new sessions with `vm-system template add-capability {id} --kind fs --name NAME --config \
             '{{\"write\":[\"secret.txt\"]}}'`"
        )
    );
    let error = fixture.error("readFile", &json!(["it's [a].txt", true]));
    assert!(
        error
            .message
            .contains(r#"'{"read":["it'\''s \\[a\\].txt"]}'"#),
        "{}",
        error.message
    );
    assert_eq!(fixture.ok("exists", &json!(["a.txt"])), false);
    let taken = Fixture::with(&[("fs", "none", false, json!({}))]);
    let error = taken.error("readFile", &json!(["a.txt", true]));
    assert!(
        error.message.contains("not enabled takes reading away"),
        "{}",
        error.message
    );
}
