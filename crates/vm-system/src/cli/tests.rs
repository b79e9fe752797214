use insta::assert_snapshot;

use super::*;

fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from([&["vm-system"], arguments].concat())
}

fn usage_error(arguments: &[&str]) -> String {
    let error = parse(arguments).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{arguments:?}");
    let text = error.to_string();
    text.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn the_command_line_is_well_formed() {
    Cli::command().debug_assert();
}

#[test]
fn every_command_shows_an_example() {
    fn check(command: &clap::Command, path: &str) {
        if !command.has_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.starts_with(&format!("Example:\n  {path}")),
                "{path}: {help:?}"
            );
        }
        for inner in command.get_subcommands() {
            check(inner, &format!("{path} {}", inner.get_name()));
        }
    }
    check(&Cli::command(), "vm-system");
}

#[test]
fn the_help_of_the_top_level_names_every_group() {
    let mut command = Cli::command().term_width(100);
    assert_snapshot!(command.render_help(), @r"
    Runs JavaScript in sessions that outlive a command, each in a process of its own

    Usage: vm-system [OPTIONS] <COMMAND>

    Commands:
      serve        Run the daemon until SIGINT or SIGTERM
      run          Run one file without a daemon, and print its value
      repl         Type JavaScript at a session
      template     Templates: what a session may do
      session      Sessions: live runtimes
      exec         Executions: code that runs in a session, and its events
      ops          How the daemon is doing
      libs         JavaScript libraries that templates can name
      completions  Print a script that completes this program's arguments in a shell
      man          Write the manual pages of all commands
      help         Explain a command or a topic

    Options:
      -h, --help     Print help
      -V, --version  Print version

    Global options:
          --server-url <URL>     The daemon to talk to: its URL, or its socket's path after unix: [env:
                                 VM_SYSTEM_SERVER_URL] [default: http://127.0.0.1:3210]
          --token-file <PATH>    The file with the token that the daemon asks for, if VM_SYSTEM_TOKEN
                                 does not hold it; serve makes the file if it is missing
          --db <PATH>            The database of serve, made if it is not there, of ops import, and of
                                 ops check without a daemon [default: vm-system.db]
          --log-level <LEVEL>    What to log: off, fatal, error, warn, info, debug, trace or directives
                                 like warn,vmcontrol=debug [default: info for serve, off for run and
                                 repl, else warn] [env: VM_SYSTEM_LOG]
          --log-file <PATH>      The file to log to instead of standard error; what it holds stays
          --log-format <FORMAT>  How to write the log: human (or text), or json [default: human on a
                                 terminal and for commands, else json]
          --output <FORMAT>      How to print what the daemon answers: for people, or as the API's JSON
                                 [default: text] [possible values: text, json]

    Example:
      vm-system run script.js
      vm-system serve --db vm-system.db --listen 127.0.0.1:3210
    ");
}

#[test]
fn global_flags_stand_before_or_after_the_command() {
    for arguments in [
        [
            "--output",
            "json",
            "--server-url",
            "http://h",
            "template",
            "list",
        ],
        [
            "template",
            "list",
            "--server-url",
            "http://h",
            "--output",
            "json",
        ],
        [
            "template",
            "--server-url",
            "http://h",
            "list",
            "--output",
            "json",
        ],
    ] {
        let global = parse(&arguments).unwrap().global;
        assert_eq!(global.server_url, "http://h");
        assert_eq!(global.output, Format::Json);
        assert_eq!(global.db, None);
    }
}

#[test]
fn code_may_look_like_a_flag() {
    for (code, flag) in [("-1 + 2", None), ("-x", Some("--check")), ("--y", None)] {
        let mut arguments = vec!["exec", "repl", "s", code];
        arguments.extend(flag);
        let Command::Exec(ExecCommand::Repl {
            code: got, check, ..
        }) = parse(&arguments).unwrap().command
        else {
            panic!("{arguments:?} is a repl");
        };
        assert_eq!((got.as_deref(), check), (Some(code), flag.is_some()));
    }
}

#[test]
fn a_capability_is_enabled_unless_told_otherwise() {
    for (flag, expected) in [
        (None, true),
        (Some("--enabled"), true),
        (Some("--enabled=true"), true),
        (Some("--enabled=false"), false),
    ] {
        let mut arguments = vec!["template", "add-capability", "t", "--name", "fs"];
        arguments.extend(flag);
        let Command::Template(TemplateCommand::Part(PartCommand::AddCapability {
            kind,
            config,
            enabled,
            ..
        })) = parse(&arguments).unwrap().command
        else {
            panic!("{arguments:?} adds a capability");
        };
        assert_eq!(
            (kind.as_str(), config.len(), enabled),
            ("module", 0, expected)
        );
    }
}

#[test]
fn a_bad_value_is_a_usage_error_that_names_the_flag() {
    assert_snapshot!(
        usage_error(&["exec", "run-file", "s", "a.js", "--args", "{\"a\":}"]),
        @r#"error: invalid value '{"a":}' for '--args <JSON>': not JSON: expected value at line 1 column 6"#
    );
    assert_snapshot!(
        usage_error(&["run", "a.js", "--env", "[]"]),
        @"error: invalid value '[]' for '--env <JSON>': expected a JSON object, not an array"
    );
    assert_snapshot!(
        usage_error(&["template", "add-capability", "t", "--name", "n", "--config", "x"]),
        @"error: invalid value 'x' for '--config <JSON>': not JSON: expected value at line 1 column 1"
    );
    assert_snapshot!(
        usage_error(&["session", "list", "--status", "open"]),
        @"error: invalid value 'open' for '--status <STATUS>'"
    );
    assert_snapshot!(
        usage_error(&["exec", "list", "s", "--limit", "0"]),
        @"error: invalid value '0' for '--limit <N>': 0 is not in 1..=4294967295"
    );
    assert_snapshot!(
        usage_error(&["serve", "--log-level", "inof"]),
        @"error: invalid value 'inof' for '--log-level <LEVEL>': expected off, fatal, error, warn, info, debug, trace or directives like warn,vmcontrol=debug"
    );
}

#[test]
fn every_limit_has_a_flag_of_its_name() {
    let mut command = Cli::command();
    let set = command.find_subcommand_mut("template").unwrap();
    let set = set.find_subcommand_mut("set").unwrap();
    let flags = set.get_arguments().filter_map(|flag| {
        let is_limit = vmapi_types::LIMITS
            .iter()
            .any(|limit| limit.name == flag.get_id());
        is_limit.then(|| {
            let (long, help) = (flag.get_long()?, flag.get_help()?);
            Some(format!("--{long} {:?}  {help}", flag.get_value_names()?))
        })
    });
    let flags = flags.collect::<Option<Vec<_>>>().unwrap();
    assert_snapshot!(flags.join("\n"), @r#"
    --cpu-ms ["MS"]  The limit of CPU time of an execution, in milliseconds
    --wall-ms ["MS"]  The limit of elapsed time of an execution, in milliseconds
    --mem-mb ["MIB"]  The limit of a session's heap, in MiB
    --max-events ["N"]  The limit of events of an execution: of its console output
    --max-output-kb ["KIB"]  The limit of output of an execution, in KiB: of the payloads of its console, stdout and stderr events
    "#);
    let arguments = [
        "template",
        "set",
        "t",
        "--cpu-ms",
        "7",
        "--max-output-kb",
        "8",
    ];
    let Command::Template(command) = parse(&arguments).unwrap().command else {
        panic!("it is another command");
    };
    let TemplateCommand::Set(args) = command else {
        panic!("it is another command");
    };
    let limits = serde_json::json!({"cpu_ms": 7, "max_output_kb": 8});
    assert_eq!(serde_json::json!(args.request().limits), limits);
    let error = usage_error(&["template", "set", "t", "--cpu-ms", "x"]);
    assert!(
        error.contains("invalid value 'x' for '--cpu-ms <MS>'"),
        "{error}"
    );
}
