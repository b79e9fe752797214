//! A cache of the policies of templates, so that a session can be created without a read of the
//! store.
//!
//! # Why no session is created from an outdated policy
//!
//! Changes go through the cache: every change of a template takes a [`PolicyCache::turn`], and so
//! does every read whose result is kept. The turns of one template exclude each other. A change
//! takes the turn, drops the policy, waits until the store has made the change durable, gives the
//! turn back and is answered only then. A read takes the turn, reads the store, keeps the policy
//! and gives the turn back. So
//!
//! - a read can't keep a policy from before a change after the change was answered: the change
//!   waits for its turn;
//! - while a read of the store may return the template before or after the change, the cache has no
//!   policy of it, and a policy that is kept later was read later;
//! - a change whose outcome is unknown (the store failed in the middle of it) leaves no policy in
//!   the cache, and the next session reads the store.
//!
//! A change must therefore hold its turn to its end, also when its client has hung up: it runs in a
//! task of its own. Turns of different templates don't wait for each other, so that changes of
//! several templates still share one transaction. A caller that waits for a turn must hold no
//! [`WritePermit`](crate::store::WritePermit), which the holder of the turn may need.
//!
//! Only this process changes the templates: the database is locked against other daemons.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::value::to_raw_value;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use uuid::Uuid;
use vmapi_types::{RawJson, TemplateDetails};

use crate::host_module::HostModuleInfo;
use crate::{Error, Policy, Result};

/// The number of templates whose policies are kept.
const MAX_TEMPLATES: usize = 256;

/// What the sessions of a template have from it.
#[derive(Clone, Debug)]
pub(crate) struct TemplatePolicy {
    /// The policy of these sessions.
    pub(crate) policy: Arc<Policy>,
    /// The policy as JSON, as the records of sessions have it.
    pub(crate) runtime_meta: RawJson,
    /// Whether sessions may be created from the template.
    pub(crate) is_active: bool,
}

impl TemplatePolicy {
    /// The policy of a template as it is now. `modules` are those that the runtime has.
    ///
    /// # Errors
    /// When the policy can't be written as JSON, which is a bug.
    pub(crate) fn of(details: TemplateDetails, modules: &[HostModuleInfo]) -> Result<Self> {
        let is_active = details.template.is_active;
        let policy = Policy::of_template(details, modules);
        let runtime_meta =
            to_raw_value(&policy).map_err(|error| Error::Internal(Box::new(error)))?;
        Ok(Self {
            policy: Arc::new(policy),
            runtime_meta,
            is_active,
        })
    }
}

/// The cached policies.
#[derive(Debug, Default)]
pub(crate) struct PolicyCache {
    slots: Mutex<HashMap<Uuid, Slot>>,
}

/// The slot of one template: its policy, or `None` if the store has to be read. The write lock of
/// the slot is the turn. A slot stays in the map as long as its turn is held or waited for.
type Slot = Arc<RwLock<Option<Arc<TemplatePolicy>>>>;

/// The right to change one template, or to read it for the cache; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    policy: OwnedRwLockWriteGuard<Option<Arc<TemplatePolicy>>>,
}

impl PolicyCache {
    /// The policy of a template; `None` if the store has to be read, in a turn.
    pub(crate) fn get(&self, template: Uuid) -> Option<Arc<TemplatePolicy>> {
        let slots = self.slots();
        let policy = slots.get(&template)?.try_read().ok()?;
        policy.clone()
    }

    /// Waits for the turn of a template.
    pub(crate) async fn turn(&self, template: Uuid) -> Turn {
        let slot = self.slot(template);
        Turn {
            policy: slot.write_owned().await,
        }
    }

    fn slot(&self, template: Uuid) -> Slot {
        let mut slots = self.slots();
        if slots.len() >= MAX_TEMPLATES && !slots.contains_key(&template) {
            // A second slot for a template whose turn is held would give a second turn.
            let is_in_use = |slot: &Slot| Arc::strong_count(slot) > 1;
            let has_policy = |slot: &Slot| slot.try_read().is_ok_and(|policy| policy.is_some());
            // Slots without a policy are removed first: those of unknown ids and changed templates.
            slots.retain(|_, slot| is_in_use(slot) || has_policy(slot));
            if slots.len() >= MAX_TEMPLATES {
                slots.retain(|_, slot| is_in_use(slot));
            }
        }
        Arc::clone(slots.entry(template).or_default())
    }

