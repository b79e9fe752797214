//! Templates and what belongs to them.

use uuid::Uuid;
use vmapi_types::{Settings, Template, TemplateDetails, Timestamp};

use super::data::Data;
use crate::NameList;
use crate::store::{ChangeTemplate, StoreError, TemplateChange, TemplateChanged, TemplatePart};

impl Data {
    pub(super) fn template(&self, id: Uuid) -> Option<&TemplateDetails> {
        let mut all = self.templates.iter();
        all.find(|details| details.template.id == id)
    }

    fn template_mut(&mut self, id: Uuid) -> Option<&mut TemplateDetails> {
        let mut all = self.templates.iter_mut();
        all.find(|details| details.template.id == id)
    }

    /// Refuses a template whose id or name another template has.
    fn check_template(&self, template: &Template, is_new: bool) -> Result<(), StoreError> {
        let is_taken = |other: &Template| {
            let is_same = other.id == template.id;
            (is_same && is_new) || (!is_same && other.name == template.name)
        };
        if self.templates.iter().any(|one| is_taken(&one.template)) {
            return Err(StoreError::Duplicate("a template has the name".into()));
        }
        Ok(())
    }

    pub(super) fn create_template(
        &mut self,
        template: Template,
        settings: Settings,
    ) -> Result<(), StoreError> {
        self.check_template(&template, true)?;
        self.templates.push(TemplateDetails {
            template: Template {
                exposed_modules: Vec::new(),
                libraries: Vec::new(),
                ..template
            },
            settings,
            capabilities: Vec::new(),
            startup_files: Vec::new(),
        });
        Ok(())
    }

    pub(super) fn update_template(
        &mut self,
        id: Uuid,
        change: ChangeTemplate,
    ) -> Result<Option<TemplateDetails>, StoreError> {
        let Some(mut changed) = self.template(id).cloned() else {
            return Ok(None);
        };
        change(&mut changed.template, &mut changed.settings);
        self.check_template(&changed.template, false)?;
        Ok(self.template_mut(id).map(|details| {
            *details = changed;
            details.clone()
        }))
    }

    pub(super) fn delete_template(&mut self, id: Uuid) -> bool {
        let before = self.templates.len();
        self.templates.retain(|details| details.template.id != id);
        self.templates.len() < before
    }

    pub(super) fn change_template(
        &mut self,
        id: Uuid,
        change: TemplateChange,
        now: Timestamp,
    ) -> Result<TemplateChanged, StoreError> {
        let Some(details) = self.template_mut(id) else {
            return Ok(TemplateChanged::NoTemplate);
        };
        let is_done = apply(details, change)?;
        if !is_done {
            return Ok(TemplateChanged::NoPart);
        }
        details.template.updated_at = now;
        Ok(TemplateChanged::Done)
    }
}

/// Changes what belongs to a template; returns whether the part to be removed existed.
fn apply(details: &mut TemplateDetails, change: TemplateChange) -> Result<bool, StoreError> {
    let taken = |what: &str| StoreError::Duplicate(format!("the template has the {what}").into());
    let (capabilities, files) = (&mut details.capabilities, &mut details.startup_files);
    match change {
        TemplateChange::AddCapability(new) => {
            let is_same = |old: &vmapi_types::Capability| {
                old.id == new.id || (&old.kind, &old.name) == (&new.kind, &new.name)
            };
            if capabilities.iter().any(is_same) {
                return Err(taken("capability"));
            }
            capabilities.push(new);
        }
        TemplateChange::AddStartupFile(new) => {
            let is_same = |old: &vmapi_types::StartupFile| old.id == new.id || old.path == new.path;
            if files.iter().any(is_same) {
                return Err(taken("startup file"));
            }
            files.push(new);
            // The sort is stable: equal indices keep the order in which they were added.
            files.sort_by_key(|file| file.order_index);
        }
        TemplateChange::RemovePart(TemplatePart::Capability, id) => {
            let before = capabilities.len();
            capabilities.retain(|part| part.id != id);
            return Ok(capabilities.len() < before);
        }
        TemplateChange::RemovePart(TemplatePart::StartupFile, id) => {
            let before = files.len();
            files.retain(|part| part.id != id);
            return Ok(files.len() < before);
        }
        TemplateChange::AddName(list, name) => {
            let names = names_of(&mut details.template, list);
            if !names.contains(&name) {
                names.push(name);
            }
            if list == NameList::Modules {
                names.sort_unstable();
            }
        }
        TemplateChange::RemoveNames(list, removed) => {
            names_of(&mut details.template, list).retain(|name| !removed.contains(name));
        }
    }
    Ok(true)
}

fn names_of(template: &mut Template, list: NameList) -> &mut Vec<String> {
    match list {
        NameList::Modules => &mut template.exposed_modules,
        NameList::Libraries => &mut template.libraries,
    }
}
