//! Cases about templates with all that belongs to them.

use uuid::Uuid;
use vmapi_types::{SessionStatus, TemplateDetails};

use super::records::{
    at, capability, new_session, new_template, startup_file, store_session, template,
};
use crate::NameList;
use crate::store::{OnUnreadable, Store, TemplateChange, TemplateChanged, TemplatePart};

async fn details(store: &dyn Store, id: Uuid) -> TemplateDetails {
    let details = store.template_details(id, OnUnreadable::Refuse).await;
    details.unwrap().unwrap()
}

async fn change(store: &dyn Store, id: Uuid, change: TemplateChange) -> TemplateChanged {
    store.change_template(id, change, at(50)).await.unwrap()
}

/// A new template has the values that it was stored with, and no parts.
pub async fn a_new_template_is_empty_and_the_newest_is_listed_first(store: &dyn Store) {
    assert!(store.list_templates().await.unwrap().is_empty());
    let (first, settings) = new_template("first");
    let stored = store.create_template(first.clone(), settings.clone());
    stored.await.unwrap();
    let found = details(store, first.id).await;
    assert_eq!(found.template, first);
    assert_eq!(found.settings, settings);
    assert!(found.capabilities.is_empty() && found.startup_files.is_empty());
    assert_eq!(store.get_template(first.id).await.unwrap(), Some(first));
    template(store, "second").await;
    let listed = store.list_templates().await.unwrap();
    let names: Vec<_> = listed.iter().map(|template| &*template.name).collect();
    assert_eq!(names, ["second", "first"]);
    let unknown = Uuid::new_v4();
    assert_eq!(store.get_template(unknown).await.unwrap(), None);
    let missing = store.template_details(unknown, OnUnreadable::LeaveOut);
    assert!(missing.await.unwrap().is_none());
}

/// Names are unique, also after a template was renamed.
pub async fn a_name_that_is_taken_is_a_duplicate_and_changes_nothing(store: &dyn Store) {
    template(store, "taken").await;
    let other = template(store, "other").await;
    let (again, settings) = new_template("taken");
    let refused = store.create_template(again, settings).await.unwrap_err();
    assert!(refused.is_duplicate(), "{refused}");
    let rename = Box::new(|template: &mut vmapi_types::Template, _: &mut _| {
        template.name = "taken".into();
        template.is_active = false;
    });
    let refused = store.update_template(other, rename).await.unwrap_err();
    assert!(refused.is_duplicate() && refused.is_constraint());
    assert!(!refused.is_transient());
    let unchanged = details(store, other).await.template;
    assert_eq!((&*unchanged.name, unchanged.is_active), ("other", true));
    assert_eq!(store.list_templates().await.unwrap().len(), 2);
}

/// The change is made on the stored template, and the changed one is returned.
pub async fn an_update_is_applied_to_what_is_stored(store: &dyn Store) {
    let id = template(store, "template").await;
    let part = capability(id, "HOME");
    change(store, id, TemplateChange::AddCapability(part.clone())).await;
    let updated = store.update_template(
        id,
        Box::new(|template, settings| {
            template.name.push_str(" of mine");
            template.updated_at = at(60);
            settings.limits.wall_ms += 1;
            settings.resolver.roots = vec!["src".into()];
            settings.runtime.strict = true;
        }),
    );
    let updated = updated.await.unwrap().unwrap();
    assert_eq!(updated.template.name, "template of mine");
    assert_eq!(updated.template.updated_at, at(60));
    assert_eq!(updated.settings.limits.wall_ms, 5001);
    assert_eq!(updated.capabilities, [part]);
    assert_eq!(details(store, id).await, updated);
    let missing = store.update_template(
        Uuid::new_v4(),
        Box::new(|_, _| panic!("there is no such template")),
    );
    assert!(missing.await.unwrap().is_none());
}

