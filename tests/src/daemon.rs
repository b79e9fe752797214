//! A daemon for one test: its start, its files, its processes, and its end.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Answer, Api, Process, Role, Session, command, wait_for};

/// The arguments for a free port.
pub const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

/// The name of the directory of the library cache.
const LIBRARIES: &str = "libraries";

/// The options of a daemon.
#[derive(Debug, Default)]
pub struct DaemonOptions {
    /// The directory of the database, of `worktree` and of the log; `None` makes a new one.
    pub home: Option<TempDir>,
    /// Further arguments for `serve`.
    pub args: Vec<String>,
    /// Further environment variables.
    pub env: Vec<(String, String)>,
    /// System calls that a seccomp filter denies to the daemon and its processes, as some
    /// containers do.
    pub refused_calls: Vec<i64>,
}

/// A daemon for one test. It is killed when this is dropped.
pub struct Daemon {
    home: Option<TempDir>,
    child: Child,
    /// The standard output of the daemon, which stays open.
    _stdout: BufReader<ChildStdout>,
    server: String,
    /// A client of its API.
    pub api: Api,
}

/// Makes a command install a seccomp filter that denies system calls.
fn refuse(command: &mut Command, calls: &[i64]) {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    let architecture = std::env::consts::ARCH
        .try_into()
        .expect("the sandbox knows this architecture");
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Allow,
        SeccompAction::Errno(nix::libc::EPERM.cast_unsigned()),
        architecture,
    );
    let program: BpfProgram = filter
        .and_then(TryInto::try_into)
        .expect("a filter of calls alone is right");
    // SAFETY: the filter was made before the fork; applying it takes two system calls and no lock.
    unsafe {
        command.pre_exec(move || {
            seccompiler::apply_filter(&program).map_err(|_| std::io::Error::last_os_error())
        });
    }
}

impl Daemon {
    /// Starts a daemon on a new database.
    pub fn start() -> Self {
        Self::start_with(DaemonOptions::default())
    }

