//! Lists in pages and with filters.

use serde_json::{Value, json};
use vm_system_tests::{Answer, Daemon};

use crate::support::assertions::column;

/// The path of another page, from the `Link` header of this one.
fn link(answer: &Answer, relation: &str) -> Option<String> {
    let header = answer.headers.get("link")?.to_str().unwrap();
    let wanted = format!("rel=\"{relation}\"");
    let link = header.split(", ").find(|link| link.ends_with(&wanted))?;
    let path = link.split('>').next()?.strip_prefix("</api/v1")?;
    Some(path.to_owned())
}

fn ids(list: &Value) -> Vec<String> {
    column(list, "id").into_iter().map(str::to_owned).collect()
}

/// Follows the links of one relation from a page to the last one.
fn walk(daemon: &Daemon, start: &str, relation: &str) -> Vec<Vec<String>> {
    let mut portions = Vec::new();
    let mut next = Some(start.to_owned());
    while let Some(path) = next {
        let answer = daemon.api.get(&path);
        next = link(&answer, relation);
        portions.push(ids(&answer.expect_status(200)));
    }
    portions
}

#[test]
fn the_pages_of_a_list_add_up_to_the_list() {
    let daemon = Daemon::start();
    let session = daemon.session();
    for n in 0..10 {
        session.eval(&n.to_string());
    }
    let path = format!("/executions?session_id={}", session.id);
    let all = ids(&daemon.api.get(&path).expect_status(200));
    assert_eq!(all.len(), 10);
    let most = daemon.api.get(&format!("{path}&limit=99999999999"));
    assert_eq!(most.expect_status(200).as_array().unwrap().len(), all.len());
    let down = walk(&daemon, &format!("{path}&limit=4"), "next");
    assert_eq!(down.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 2]);
    assert_eq!(down.concat(), all);
    let up = walk(&daemon, &format!("{path}&limit=4&after={}", all[9]), "prev");
    assert_eq!(up.iter().map(Vec::len).collect::<Vec<_>>(), [4, 4, 1]);
    let up: Vec<String> = up.into_iter().rev().flatten().collect();
    assert_eq!(up, all[..9]);
    // Records that are added meanwhile do not shift the next page.
    session.eval("'new'");
    let answer = daemon.api.get(&format!("{path}&limit=4&before={}", all[3]));
    assert_eq!(ids(&answer.expect_status(200)), all[4..8]);
}

#[test]
fn a_page_with_an_unknown_start_or_filter_is_refused() {
    let daemon = Daemon::start();
    let session = daemon.session();
    let executions = format!("/executions?session_id={}", session.id);
    let unknown = "00000000-0000-4000-8000-000000000000";
    for path in [
        format!("{executions}&before={unknown}"),
        format!("{executions}&after=1"),
        format!("{executions}&limit=0"),
        format!("{executions}&status=good"),
        format!("{executions}&kind=good"),
        format!("/sessions?before={unknown}"),
        "/sessions?template_id=1".into(),
    ] {
        daemon.api.get(&path).expect_error(400, "VALIDATION_ERROR");
    }
}

#[test]
fn executions_are_listed_by_status_and_kind() {
    let daemon = Daemon::start();
    let session = daemon.session();
    daemon.write("a.js", "throw 1");
    session.eval("1");
    session.run("throw 1");
    session.submit_file("a.js").expect_status(201);
    let count = |query: &str| {
        let path = format!("/executions?session_id={}{query}", session.id);
        ids(&daemon.api.get(&path).expect_status(200)).len()
    };
    assert_eq!(count(""), 3);
    assert_eq!(count("&status=error"), 2);
    assert_eq!(count("&kind=run_file"), 1);
    assert_eq!(count("&kind=repl&status=error"), 1);
    assert_eq!(count("&status=running"), 0);
    assert_eq!(count("&status="), 3);
    assert_eq!(count("&kind=&status=ok"), 1);
}

#[test]
fn sessions_are_listed_by_template_and_workspace() {
    let daemon = Daemon::start();
    let [first, second] = [(); 2].map(|()| daemon.template());
    for (template, workspace) in [(&first, "a"), (&first, "b"), (&second, "a")] {
        let body = json!({
            "template_id": template,
            "workspace_id": workspace,
            "base_commit_oid": "c",
            "worktree_path": daemon.worktree(),
        });
        daemon.api.post("/sessions", &body).expect_status(201);
    }
    let count = |query: &str| {
        let path = format!("/sessions?{query}");
        ids(&daemon.api.get(&path).expect_status(200)).len()
    };
    assert_eq!(count(""), 3);
    assert_eq!(count("status=&template_id=&workspace_id="), 3);
    assert_eq!(count(&format!("template_id={first}")), 2);
    assert_eq!(count("workspace_id=a"), 2);
    assert_eq!(count(&format!("template_id={first}&workspace_id=a")), 1);
    let portions = walk(
        &daemon,
        "/sessions?limit=2&workspace_id=a&status=ready",
        "next",
    );
    assert_eq!(portions.iter().map(Vec::len).collect::<Vec<_>>(), [2]);
    assert_eq!(walk(&daemon, "/sessions?limit=2", "next").concat().len(), 3);
}
