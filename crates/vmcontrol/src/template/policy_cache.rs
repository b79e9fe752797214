//! The policies of the templates that sessions were made of lately: whoever makes many sessions need not ask the store each
//! time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::value::to_raw_value;
use uuid::Uuid;
use vmapi_types::{RawJson, TemplateDetails};

use crate::runtime::HostModuleInfo;
use crate::store::Version;
use crate::{Error, Policy, Result};

/// For how many templates they are kept.
const MOST: usize = 256;

/// What a template gives the sessions that are made of it.
#[derive(Clone, Debug)]
pub(crate) struct TemplatePolicy {
    pub(crate) policy: Arc<Policy>,
    /// The policy as a session's record has it.
    pub(crate) runtime_meta: RawJson,
    /// Whether sessions may be made of it.
    pub(crate) is_active: bool,
}

impl TemplatePolicy {
    /// Of a template as it is now. `modules` are those that the runtime has.
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

/// Those that are known.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// What the store's templates were when these were read.
    version: Option<Version>,
    by_template: HashMap<Uuid, Arc<TemplatePolicy>>,
}

impl Policies {
    /// That of a template, if it is known and the store's templates are what they were.
    pub(crate) fn get(
        &self,
        version: Option<Version>,
        template: Uuid,
    ) -> Option<Arc<TemplatePolicy>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = version.is_some() && known.version == version;
        let found = is_current.then(|| known.by_template.get(&template));
        found.flatten().map(Arc::clone)
    }

    /// Keeps one that was read after the store's templates had that version. If they have changed since, nobody gets it.
    pub(crate) fn keep(
        &self,
        version: Option<Version>,
        template: Uuid,
        policy: &Arc<TemplatePolicy>,
    ) {
        if version.is_none() {
            return;
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.version != version || known.by_template.len() >= MOST {
            known.by_template.clear();
            known.version = version;
        }
        known.by_template.insert(template, Arc::clone(policy));
    }
}
