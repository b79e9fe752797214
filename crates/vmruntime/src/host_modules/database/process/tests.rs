//! Tests of the connection of a database process, without the process.

use std::sync::Arc;

use serde_json::{Value, json};
use vmcontrol::{Worktree, WriteLimits};

use super::sqlite::Database;
use crate::host_modules::fixtures::{host_call, out_of_bodies};

struct Fixture {
    home: tempfile::TempDir,
    database: Database,
}

impl Fixture {
    fn new() -> Self {
        Self::with(|| false)
    }

    fn with(is_interrupted: fn() -> bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let worktree = Worktree::open_blocking(home.path().to_str().unwrap(), Vec::new()).unwrap();
        let mut fixture = Self {
            home,
            database: Database::new(
                Arc::new(worktree),
                WriteLimits::default(),
                is_interrupted,
                |_| false,
            ),
        };
        fixture
            .call("configure", &json!(["sqlite3", ":memory:"]))
            .unwrap();
        fixture
    }

    fn call(&mut self, function: &str, args: &Value) -> Result<Value, String> {
        let (reply, body) = self.database.call(&host_call("database", function, args));
        let answer = reply.map_err(|error| error.message)?;
        let answer = serde_json::from_str(answer.get()).unwrap();
        Ok(out_of_bodies(&answer, &[body]))
    }

    fn one(&mut self, args: &Value) -> Value {
        self.call("query", args).unwrap()[0].clone()
    }
}

#[test]
fn parameters_are_bound_by_position_or_by_name() {
    let mut fixture = Fixture::new();
    for args in [
        json!(["SELECT ? AS a, ? AS b", [1, "x"]]),
        json!(["SELECT ? AS a, ? AS b", 1, "x"]),
        json!(["SELECT :a AS a, @b AS b", {"a": 1, "b": "x"}]),
        json!(["SELECT $a AS a, :b AS b", {"$a": 1, ":b": "x"}]),
        json!(["SELECT :a AS a, :b AS b", [1, "x"]]),
    ] {
        assert_eq!(fixture.one(&args), json!({"a": 1, "b": "x"}), "{args}");
    }
    assert_eq!(
        fixture.one(&json!(["SELECT $a AS a", {"$object": {"$a": 1}}])),
        json!({"a": 1})
    );
    for args in [
        json!(["SELECT :a, :b", {"a": 1}]),
        json!(["SELECT :a", {"a": 1, "b": 2}]),
        json!(["SELECT ?", {"a": 1}]),
        json!(["SELECT ?, ?", [1]]),
        json!(["SELECT ?", [1, 2]]),
        json!(["SELECT ?", [[1]]]),
        json!(["SELECT ?", [{"a": 1}]]),
        json!(["SELECT ?", [{"$what": 1}]]),
    ] {
        assert!(fixture.call("query", &args).is_err(), "{args}");
    }
}

#[test]
fn blobs_and_large_integers_are_read_as_they_were_written() {
    let mut fixture = Fixture::new();
    let blob = json!({"$bytes": "AP8B"});
    let large = json!({"$bigint": "9223372036854775807"});
    let args = json!(["SELECT ? AS blob, ? AS large, ? AS small, typeof(?1) || typeof(?2) AS types",
        [blob, large, {"$bigint": "-7"}]]);
    let expected = json!({"blob": blob, "large": large, "small": -7, "types": "blobinteger"});
    assert_eq!(fixture.one(&args), expected);
    // A single value can also be given in place of the list.
    assert_eq!(
        fixture.one(&json!(["SELECT ? AS blob", blob])),
        json!({"blob": blob})
    );
    let out_of_range = json!(["SELECT ?", [{"$bigint": "9223372036854775808"}]]);
    let message = fixture.call("query", &out_of_range).unwrap_err();
    assert!(message.contains("64 bits"), "{message}");
    let exact = fixture.one(&json!([
        "SELECT 9007199254740991 AS a, 9007199254740992 AS b",
        []
    ]));
    assert_eq!(
        exact,
        json!({"a": 9_007_199_254_740_991_i64, "b": {"$bigint": "9007199254740992"}})
    );
}

#[test]
fn a_column_with_the_name_of_a_tag_is_no_tag() {
    let mut fixture = Fixture::new();
    let row = fixture.one(&json!(["SELECT 'AA==' AS \"$bytes\"", []]));
    assert_eq!(row, json!({"$object": {"$bytes": "AA=="}}));
}

#[test]
fn several_statements_run_when_there_are_no_parameters() {
    let mut fixture = Fixture::new();
    let script = "CREATE TABLE t (x); INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)";
    for args in [
        json!([script]),
        json!([format!("DROP TABLE t; {script}"), {}]),
    ] {
        let done = fixture.call("exec", &args).unwrap();
        assert_eq!(done["rowsAffected"], 2, "{done}");
    }
    let done = fixture
        .call("exec", &json!(["UPDATE t SET x = :x", {"x": 3}]))
        .unwrap();
    assert_eq!(
        (&done["success"], &done["rowsAffected"]),
        (&json!(true), &json!(2))
    );
    let two = json!(["DELETE FROM t WHERE x = ?; DELETE FROM t", [1]]);
    assert!(fixture.call("exec", &two).is_err());
}

