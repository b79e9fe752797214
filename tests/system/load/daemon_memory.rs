//! The memory of the daemon that sessions can use.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use vm_system_tests::{Daemon, Session};

/// The number of sessions that request large answers at once.
const SESSIONS: usize = 32;

/// The bound on the peak memory of the daemon, in KiB: 400 MB.
const LIMIT_KIB: u64 = 400 * 1000;

/// The bound on a small execution in another session. It is generous, because the machine is busy
/// with all these sessions.
const SMALL_TIMEOUT: Duration = Duration::from_secs(20);

/// The largest file that can be read, in bytes.
const LARGEST_FILE: usize = 16 * 1024 * 1024;

/// The codes of the errors that a script may get instead of the answer.
const REFUSALS: &str = r#"["ERR_HOST_BUSY", "ERR_LISTING_TOO_LARGE", "EFBIG", "ENOSPC"]"#;

/// A server that answers each request with the largest body of control characters that can be
/// fetched.
fn large_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            std::thread::spawn(move || {
                let mut connection = connection.unwrap();
                let _ = connection.read(&mut [0; 4096]);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGEST_FILE}\r\n\r\n");
                let body = vec![1; LARGEST_FILE];
                // This fails if the client has gone.
                let _ = connection.write_all(head.as_bytes());
                let _ = connection.write_all(&body);
            });
        }
    });
    port
}

/// A daemon with a worktree of large files and a folder that is long to list, and a template that
/// reaches all of it.
fn daemon_with_large_files(port: u16) -> (Daemon, String) {
    let daemon = Daemon::start_with_args(&["--max-write-mb", "100000", "--min-free-disk", "0"]);
    let worktree = daemon.worktree();
    fs::create_dir_all(&worktree).unwrap();
    fs::write(worktree.join("control.txt"), vec![1; LARGEST_FILE]).unwrap();
    let string = format!("\"{}\"", "x".repeat(LARGEST_FILE - 2));
    fs::write(worktree.join("large.json"), string).unwrap();
    let deep = worktree.join("deep");
    fs::create_dir_all(deep.join("n".repeat(200)).join("m".repeat(200))).unwrap();
    for file in 0..30_000 {
        let folder = deep.join("n".repeat(200)).join("m".repeat(200));
        fs::write(folder.join(format!("{file}\u{1}{}", "o".repeat(100))), "").unwrap();
    }
    let template = daemon.template_with_modules(&["fs", "exec", "database"]);
    daemon.raise_time_limits(&template);
    let limits = json!({"limits": {"mem_mb": 1024}});
    let path = format!("/templates/{template}");
    daemon.api.patch(&path, &limits).expect_status(200);
    let net =
        json!({"kind": "net", "name": "n", "config": {"hosts": [format!("127.0.0.1:{port}")]}});
    daemon
        .api
        .post(&format!("{path}/capabilities"), &net)
        .expect_status(201);
    (daemon, template)
}

/// Scripts that each make the largest answer of a host call, or its largest arguments.
fn scripts(port: u16) -> Vec<String> {
    let refusable = |code: &str| {
        format!(
            "try {{ {code} }} catch (error) {{ if (!{REFUSALS}.includes(error.code ?? error.cause?.code)) throw error; \
             String(error.code ?? error.cause?.code) }}"
        )
    };
    let own = "const own = 'own-' + crypto.randomUUID();";
    [
        "require('fs').readFileSync('control.txt').length".to_owned(),
        "require('fs').readFileSync('control.txt', null).length".to_owned(),
        "require('fs').readdirSync('deep', {recursive: true}).length".to_owned(),
        "require('exec').run('sh', ['-c', 'head -c 8000000 /dev/zero']).length".to_owned(),
        "const db = require('database'); db.configure('sqlite3', ':memory:'); \
         db.query(\"SELECT replace(hex(zeroblob(8000000)), '0', char(1)) AS x\")[0].x.length"
            .to_owned(),
        "const db = require('database'); db.configure('sqlite3', ':memory:'); \
         db.query('SELECT zeroblob(16000000) AS x')[0].x.length"
            .to_owned(),
        "require('./large.json').length".to_owned(),
        format!("(await (await fetch('http://127.0.0.1:{port}/')).bytes()).length"),
        format!(
            "{own} require('fs').writeFileSync(own, '\\u0001'.repeat(30_000_000)); require('fs').rmSync(own)"
        ),
        "require('exec').run('cat', [], {input: new Uint8Array(8_000_000)}).length".to_owned(),
    ]
    .iter()
    .map(|code| refusable(code))
    .collect()
}

/// Runs small executions in a session until `stop` is set; returns the longest time of one.
fn longest_small(session: &Session, stop: &AtomicBool) -> Duration {
    let mut longest = Duration::ZERO;
    while !stop.load(Ordering::Relaxed) {
        let began = Instant::now();
        assert_eq!(session.eval("1 + 1"), "2");
        longest = longest.max(began.elapsed());
    }
    longest
}

/// The peak memory of a process, in KiB.
fn peak_kib(pid: i32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.expect("the system says so").parse().unwrap()
}