    /// Starts a daemon on the directory of an earlier one.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_in(home: TempDir) -> Self {
        Self::start_with(DaemonOptions {
            home: Some(home),
            ..DaemonOptions::default()
        })
    }

    /// Starts a daemon on a new database, with further arguments for `serve`.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with_args(args: &[&str]) -> Self {
        Self::start_with(DaemonOptions {
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            ..DaemonOptions::default()
        })
    }

    /// Starts a daemon.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_with(options: DaemonOptions) -> Self {
        let home = options
            .home
            .unwrap_or_else(|| tempfile::tempdir().expect("a directory can be made"));
        std::fs::create_dir_all(home.path().join("worktree")).expect("a directory can be made");
        let mut serve = Self::serve_command(home.path());
        serve.args(&options.args).envs(options.env);
        if !options.args.iter().any(|arg| arg == "--listen") {
            serve.args(ANY_PORT);
        }
        if !options.refused_calls.is_empty() {
            refuse(&mut serve, &options.refused_calls);
        }
        let mut child = serve
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file(home.path()))
            .spawn()
            .expect("the daemon can be started");
        let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("its output is text");
        let server = line
            .split_whitespace()
            .find(|word| word.starts_with("http://") || word.starts_with("unix:"))
            .unwrap_or_else(|| panic!("the daemon did not start: {line}{}", read_log(home.path())))
            .to_owned();
        Self {
            home: Some(home),
            child,
            _stdout: stdout,
            api: Api::new(&server),
            server,
        }
    }

    /// The command `serve` with all its files below `home`; the caller adds the address.
    pub fn serve_command(home: &Path) -> Command {
        let mut serve = command();
        serve
            .args(["serve", "--db"])
            .arg(home.join("test.db"))
            .arg("--library-cache")
            .arg(home.join(LIBRARIES))
            .current_dir(home);
        serve
    }

    /// The URL of the daemon: `http://host:port`, or `unix:/path`, which [`api`](Self::api) does
    /// not support.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The process id of the daemon.
    ///
    /// # Panics
    /// Never: process ids are small.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("process ids are small")
    }

    /// The directory that holds all files of the daemon.
    ///
    /// # Panics
    /// Never: the directory exists as long as this value.
    pub fn home(&self) -> &Path {
        self.home.as_ref().expect("it is there").path()
    }

    /// The worktree of its sessions.
    pub fn worktree(&self) -> PathBuf {
        self.home().join("worktree")
    }

    /// Writes a file of the worktree.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.worktree().join(path);
        std::fs::create_dir_all(path.parent().expect("it is below the worktree"))
            .expect("a directory can be made");
        std::fs::write(path, text).expect("the file can be written");
    }

    /// The text of its log.
    pub fn log(&self) -> String {
        read_log(self.home())
    }

    /// A command of the CLI with the URL of this daemon.
    pub fn cli(&self, args: &[&str]) -> Command {
        let mut cli = command();
        cli.args(["--server-url", self.server()])
            .args(args)
            .current_dir(self.home());
        cli
    }

    /// Makes a template; returns its id.
    pub fn template(&self) -> String {
        let name = format!("template-{}", uuid::Uuid::new_v4());
        let made = self.api.post("/templates", &json!({"name": name}));
        id_of(&made.expect_status(201))
    }

    /// Makes a template with native modules; returns its id.
    pub fn template_with_modules(&self, modules: &[&str]) -> String {
        let id = self.template();
        for module in modules {
            let path = format!("/templates/{id}/modules");
            self.api
                .post(&path, &json!({"name": module}))
                .expect_status(201);
        }
        id
    }

    /// Makes a template with libraries of the cache, in this order; returns its id.
    pub fn template_with_libraries(&self, libraries: &[&str]) -> String {
        let id = self.template();
        let path = format!("/templates/{id}/libraries");
        for name in libraries {
            self.api
                .post(&path, &json!({"name": name}))
                .expect_status(201);
        }
        id
    }

    /// Makes a template with these limits; returns its id.
    pub fn template_with_limits(&self, limits: &Value) -> String {
        let id = self.template();
        let change = json!({"limits": limits});
        self.api
            .patch(&format!("/templates/{id}"), &change)
            .expect_status(200);
        id
    }

    /// Raises `cpu_ms` and `wall_ms` of a template to a minute, for code that the test ends, or
    /// that is slow on a busy machine.
    pub fn raise_time_limits(&self, template: &str) {
        let limits = json!({"limits": {"cpu_ms": 60_000, "wall_ms": 60_000}});
        self.api
            .patch(&format!("/templates/{template}"), &limits)
            .expect_status(200);
    }

    /// Makes a session in which code may run for a minute.
    pub fn session_with_long_limits(&self) -> Session {
        let template = self.template();
        self.raise_time_limits(&template);
        self.session_of(&template)
    }

    /// The directory of its library cache, which is created with the first library.
    pub fn library_cache(&self) -> PathBuf {
        self.home().join(LIBRARIES)
    }

    /// Writes a file into the library cache.
    ///
    /// # Panics
    /// When it can't be written.
    pub fn write_library(&self, file: &str, text: &str) {
        let cache = self.library_cache();
        std::fs::create_dir_all(&cache).expect("a directory can be made");
        std::fs::write(cache.join(file), text).expect("the file can be written");
    }

    /// Makes a session of a new template.
    pub fn session(&self) -> Session {
        self.session_of(&self.template())
    }

    /// Makes a session of a template.
    pub fn session_of(&self, template: &str) -> Session {
        self.session_with_id(&id_of(&self.request_session(template).expect_status(201)))
    }

    /// A session that exists already, by its id.
    pub fn session_with_id(&self, id: &str) -> Session {
        Session {
            id: id.to_owned(),
            api: self.api.clone(),
        }
    }

    /// Requests a session of a template; the answer may be a refusal.
    pub fn request_session(&self, template: &str) -> Answer {
        self.api.post(
            "/sessions",
            &json!({
                "template_id": template,
                "workspace_id": "workspace",
                "base_commit_oid": "commit",
                "worktree_path": self.worktree(),
            }),
        )
    }

    /// The process id of its zygote.
    pub fn zygote(&self) -> i32 {
        wait_for("a zygote", || {
            Process::zygotes(self.pid()).into_iter().next()
        })
        .pid
    }

    /// Waits until the daemon has no session process left.
    pub fn wait_until_sessions_are_gone(&self) {
        let zygote = self.zygote();
        wait_for("all processes of the sessions to be gone", || {
            Process::session_processes(zygote).is_empty().then_some(())
        });
    }

    /// Waits until a session has one process in a role, and returns it.
    pub fn process_of(&self, session: &Session, role: Role) -> i32 {
        wait_for("a process of the session", || {
            self.find_process(session, role)
        })
    }

    /// Makes a session take a checkpoint; returns the process of the checkpoint.
    #[track_caller]
    pub fn checkpoint(&self, session: &Session) -> i32 {
        // An earlier checkpoint that is exiting may be among the processes.
        let before = self.all_of(session, Role::Checkpoint);
        session.checkpoint();
        wait_for("another checkpoint", || {
            let found = self.find_process(session, Role::Checkpoint);
            found.filter(|pid| !before.contains(pid))
        })
    }

    /// Waits until a process other than `before` is the only one of a session in a role; returns
    /// it.
    #[track_caller]
    pub fn wait_for_replacement(&self, before: i32, session: &Session, role: Role) -> i32 {
        wait_for("another process of the session", || {
            self.find_process(session, role)
                .filter(|found| *found != before)
        })
    }

    /// The process of a session in a role; `None` unless there is exactly one. An earlier
    /// checkpoint may still be exiting.
    pub fn find_process(&self, session: &Session, role: Role) -> Option<i32> {
        match self.all_of(session, role)[..] {
            [only] => Some(only),
            _ => None,
        }
    }

    /// The processes of a session that have the name of a role.
    fn all_of(&self, session: &Session, role: Role) -> Vec<i32> {
        let letter = match role {
            Role::Session => 's',
            Role::Checkpoint => 'c',
        };
        let name = format!("vms-{letter}-{}", &session.id[..8]);
        Process::descendants(self.pid())
            .into_iter()
            .filter(|process| process.name == name && process.state != 'Z')
            .map(|process| process.pid)
            .collect()
    }

    /// Sends a signal to the daemon.
    ///
    /// # Panics
    /// When the daemon is gone.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).expect("the daemon is there");
    }

    /// Waits until the daemon has ended.
    ///
    /// # Panics
    /// When it can't be waited for.
    pub fn wait(&mut self) -> ExitStatus {
        wait_for("the end of the daemon", || {
            self.child.try_wait().expect("it can be waited for")
        })
    }

    /// Asks the daemon to stop and waits for its end. The directory is kept for the next daemon.
    ///
    /// # Panics
    /// When it does not stop in order.
    pub fn stop(mut self) -> TempDir {
        self.signal(Signal::SIGTERM);
        let status = self.wait();
        assert!(status.success(), "{status}: {}", self.log());
        self.home.take().expect("it is there")
    }

    /// Kills the daemon (`SIGKILL`). The directory is kept for the next daemon.
    ///
    /// # Panics
    /// When it is gone already.
    pub fn kill(mut self) -> TempDir {
        self.signal(Signal::SIGKILL);
        self.wait();
        self.home.take().expect("it is there")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // This fails if the daemon has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn id_of(record: &Value) -> String {
    record["id"]
        .as_str()
        .expect("a record has an id")
        .to_owned()
}

fn log_file(home: &Path) -> Stdio {
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(home.join("daemon.log"))
        .expect("a log can be made")
        .into()
}

fn read_log(home: &Path) -> String {
    std::fs::read_to_string(home.join("daemon.log")).unwrap_or_default()
}