#[test]
fn too_large_an_answer_is_an_error_and_the_connection_stays_open() {
    let mut fixture = Fixture::new();
    fixture
        .call("exec", &json!(["CREATE TABLE kept (x)"]))
        .unwrap();
    // Control characters take no more of an answer than others.
    let text = "replace(hex(zeroblob(6000000)), '0', char(1))";
    let one = fixture.one(&json!([format!("SELECT {text} AS x")]));
    assert_eq!(one["x"].as_str().unwrap().len(), 12_000_000);
    let many = json!([format!("SELECT {text} AS x, {text} AS y")]);
    let message = fixture.call("query", &many).unwrap_err();
    assert!(message.contains("add a LIMIT"), "{message}");
    let unknown = json!([format!("SELECT [{}]", "\u{1}".repeat(5_000_000))]);
    let message = fixture.call("query", &unknown).unwrap_err();
    assert!(message.contains("no such column"), "{message}");
    assert!(message.len() < 10_000, "{} bytes", message.len());
    assert_eq!(
        fixture.one(&json!(["SELECT count(*) AS n FROM kept"])),
        json!({"n": 0})
    );
}

#[test]
fn a_database_is_vacuumed_and_no_other_file_is_attached() {
    let mut fixture = Fixture::new();
    let other = fixture.home.path().join("other.db");
    let path = other.to_str().unwrap().to_owned();
    for source in [":memory:", "data.db"] {
        let mut call = |function: &str, args: Value| fixture.call(function, &args);
        call("configure", json!(["sqlite3", source])).unwrap();
        let filled = "CREATE TABLE t (x); INSERT INTO t VALUES (zeroblob(100000)); DELETE FROM t";
        call("exec", json!([filled])).unwrap();
        let pages = json!(["PRAGMA page_count"]);
        let before = call("query", pages.clone()).unwrap()[0]["page_count"].clone();
        call("exec", json!(["VACUUM"])).unwrap();
        let after = call("query", pages).unwrap()[0]["page_count"].clone();
        assert!(after.as_i64() < before.as_i64(), "{after} {before}");
        for args in [
            json!([format!("ATTACH '{path}' AS o")]),
            json!([format!("ATTACH '{path}' || '' AS o")]),
            json!([format!("ATTACH \"{path}\" AS o")]),
            json!(["ATTACH ? AS o", [path]]),
            json!(["ATTACH ':memory:' AS o"]),
            json!(["ATTACH 'file:other.db' AS o"]),
            json!([format!("VACUUM INTO '{path}'")]),
            json!([format!("VACUUM main INTO '{path}' || ''")]),
            json!(["VACUUM INTO ?", [path]]),
        ] {
            assert!(call("exec", args.clone()).is_err(), "{args}");
        }
        assert!(!other.exists());
    }
}

#[test]
fn a_statement_ends_when_it_is_interrupted() {
    let mut fixture = Fixture::with(|| true);
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let message = fixture.call("query", &json!([endless])).unwrap_err();
    assert!(message.contains("interrupted"), "{message}");
}

#[test]
fn errors_do_not_show_the_sql_of_the_service() {
    let mut fixture = Fixture::new();
    let folder = fixture.home.path().to_owned();
    std::fs::write(
        folder.join("text.db"),
        "this is no database, whatever its name".repeat(100),
    )
    .unwrap();
    std::fs::create_dir(folder.join("folder.db")).unwrap();
    let mut call = |function: &str, args: Value| fixture.call(function, &args);
    let mut refusals = Vec::new();
    // No transaction is open.
    for step in ["commit", "undo"] {
        for depth in [0, 1] {
            refusals.push(call("transaction", json!([step, depth])));
        }
    }
    // A transaction is open that `database.transaction` has not begun.
    call("exec", json!(["BEGIN"])).unwrap();
    refusals.push(call("transaction", json!(["begin", 0])));
    call("transaction", json!(["begin", 1])).unwrap();
    call("exec", json!(["ROLLBACK"])).unwrap();
    refusals.push(call("transaction", json!(["commit", 1])));
    refusals.push(call("transaction", json!(["undo", 1])));
    call("begin", json!([])).unwrap();
    for name in ["text.db", "folder.db", "none/file.db", "../file.db"] {
        let configured = call("configure", json!(["sqlite3", name]));
        if configured.is_ok() {
            refusals.push(call("query", json!(["SELECT 1 FROM sqlite_schema"])));
            refusals.push(call("transaction", json!(["begin", 0])));
        } else {
            refusals.push(configured);
        }
    }
    call("close", json!([])).unwrap();
    refusals.push(call("transaction", json!(["begin", 0])));
    for refused in refusals {
        let message = refused.unwrap_err().to_lowercase();
        let own = [
            "savepoint",
            "release",
            "immediate",
            "pragma",
            "temp_store",
            "offset 0",
        ];
        for own in own.into_iter().chain(["vm_transaction", "vm_system"]) {
            assert!(!message.contains(own), "{message}");
        }
    }
}