    fn slots(&self) -> MutexGuard<'_, HashMap<Uuid, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    /// The policy that an earlier turn has kept; `None` if the store has to be read.
    pub(crate) fn policy(&self) -> Option<Arc<TemplatePolicy>> {
        self.policy.clone()
    }

    /// Keeps a policy that was read in this turn.
    pub(crate) fn keep(&mut self, policy: &Arc<TemplatePolicy>) {
        *self.policy = Some(Arc::clone(policy));
    }

    /// Drops the policy, before the template changes.
    pub(crate) fn invalidate(&mut self) {
        *self.policy = None;
    }
}

#[cfg(test)]
mod tests {
    use vmapi_types::{Limits, Resolver, RuntimeSettings, Settings, Template, Timestamp};

    use super::*;

    fn policy() -> Arc<TemplatePolicy> {
        let id = Uuid::new_v4();
        let now = Timestamp::now();
        let details = TemplateDetails {
            template: Template {
                id,
                name: "template".into(),
                engine: "boa".into(),
                is_active: true,
                exposed_modules: Vec::new(),
                libraries: Vec::new(),
                created_at: now,
                updated_at: now,
            },
            settings: Settings {
                vm_id: id,
                limits: Limits::default(),
                resolver: Resolver::default(),
                runtime: RuntimeSettings::default(),
            },
            capabilities: Vec::new(),
            startup_files: Vec::new(),
        };
        Arc::new(TemplatePolicy::of(details, &[]).unwrap())
    }

    #[tokio::test]
    async fn a_change_waits_for_a_read_under_way_and_drops_what_that_keeps() {
        let cache = Arc::new(PolicyCache::default());
        let template = Uuid::new_v4();
        let mut reading = cache.turn(template).await;
        let (waits, is_waiting) = tokio::sync::oneshot::channel();
        let change = tokio::spawn({
            let cache = Arc::clone(&cache);
            async move {
                let mut turn = std::pin::pin!(cache.turn(template));
                let first = std::future::poll_fn(|context| {
                    std::task::Poll::Ready(turn.as_mut().poll(context).is_pending())
                });
                waits.send(first.await).unwrap();
                turn.await.invalidate();
            }
        });
        assert!(is_waiting.await.unwrap(), "a read is under way");
        reading.keep(&policy());
        drop(reading);
        change.await.unwrap();
        assert!(cache.get(template).is_none());
        let mut reading = cache.turn(template).await;
        reading.keep(&policy());
        assert!(cache.get(template).is_none(), "the turn is held");
        drop(reading);
        assert!(cache.get(template).is_some());
    }

    #[tokio::test]
    async fn turns_of_different_templates_do_not_wait_for_each_other() {
        let cache = PolicyCache::default();
        let _one = cache.turn(Uuid::new_v4()).await;
        let _other = cache.turn(Uuid::new_v4()).await;
    }

    #[tokio::test]
    async fn the_number_of_policies_is_bounded_and_a_held_turn_stays_the_only_one() {
        let cache = PolicyCache::default();
        let (held, kept) = (Uuid::new_v4(), Uuid::new_v4());
        let turn = cache.turn(held).await;
        cache.turn(kept).await.keep(&policy());
        for _ in 0..2 * MAX_TEMPLATES {
            drop(cache.turn(Uuid::new_v4()).await);
        }
        assert!(cache.get(kept).is_some(), "unknown ids don't push it out");
        for _ in 0..2 * MAX_TEMPLATES {
            cache.turn(Uuid::new_v4()).await.keep(&policy());
        }
        assert!(cache.slots().len() <= MAX_TEMPLATES);
        assert!(cache.slot(held).try_write().is_err(), "its turn is held");
        drop(turn);
        assert!(cache.slot(held).try_write().is_ok());
    }
}
