//! A session of a daemon, and the executions in it.

use serde_json::{Value, json};

use crate::{Answer, Api, wait_for};

/// An open session of a daemon.
#[derive(Clone, Debug)]
pub struct Session {
    /// The id of the session.
    pub id: String,
    pub(crate) api: Api,
}

impl Session {
    /// Runs a snippet; returns the execution.
    pub fn run(&self, code: &str) -> Value {
        self.submit(code).expect_status(201)
    }

    /// Runs a snippet that ends `ok`; returns the preview of its value.
    ///
    /// # Panics
    /// If the snippet ends otherwise.
    #[track_caller]
    pub fn eval(&self, code: &str) -> String {
        let execution = self.run(code);
        assert_eq!(execution["status"], "ok", "{code}: {execution}");
        execution["result"]["preview"]
            .as_str()
            .expect("a preview is text")
            .to_owned()
    }

    /// Makes the session take a checkpoint, by code with more nondeterministic inputs than are
    /// recorded.
    #[track_caller]
    pub fn checkpoint(&self) {
        self.eval("crypto.getRandomValues(new Uint8Array(1024)).length");
    }

    /// Submits a snippet; the answer may be a refusal.
    pub fn submit(&self, code: &str) -> Answer {
        self.api.post(
            "/executions/repl",
            &json!({"session_id": self.id, "input": code}),
        )
    }

    /// Submits a file of the worktree; the answer may be a refusal.
    pub fn submit_file(&self, path: &str) -> Answer {
        self.api.post(
            "/executions/run-file",
            &json!({"session_id": self.id, "path": path}),
        )
    }

    /// Starts a snippet on a thread of its own, and waits until it runs.
    ///
    /// # Panics
    /// If the execution ends before it was seen running.
    pub fn start(&self, code: &str) -> std::thread::JoinHandle<Answer> {
        let (session, code) = (self.clone(), code.to_owned());
        let before = self.executions().len();
        let running = std::thread::spawn(move || session.submit(&code));
        wait_for("the execution to run", || {
            let executions = self.executions();
            let runs = executions.len() > before && executions[0]["status"] == "running";
            assert!(
                runs || !running.is_finished(),
                "it ended before it was seen to run"
            );
            runs.then_some(())
        });
        running
    }

    /// The executions of the session, newest first.
    ///
    /// # Panics
    /// If the answer is no list.
    pub fn executions(&self) -> Vec<Value> {
        let path = format!("/executions?session_id={}&limit=1000", self.id);
        let list = self.api.get(&path).expect_status(200);
        list.as_array().expect("a list").clone()
    }

    /// The events of an execution.
    ///
    /// # Panics
    /// If the answer is no list.
    pub fn events(&self, execution: &Value) -> Vec<Value> {
        let id = execution["id"].as_str().expect("an id");
        let list = self
            .api
            .get(&format!("/executions/{id}/events"))
            .expect_status(200);
        list.as_array().expect("a list").clone()
    }

    /// The texts that an execution wrote to the console.
    pub fn console(&self, execution: &Value) -> Vec<String> {
        self.events(execution)
            .iter()
            .filter(|event| event["type"] == "console")
            .filter_map(|event| event["payload"]["text"].as_str().map(str::to_owned))
            .collect()
    }

    /// The record of the session.
    pub fn record(&self) -> Value {
        self.api
            .get(&format!("/sessions/{}", self.id))
            .expect_status(200)
    }

    /// Closes the session.
    pub fn close(&self) -> Value {
        self.api
            .post(&format!("/sessions/{}/close", self.id), &json!({}))
            .expect_status(200)
    }
}
