//! Templates, and the policies that sessions are made of.

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;
use vmapi_types::UpdateTemplateRequest;

use super::Fixture;
use super::sessions::add_startup_file;
use crate::{Error, NameList, NewCapability};

/// The policy in the record of a new session of the template.
async fn policy_of_new(fixture: &Fixture, template: Uuid) -> serde_json::Value {
    let request = fixture.request(template);
    let session = fixture.control.create_session(request).await.unwrap();
    serde_json::from_str(session.runtime_meta.unwrap().get()).unwrap()
}

#[tokio::test]
async fn every_change_of_a_template_is_in_the_next_session() {
    let fixture = Fixture::new().await;
    let control = &fixture.control;
    let template = fixture.template().await;
    let other = fixture.template().await;
    // The second session of each template is created from the cached policy.
    for _ in 0..2 {
        let policy = policy_of_new(&fixture, template).await;
        assert_eq!(policy["modules"], json!([]));
        assert_eq!(policy["template_id"], json!(template));
        let policy = policy_of_new(&fixture, other).await;
        assert_eq!(policy["template_id"], json!(other));
    }
    let library = "lodash-4.17.21";
    let libraries = NameList::Libraries;
    control
        .add_name(libraries, other, library.into())
        .await
        .unwrap();
    let request = fixture.request(other);
    let refused = control.create_session(request).await.unwrap_err();
    assert!(
        matches!(refused, Error::LibraryUnavailable { .. }),
        "{refused:?}"
    );
    control
        .remove_name(libraries, other, library.into())
        .await
        .unwrap();
    std::fs::write(fixture.dir.path().join("first.js"), "value commit").unwrap();
    add_startup_file(&fixture, other, "first.js", 1).await;
    let policy = policy_of_new(&fixture, other).await;
    assert_eq!(policy["startup_files"][0]["path"], "first.js");
    let list = NameList::Modules;
    control.add_name(list, template, "fs".into()).await.unwrap();
    for _ in 0..2 {
        let policy = policy_of_new(&fixture, template).await;
        assert_eq!(policy["modules"], json!(["fs"]));
    }
    control
        .remove_name(list, template, "fs".into())
        .await
        .unwrap();
    let added = NewCapability {
        kind: "global".into(),
        name: "given".into(),
        enabled: true,
        config: serde_json::from_value(json!({"value": 1})).unwrap(),
    };
    let added = control.add_capability(template, added).await.unwrap();
    let policy = policy_of_new(&fixture, template).await;
    assert_eq!(policy["modules"], json!([]));
    assert_eq!(policy["capabilities"][0]["name"], "given");
    control.delete_capability(template, added.id).await.unwrap();
    let policy = policy_of_new(&fixture, template).await;
    assert_eq!(policy["capabilities"], json!([]));
    let patch = UpdateTemplateRequest {
        name: Some("renamed".into()),
        ..UpdateTemplateRequest::default()
    };
    control.update_template(template, patch).await.unwrap();
    let policy = policy_of_new(&fixture, template).await;
    assert_eq!(policy["template_name"], "renamed");
    let patch = UpdateTemplateRequest {
        is_active: Some(false),
        ..UpdateTemplateRequest::default()
    };
    control.update_template(template, patch).await.unwrap();
    let request = fixture.request(template);
    let refused = control.create_session(request).await.unwrap_err();
    assert!(matches!(refused, Error::Validation { .. }), "{refused:?}");
    control.delete_template(template).await.unwrap();
    let request = fixture.request(template);
    let refused = control.create_session(request).await.unwrap_err();
    assert!(
        matches!(refused, Error::TemplateNotFound { .. }),
        "{refused:?}"
    );
}

fn renamed(name: &str) -> UpdateTemplateRequest {
    UpdateTemplateRequest {
        name: Some(name.into()),
        ..UpdateTemplateRequest::default()
    }
}

#[tokio::test]
async fn a_change_that_the_store_refuses_leaves_the_policy_that_is_stored() {
    let fixture = Fixture::new().await;
    let template = fixture.template().await;
    let before = policy_of_new(&fixture, template).await;
    let refused = fixture.store.refuse_writes();
    let changed = fixture.control.update_template(template, renamed("new"));
    let error = changed.await.unwrap_err();
    assert!(matches!(error, Error::Unavailable { .. }), "{error:?}");
    drop(refused);
    assert_eq!(policy_of_new(&fixture, template).await, before);
}

#[tokio::test]
async fn a_change_is_in_the_next_session_though_its_client_has_hung_up() {
    let fixture = Fixture::new().await;
    let template = fixture.template().await;
    policy_of_new(&fixture, template).await;
    let held = fixture.store.hold_writes();
    let control = fixture.control.clone();
    let change =
        tokio::spawn(async move { control.update_template(template, renamed("new")).await });
    while fixture.store.waiting_writes() == 0 {
        tokio::task::yield_now().await;
    }
    change.abort();
    assert!(change.await.unwrap_err().is_cancelled());
    // While the change is under way, no session is created from the policy before it or after it.
    let policies = &fixture.control.inner().policies;
    assert!(policies.get(template).is_none());
    drop(held);
    let policy = policy_of_new(&fixture, template).await;
    assert_eq!(policy["template_name"], "new");
    assert!(policies.get(template).is_some());
}

#[tokio::test]
async fn sessions_and_changes_of_a_template_at_once_end_with_the_last_change() {
    let fixture = Arc::new(Fixture::new().await);
    let template = fixture.template().await;
    let mut all = Vec::new();
    for number in 0..20 {
        let (changing, making) = (Arc::clone(&fixture), Arc::clone(&fixture));
        all.push(tokio::spawn(async move {
            let patch = renamed(&format!("name {number}"));
            changing
                .control
                .update_template(template, patch)
                .await
                .unwrap();
        }));
        all.push(tokio::spawn(async move {
            policy_of_new(&making, template).await;
        }));
    }
    for task in all {
        task.await.unwrap();
    }
    let stored = fixture.control.get_template(template).await.unwrap();
    let policy = policy_of_new(&fixture, template).await;
    assert_eq!(policy["template_name"], json!(stored.template.name));
}