/// Capabilities and libraries have the order in which they were added, modules that of their names,
/// startup files that of their indices.
pub async fn parts_and_names_have_their_orders(store: &dyn Store) {
    let id = template(store, "template").await;
    let capabilities = ["b", "a"].map(|name| capability(id, name));
    for part in capabilities.clone() {
        change(store, id, TemplateChange::AddCapability(part)).await;
    }
    for (path, order) in [("second.js", 2), ("first.js", 1), ("third.js", 2)] {
        let file = startup_file(id, path, order);
        change(store, id, TemplateChange::AddStartupFile(file)).await;
    }
    for name in ["net", "fs", "net"] {
        let name = TemplateChange::AddName(NameList::Modules, name.into());
        assert_eq!(change(store, id, name).await, TemplateChanged::Done);
    }
    for name in ["z-1.0.0", "a-1.0.0", "z-1.0.0"] {
        let name = TemplateChange::AddName(NameList::Libraries, name.into());
        assert_eq!(change(store, id, name).await, TemplateChanged::Done);
    }
    let found = details(store, id).await;
    assert_eq!(found.capabilities, capabilities);
    let files = found.startup_files.iter().map(|file| &*file.path);
    let files: Vec<_> = files.collect();
    assert_eq!(files, ["first.js", "second.js", "third.js"]);
    assert_eq!(found.template.exposed_modules, ["fs", "net"]);
    assert_eq!(found.template.libraries, ["z-1.0.0", "a-1.0.0"]);
    assert_eq!(found.template.updated_at, at(50));
    let removed = TemplateChange::RemoveNames(
        NameList::Libraries,
        vec!["z-1.0.0".into(), "unknown".into()],
    );
    assert_eq!(change(store, id, removed).await, TemplateChanged::Done);
    let listed = store.list_templates().await.unwrap();
    assert_eq!(listed[0].libraries, ["a-1.0.0"]);
    assert_eq!(listed[0].exposed_modules, ["fs", "net"]);
}

/// A template has a capability of a kind and name, and a startup file of a path, at most once.
pub async fn a_part_that_is_there_is_a_duplicate_and_changes_nothing(store: &dyn Store) {
    let id = template(store, "template").await;
    let add = [
        || TemplateChange::AddCapability(capability(Uuid::nil(), "HOME")),
        || TemplateChange::AddStartupFile(startup_file(Uuid::nil(), "a.js", 1)),
    ];
    for add in add {
        let part = |mut change: TemplateChange| {
            match &mut change {
                TemplateChange::AddCapability(part) => part.vm_id = id,
                TemplateChange::AddStartupFile(part) => part.vm_id = id,
                _ => {}
            }
            change
        };
        assert_eq!(change(store, id, part(add())).await, TemplateChanged::Done);
        let again = store.change_template(id, part(add()), at(99)).await;
        assert!(again.unwrap_err().is_duplicate());
    }
    let found = details(store, id).await;
    assert_eq!(found.capabilities.len() + found.startup_files.len(), 2);
    assert_eq!(found.template.updated_at, at(50));
}

/// A missing template and a missing part have different outcomes, and neither is a change.
pub async fn what_a_change_did_not_find_is_said(store: &dyn Store) {
    let (id, other) = (template(store, "one").await, template(store, "two").await);
    let (part, file) = (capability(id, "HOME"), startup_file(id, "a.js", 1));
    change(store, id, TemplateChange::AddCapability(part.clone())).await;
    change(store, id, TemplateChange::AddStartupFile(file.clone())).await;
    let unknown = Uuid::new_v4();
    let absent = TemplateChange::AddName(NameList::Modules, "fs".into());
    let changed = change(store, unknown, absent).await;
    assert_eq!(changed, TemplateChanged::NoTemplate);
    for (part_id, kind) in [
        (part.id, TemplatePart::Capability),
        (file.id, TemplatePart::StartupFile),
    ] {
        let remove = |id| TemplateChange::RemovePart(kind, id);
        for (template, part, expected) in [
            (unknown, part_id, TemplateChanged::NoTemplate),
            (other, part_id, TemplateChanged::NoPart),
            (other, unknown, TemplateChanged::NoPart),
            (id, part_id, TemplateChanged::Done),
            (id, part_id, TemplateChanged::NoPart),
        ] {
            assert_eq!(change(store, template, remove(part)).await, expected);
        }
    }
    let found = details(store, id).await;
    assert!(found.capabilities.is_empty() && found.startup_files.is_empty());
    assert_eq!(details(store, other).await.template.updated_at, at(10));
}

/// A template is deleted with its parts, and its name can be used again.
pub async fn a_deleted_template_leaves_the_sessions(store: &dyn Store) {
    let id = template(store, "template").await;
    let part = capability(id, "HOME");
    change(store, id, TemplateChange::AddCapability(part.clone())).await;
    let mut session = new_session(SessionStatus::Closed);
    session.vm_id = id;
    store_session(store, &session).await.unwrap();
    assert!(store.delete_template(id).await.unwrap());
    assert!(!store.delete_template(id).await.unwrap());
    assert!(store.get_template(id).await.unwrap().is_none());
    let start = part.id.to_string();
    assert!(store.ids_like(start, 9).await.unwrap().is_empty());
    let kept = store.get_session(session.id).await.unwrap().unwrap();
    assert_eq!(kept.vm_id, id);
    template(store, "template").await;
}
