//! The binary against a server with canned responses: exit statuses, and the stream of each output.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

const ID: &str = "51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21";

/// Serves the answers by method and path for as long as the test runs; returns the URL.
fn server(answers: &'static [(&'static str, &'static str, String)]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            answer(stream.unwrap(), answers);
        }
    });
    url
}

/// Reads one request and answers it.
fn answer(mut stream: TcpStream, answers: &[(&str, &str, String)]) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let request = line.trim_end().trim_end_matches(" HTTP/1.1").to_owned();
    let mut length = 0;
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
    }
    reader.read_exact(&mut vec![0; length]).unwrap();
    let missing = r#"{"error":{"code":"NOT_FOUND","message":"no such route"}}"#;
    let found = answers.iter().find(|(known, ..)| *known == request);
    let (status, body) = found.map_or(("404 Not Found", missing), |(_, status, body)| {
        (*status, body)
    });
    let length = body.len();
    // The client may have closed the connection already.
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
}

fn leak(
    answers: Vec<(&'static str, &'static str, String)>,
) -> &'static [(&'static str, &'static str, String)] {
    answers.leak()
}

/// A command without the environment variables of the program.
fn vm_system(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vm-system"));
    command
        .args(arguments)
        .env_remove("VM_SYSTEM_SERVER_URL")
        .env_remove("VM_SYSTEM_LOG")
        .stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = vm_system(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn execution(status: &str, end: &str) -> String {
    format!(
        r#"{{"id":"{ID}","session_id":"{ID}","kind":"repl","input":"x","args":[],"env":{{}},"status":"{status}","started_at":"2026-01-01T00:00:00.000000Z",{end},"metrics":{{"new":1}}}}"#
    )
}

fn executions() -> String {
    let event = format!(
        r#"[{{"execution_id":"{ID}","seq":1,"ts":"2026-01-01T00:00:00.000000Z","type":"input_echo","payload":{{"text":"x"}}}}]"#
    );
    server(leak(vec![
        (
            "POST /api/v1/executions/repl",
            "201 Created",
            execution("error", r#""error":{"message":"Error: no"}"#),
        ),
        (
            "GET /api/v1/executions/51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21",
            "200 OK",
            execution(
                "ok",
                r#""result":{"type":"number","preview":"42","json":42}"#,
            ),
        ),
        (
            "GET /api/v1/executions/51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21/events?after_seq=0",
            "200 OK",
            event,
        ),
    ]))
}

#[test]
fn a_failed_execution_is_printed_and_fails_the_command_only_if_asked_to() {
    let url = executions();
    let expected = format!(
        "Execution ID: {ID}\nStatus: error\nError: {{\"message\":\"Error: no\"}}\n\nEvents:\n[1] input_echo: {{\"text\":\"x\"}}\n"
    );
    let plain = run(&["exec", "repl", ID, "x", "--server-url", &url]);
    assert_eq!(plain, (0, expected.clone(), String::new()));
    let checked = run(&["exec", "repl", ID, "x", "--check", "--server-url", &url]);
    assert_eq!(checked, (1, expected, String::new()));
    let (status, ..) = run(&["exec", "get", ID, "--check", "--server-url", &url]);
    assert_eq!(status, 0);
}

#[test]
fn json_is_the_unchanged_answer() {
    let url = executions();
    let expected = execution("error", r#""error":{"message":"Error: no"}"#) + "\n";
    let arguments = [
        "exec",
        "repl",
        ID,
        "x",
        "--check",
        "--output",
        "json",
        "--server-url",
        &url,
    ];
    assert_eq!(run(&arguments), (1, expected, String::new()));
}

#[test]
fn an_error_goes_to_standard_error_with_its_code() {
    let url = server(&[]);
    let (status, stdout, stderr) = run(&["--server-url", &url, "template", "list"]);
    assert_eq!(status, 1);
    assert_eq!(stdout, "");
    assert_eq!(stderr, "Error: NOT_FOUND: no such route\n");
}

#[test]
fn an_abbreviated_id_of_no_or_several_objects_is_an_error_with_a_code() {
    let found = |kind| format!(r#"{{"id":"{ID}","kind":"{kind}"}}"#);
    let url = server(leak(vec![
        ("GET /api/v1/ids/0", "200 OK", "[]".to_owned()),
        (
            "GET /api/v1/ids/51",
            "200 OK",
            format!("[{},{}]", found("session"), found("session")),
        ),
    ]));
    for (arguments, expected) in [
        (
            ["session", "get", "0"],
            "Error: SESSION_NOT_FOUND: there is no session whose id begins with 0\n",
        ),
        (
            ["exec", "get", "51"],
            "Error: EXECUTION_NOT_FOUND: there is no execution whose id begins with 51\n",
        ),
        (
            ["template", "get", "0"],
            "Error: TEMPLATE_NOT_FOUND: there is no template whose id begins with 0\n",
        ),
        (
            ["session", "get", "51"],
            "Error: VALIDATION_ERROR: several sessions have an id that begins with 51: 51c0",
        ),
    ] {
        let (status, stdout, stderr) = run(&[&arguments[..], &["--server-url", &url]].concat());
        assert_eq!((status, stdout.as_str()), (1, ""), "{arguments:?}");
        assert!(stderr.starts_with(expected), "{stderr}");
    }
}

#[test]
fn a_daemon_without_a_list_of_libraries_causes_no_warning() {
    let added = format!(r#"{{"template_id":"{ID}","name":"own"}}"#);
    let url = server(leak(vec![(
        "POST /api/v1/templates/t/libraries",
        "201 Created",
        added,
    )]));
    let arguments = ["template", "add-library", "t", "--name", "own"];
    let ran = run(&[&arguments[..], &["--server-url", &url]].concat());
    let expected = format!("Added library: own to template {ID}\n");
    assert_eq!(ran, (0, expected, String::new()));
}

#[test]
fn usage_errors_end_with_status_2() {
    for (arguments, expected) in [
        (
            &["frobnicate"][..],
            "Error: unrecognized subcommand 'frobnicate'\n",
        ),
        (
            &["exec", "repl", ID],
            "Error: the following required arguments were not provided:\n  <CODE>\n",
        ),
        (
            &["template", "list", "--server-url", "localhost:1"],
            "Error: --server-url: \"localhost:1\" is not the URL",
        ),
        (
            &["template", "get", ".."],
            "Error: \"..\" can't be an id or a name\n",
        ),
        (
            &["libs", "download", "left-pad@^1.0.0"],
            "Error: \"left-pad@^1.0.0\" is not the name of a library or a package",
        ),
        (&[], "Runs JavaScript"),
    ] {
        let (status, stdout, stderr) = run(arguments);
        assert_eq!(
            (status, stdout.as_str()),
            (2, ""),
            "{arguments:?}: {stderr}"
        );
        assert!(stderr.starts_with(expected), "{arguments:?}: {stderr}");
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let url = server(leak(vec![(
        "GET /api/v1/health",
        "200 OK",
        r#"{"status":"ok"}"#.to_owned(),
    )]));
    let mut health = vm_system(&["ops", "health"]);
    health.env("VM_SYSTEM_SERVER_URL", &url);
    health.env("VM_SYSTEM_LOG", "");
    let output = health.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    // The command succeeds or fails, depending on a daemon at the default address.
    let output = health.env("VM_SYSTEM_SERVER_URL", "").output().unwrap();
    assert_ne!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn help_does_not_show_the_values_of_variables() {
    for arguments in [
        &["--help"][..],
        &["repl", "--help"],
        &["libs", "download", "--help"],
        &["help", "cli-reference"],
    ] {
        let mut help = vm_system(arguments);
        for name in ["SERVER_URL", "LOG", "HISTORY", "REGISTRY", "LIBRARY_SOURCE"] {
            help.env(format!("VM_SYSTEM_{name}"), "off=info,secret=warn");
        }
        let output = help.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("VM_SYSTEM_SERVER_URL"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for flag in ["--help", "--version"] {
        let (status, stdout, stderr) = run(&[flag]);
        assert_eq!((status, stderr.as_str()), (0, ""), "{flag}");
        assert!(stdout.contains("vm-system"), "{stdout}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let (status, stdout, stderr) = run(&["run", "/no/such/script.js"]);
    assert_eq!((status, stdout.as_str()), (1, ""));
    assert!(
        stderr.starts_with("Error: cannot run /no/such/script.js: "),
        "{stderr}"
    );
}

/// Pipes code into a console whose session answers the completeness check with this response;
/// returns the exit status and both outputs.
fn piped(status: &'static str, completeness: &str) -> (i32, String, String) {
    let session = format!(
        r#"{{"id":"{ID}","vm_id":"{ID}","workspace_id":"w","base_commit_oid":"c","worktree_path":"/","status":"ready","created_at":"2026-01-01T00:00:00.000000Z"}}"#
    );
    let url = server(leak(vec![
        (
            "GET /api/v1/sessions/51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21",
            "200 OK",
            session,
        ),
        (
            "POST /api/v1/sessions/51c0a2c4-6d0f-4f6a-8f5e-7f2b0f6f9d21/is-complete",
            status,
            completeness.to_owned(),
        ),
    ]));
    let mut console = vm_system(&["repl", ID, "--server-url", &url])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = console.stdin.take().unwrap();
    input
        .write_all(b"for (const name of names)\n  remove(name)\n")
        .unwrap();
    drop(input);
    let output = console.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn piped_input_is_not_run_if_its_completeness_is_unknown() {
    let busy = r#"{"error":{"code":"UNAVAILABLE","message":"try again"}}"#;
    let expected = (
        1,
        String::new(),
        "Error: UNAVAILABLE: try again\n".to_owned(),
    );
    assert_eq!(piped("503 Service Unavailable", busy), expected);
    let too_long = r#"{"status":"invalid","message":"it takes too long","code":"LOOK_LIMIT"}"#;
    let expected = (
        1,
        String::new(),
        "Error: LOOK_LIMIT: it takes too long\n".to_owned(),
    );
    assert_eq!(piped("200 OK", too_long), expected);
}

#[test]
fn a_closed_standard_output_is_no_error() {
    // The answer is larger than the buffer of a pipe.
    let ids = vec![ID; 20_000].join("\",\"");
    let url = server(leak(vec![(
        "GET /api/v1/templates/t/modules",
        "200 OK",
        format!("[\"{ids}\"]"),
    )]));
    let mut child = vm_system(&["template", "list-modules", "t", "--server-url", &url])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert_eq!(output.status.code(), Some(0));
}

/// The exit status of a command whose standard output is closed, and its standard error.
fn run_with_closed_output(arguments: &[&str]) -> (i32, String) {
    let (_, closed) = std::io::pipe().unwrap();
    let mut command = vm_system(arguments);
    let child = command.stdout(closed).stderr(Stdio::piped()).spawn();
    let output = child.unwrap().wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.code().unwrap(), stderr)
}

#[test]
fn a_failure_is_reported_with_a_closed_standard_output() {
    let url = executions();
    for format in ["text", "json"] {
        let arguments = [
            "exec",
            "repl",
            ID,
            "x",
            "--check",
            "--output",
            format,
            "--server-url",
            &url,
        ];
        assert_eq!(
            run_with_closed_output(&arguments),
            (1, String::new()),
            "{format}"
        );
    }
    let report = r#"{"ok":false,"problems":["a hole"],"executions":0,"events":0}"#;
    let url = server(leak(vec![(
        "GET /api/v1/runtime/check",
        "200 OK",
        report.to_owned(),
    )]));
    let arguments = ["ops", "check", "--server-url", &url];
    assert_eq!(run_with_closed_output(&arguments), (1, String::new()));
}