#[test]
fn sessions_that_all_make_the_largest_answers_at_once_leave_the_daemon_in_its_bounds() {
    let port = large_server();
    let (daemon, template) = daemon_with_large_files(port);
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|_| daemon.session_of(&template))
        .collect();
    let other = daemon.session();
    let scripts = scripts(port);
    let stop = AtomicBool::new(false);
    let (failed, longest) = std::thread::scope(|scope| {
        let small = scope.spawn(|| longest_small(&other, &stop));
        let running: Vec<_> = sessions
            .iter()
            .enumerate()
            .map(|(number, session)| {
                let scripts = &scripts;
                scope.spawn(move || {
                    // Each session begins with another script, so that all kinds run at once.
                    let mine = scripts.iter().cycle().skip(number).take(scripts.len());
                    mine.map(|script| session.submit(script))
                        .filter(|answer| answer.json["status"] != "ok")
                        .map(|answer| answer.text)
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let failed: Vec<_> = running
            .into_iter()
            .flat_map(|running| running.join().unwrap())
            .collect();
        stop.store(true, Ordering::Relaxed);
        (failed, small.join().unwrap())
    });
    let peak = peak_kib(daemon.pid());
    println!(
        "the daemon had {peak} KiB at its highest; a small execution took {longest:?} at the longest"
    );
    assert!(failed.is_empty(), "{} failed: {}", failed.len(), failed[0]);
    assert!(peak < LIMIT_KIB, "{peak} KiB");
    assert!(longest < SMALL_TIMEOUT, "{longest:?}");
}

#[test]
fn values_and_files_of_the_largest_size_leave_the_daemon_in_its_bounds() {
    let (daemon, template) = daemon_with_large_files(large_server());
    let source = format!("/*{}*/ 7", "\u{1}".repeat(LARGEST_FILE - 100));
    fs::write(daemon.worktree().join("source.js"), source).unwrap();
    let sessions: Vec<_> = (0..12).map(|_| daemon.session_of(&template)).collect();
    std::thread::scope(|scope| {
        for session in &sessions {
            scope.spawn(|| {
                let ran = session.submit_file("source.js");
                assert_eq!(ran.json["status"], "ok", "{}", ran.text);
                let value = session.submit("'\\u0001'.repeat(5_000_000)");
                let is_told = value.json["status"] == "ok" || value.status == 503;
                assert!(is_told, "{}", value.text);
            });
        }
    });
    let peak = peak_kib(daemon.pid());
    println!("the daemon had {peak} KiB at its highest");
    assert!(peak < LIMIT_KIB, "{peak} KiB");
}

#[test]
fn an_execution_that_writes_more_than_it_may_gets_enospc_and_others_go_on() {
    let daemon = Daemon::start_with_args(&["--max-write-mb", "2"]);
    let template = daemon.template_with_modules(&["fs", "database", "exec"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    let code = |code: &str| {
        format!("try {{ {code}; 'written' }} catch (error) {{ error.code + ' ' + error.message }}")
    };
    let refused = |code: &str| {
        let told = session.eval(code);
        assert!(
            told.contains("ENOSPC") && told.contains("--max-write-mb"),
            "{told}"
        );
    };
    let write = code(
        "const fs = require('fs'); for (let i = 0; i < 3; i++) fs.appendFileSync('a', 'x'.repeat(1 << 20))",
    );
    refused(&write);
    assert_eq!(
        fs::metadata(daemon.worktree().join("a")).unwrap().len(),
        2 << 20
    );
    // The next execution may write as much again.
    assert_eq!(
        session.eval(&code(
            "require('fs').writeFileSync('b', 'x'.repeat(1 << 20))"
        )),
        "written"
    );
    assert!(
        session
            .eval(&code(
                "require('fs').copyFileSync('a', 'c'); require('fs').copyFileSync('a', 'd')"
            ))
            .contains("ENOSPC")
    );
    refused(&code(
        "const db = require('database'); db.configure('sqlite3', 'data.db'); db.exec('CREATE TABLE t (x)'); \
         for (let i = 0; i < 50; i++) db.exec('INSERT INTO t VALUES (zeroblob(100000))')",
    ));
    let count = "require('database').query('SELECT count(*) AS n FROM t')[0].n > 5";
    assert_eq!(session.eval(count), "true");
    let file = "require('exec').spawnSync('sh', ['-c', 'head -c 5000000 /dev/zero > e']).status";
    assert_ne!(session.eval(file), "0");
    assert!(fs::metadata(daemon.worktree().join("e")).unwrap().len() <= 2 << 20);
    let other = daemon.session_of(&template);
    assert_eq!(
        other.eval(&code(
            "require('fs').writeFileSync('f', 'x'.repeat(1 << 20))"
        )),
        "written"
    );
}

#[test]
fn nothing_is_written_to_a_disk_that_is_nearly_full() {
    let daemon = Daemon::start_with_args(&["--min-free-disk", "1000000000"]);
    let template = daemon.template_with_modules(&["fs", "database", "exec"]);
    let session = daemon.session_of(&template);
    for code in [
        "require('fs').writeFileSync('a', 'x')",
        "require('exec').run('true')",
        "const db = require('database'); db.configure('sqlite3', 'data.db'); db.exec('CREATE TABLE t (x)')",
    ] {
        let code = format!(
            "try {{ {code}; 'written' }} catch (error) {{ error.code + ' ' + error.message }}"
        );
        let told = session.eval(&code);
        assert!(
            told.contains("ENOSPC") && told.contains("--min-free-disk"),
            "{told}"
        );
    }
    assert!(!daemon.worktree().join("a").exists());
    assert_eq!(
        session.eval("require('fs').readdirSync('.').length >= 0"),
        "true"
    );
}

#[test]
fn a_session_process_is_charged_for_the_answers_that_it_gets() {
    let daemon = Daemon::start();
    fs::create_dir_all(daemon.worktree()).unwrap();
    fs::write(daemon.worktree().join("a.txt"), vec![1; LARGEST_FILE]).unwrap();
    let template = daemon.template_with_modules(&["fs"]);
    daemon.raise_time_limits(&template);
    let session = daemon.session_of(&template);
    let answer =
        session.run("const all = []; for (;;) all.push(require('fs').readFileSync('a.txt', null))");
    assert_eq!(answer["error"]["code"], "MEMORY_LIMIT", "{answer}");
    assert_eq!(session.eval("typeof all"), "undefined");
}