#[test]
fn a_transaction_that_has_ended_can_not_be_committed() {
    let mut fixture = Fixture::new();
    let mut call = |function: &str, args: Value| fixture.call(function, &args);
    call("configure", json!(["sqlite3", "a.db"])).unwrap();
    call(
        "exec",
        json!(["CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)"]),
    )
    .unwrap();
    call("begin", json!([])).unwrap();
    call("transaction", json!(["begin", 1])).unwrap();
    call("exec", json!(["ROLLBACK TO vm_system_run"])).unwrap();
    let message = call("transaction", json!(["commit", 1])).unwrap_err();
    assert_eq!(
        message,
        "the transaction can't be committed: it has ended already"
    );
}

const COUNT: &str = "SELECT count(*) AS n FROM t";

#[test]
fn a_run_that_is_rolled_back_leaves_an_earlier_transaction_as_it_was() {
    let mut fixture = Fixture::new();
    let mut call = |function: &str, args: Value| fixture.call(function, &args).unwrap();
    call("abandon", json!([]));
    call("begin", json!([]));
    call(
        "exec",
        json!(["CREATE TABLE t (x); INSERT INTO t VALUES (1)"]),
    );
    call("abandon", json!([]));
    assert_eq!(call("query", json!([COUNT])), json!([{"n": 1}]));
    call("begin", json!([]));
    call("exec", json!(["BEGIN; INSERT INTO t VALUES (2)"]));
    call("abandon", json!([]));
    assert_eq!(call("query", json!([COUNT])), json!([{"n": 1}]));
    // A transaction of a run that is kept stays open; what a later run adds is undone without it.
    call("begin", json!([]));
    call("exec", json!(["BEGIN; INSERT INTO t VALUES (2)"]));
    call("keep", json!([]));
    call("begin", json!([]));
    call("exec", json!(["INSERT INTO t VALUES (3)"]));
    call("abandon", json!([]));
    assert_eq!(call("query", json!([COUNT])), json!([{"n": 2}]));
    // A transaction that the run has ended stays ended.
    call("begin", json!([]));
    call(
        "exec",
        json!(["INSERT INTO t VALUES (3); COMMIT; BEGIN; DELETE FROM t"]),
    );
    call("abandon", json!([]));
    assert_eq!(call("query", json!([COUNT])), json!([{"n": 3}]));
    call("begin", json!([]));
    call("exec", json!(["BEGIN"]));
    call("keep", json!([]));
    call("begin", json!([]));
    call(
        "exec",
        json!(["DELETE FROM t; ROLLBACK; BEGIN; DELETE FROM t WHERE x = 1"]),
    );
    call("keep", json!([]));
    call("exec", json!(["COMMIT"]));
    assert_eq!(call("query", json!([COUNT])), json!([{"n": 2}]));
}

#[test]
fn a_run_that_is_rolled_back_leaves_open_what_was_open() {
    let mut fixture = Fixture::new();
    let mut call = |function: &str, args: Value| fixture.call(function, &args);
    call(
        "exec",
        json!(["CREATE TABLE t (x); BEGIN; INSERT INTO t VALUES (1)"]),
    )
    .unwrap();
    for away in [json!(["sqlite3", ":memory:"]), json!(["sqlite3", "a.db"])] {
        call("begin", json!([])).unwrap();
        call("exec", json!(["INSERT INTO t VALUES (2)"])).unwrap();
        call("configure", away).unwrap();
        call("configure", json!(["sqlite3", "b.db"])).unwrap();
        assert!(call("query", json!([COUNT])).is_err());
        call("abandon", json!([])).unwrap();
        assert_eq!(call("query", json!([COUNT])).unwrap(), json!([{"n": 1}]));
    }
    // A file is opened anew.
    call("configure", json!(["sqlite3", "a.db"])).unwrap();
    call("exec", json!(["CREATE TABLE t (x)"])).unwrap();
    call("begin", json!([])).unwrap();
    call("exec", json!(["BEGIN; INSERT INTO t VALUES (1)"])).unwrap();
    call("close", json!([])).unwrap();
    call("abandon", json!([])).unwrap();
    assert_eq!(call("query", json!([COUNT])).unwrap(), json!([{"n": 0}]));
    // If nothing was open before, nothing is open afterwards; what a kept run did stays.
    call("begin", json!([])).unwrap();
    call("close", json!([])).unwrap();
    call("keep", json!([])).unwrap();
    assert!(call("query", json!([COUNT])).is_err());
    call("begin", json!([])).unwrap();
    call("configure", json!(["sqlite3", "a.db"])).unwrap();
    call("abandon", json!([])).unwrap();
    assert!(call("query", json!([COUNT])).is_err());
}
