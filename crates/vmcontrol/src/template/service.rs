//! Templates and what belongs to them: every operation on them, each checked before it is stored.
//!
//! Every change of an existing template is made by [`Control::write_template`], which keeps the
//! policy cache consistent.

use serde_json::{Map, Value};
use uuid::Uuid;
use vmapi_types::{
    Capability, Limits, Resolver, RuntimeSettings, Settings, StartupFile, Template,
    TemplateDetails, Timestamp, UpdateTemplateRequest,
};

use crate::catalog::{self, CAPABILITY_KINDS, DEFAULT_ENGINE_ALIAS, STARTUP_MODES};
use crate::grants;
use crate::host_module::HostModuleInfo;
use crate::names::{check_name, check_path};
use crate::store::{
    NameList, OnUnreadable, Store, StoreError, StoreFuture, TemplateChange, TemplateChanged,
    TemplatePart,
};
use crate::template::settings;
use crate::worktree::cleaned_below;
use crate::{Control, Error, Result};

/// A capability to add.
#[derive(Clone, Debug)]
pub struct NewCapability {
    /// One of [`CAPABILITY_KINDS`].
    pub kind: String,
    /// The name, whose meaning depends on the kind.
    pub name: String,
    /// Whether the capability gives a permission, or takes it away.
    pub enabled: bool,
    /// Its configuration, whose keys depend on the kind.
    pub config: Map<String, Value>,
}

/// A startup file to add.
#[derive(Clone, Debug)]
pub struct NewStartupFile {
    /// The path in the worktree.
    pub path: String,
    /// The position in the order in which the files run; equal ones run as they were added.
    pub order_index: i64,
    /// One of [`STARTUP_MODES`].
    pub mode: String,
}

impl Control {
    /// Makes a template with default settings.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::EngineUnsupported`], [`Error::TemplateExists`].
    pub async fn create_template(&self, name: String, engine: Option<String>) -> Result<Template> {
        check_name("name", &name)?;
        let engine = engine.unwrap_or_else(|| catalog::DEFAULT_ENGINE.into());
        self.resolve_engine(&engine)?;
        let now = Timestamp::now();
        let template = Template {
            id: Uuid::new_v4(),
            name: name.clone(),
            engine,
            is_active: true,
            exposed_modules: Vec::new(),
            libraries: Vec::new(),
            created_at: now,
            updated_at: now,
        };
        let settings = Settings {
            vm_id: template.id,
            limits: Limits::default(),
            resolver: Resolver::default(),
            runtime: RuntimeSettings::default(),
        };
        self.store()
            .create_template(template.clone(), settings)
            .await
            .map_err(|error| unless_duplicate(error, || Error::TemplateExists { name }))?;
        Ok(template)
    }

    /// All templates, newest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn list_templates(&self) -> Result<Vec<Template>> {
        Ok(self.store().list_templates().await?)
    }

    /// A template with all that belongs to it. Parts that can't be read are left out.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`].
    pub async fn get_template(&self, id: Uuid) -> Result<TemplateDetails> {
        self.store()
            .template_details(id, OnUnreadable::LeaveOut)
            .await?
            .ok_or(Error::TemplateNotFound { template_id: id })
    }

    /// Changes a template and its settings. Live sessions keep the policy that they were made with.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::TemplateNotFound`], [`Error::TemplateExists`].
    pub async fn update_template(
        &self,
        id: Uuid,
        patch: UpdateTemplateRequest,
    ) -> Result<TemplateDetails> {
        settings::check(&patch)?;
        let name = patch.name.clone().unwrap_or_default();
        let change = Box::new(move |template: &mut Template, settings: &mut Settings| {
            settings::merge(patch, template, settings);
            template.updated_at = Timestamp::now();
        });
        self.write_template(id, move |store| store.update_template(id, change))
            .await
            .map_err(|error| unless_duplicate(error, || Error::TemplateExists { name }))?
            .ok_or(Error::TemplateNotFound { template_id: id })
    }

    /// Deletes a template. Its live sessions go on, and history stays.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`].
    pub async fn delete_template(&self, id: Uuid) -> Result<()> {
        let deleted = self.write_template(id, move |store| store.delete_template(id));
        if deleted.await? {
            Ok(())
        } else {
            Err(Error::TemplateNotFound { template_id: id })
        }
    }

    /// Adds a capability.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::ModuleNotAllowed`], [`Error::TemplateNotFound`],
    /// [`Error::CapabilityExists`].
    pub async fn add_capability(&self, id: Uuid, new: NewCapability) -> Result<Capability> {
        if !CAPABILITY_KINDS.contains(&new.kind.as_str()) {
            return Err(Error::validation(format!(
                "kind must be one of {CAPABILITY_KINDS:?}, not {:?}",
                new.kind
            )));
        }
        check_name("name", &new.name)?;
        let modules = self.inner().runtime.host_modules();
        if new.kind == "module" && !catalog::is_built_in(&new.name) {
            check_module(&new.name, modules)?;
        }
        grants::check(&new.kind, &new.name, new.enabled, &new.config, modules)
            .map_err(|error| Error::validation(error.to_string()))?;
        let capability = Capability {
            id: Uuid::new_v4(),
            vm_id: id,
            kind: new.kind,
            name: new.name,
            enabled: new.enabled,
            config: new.config,
        };
        let change = TemplateChange::AddCapability(capability.clone());
        let changed = self.change(id, change).await.map_err(|error| {
            unless_duplicate(error, || Error::CapabilityExists {
                template_id: id,
                kind: capability.kind.clone(),
                name: capability.name.clone(),
            })
        });
        is_done(changed?, id)?;
        Ok(capability)
    }

    /// Deletes a capability.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`], [`Error::CapabilityNotFound`].
    pub async fn delete_capability(&self, id: Uuid, capability_id: Uuid) -> Result<()> {
        let change = TemplateChange::RemovePart(TemplatePart::Capability, capability_id);
        let removed = is_done(self.change(id, change).await?, id)?;
        removed.then_some(()).ok_or(Error::CapabilityNotFound {
            template_id: id,
            capability_id,
        })
    }

    /// Deletes a startup file.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`], [`Error::StartupFileNotFound`].
    pub async fn delete_startup_file(&self, id: Uuid, file_id: Uuid) -> Result<()> {
        let change = TemplateChange::RemovePart(TemplatePart::StartupFile, file_id);
        let removed = is_done(self.change(id, change).await?, id)?;
        removed.then_some(()).ok_or(Error::StartupFileNotFound {
            template_id: id,
            file_id,
        })
    }

    /// The capabilities of a template, in the order they were added.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`].
    pub async fn list_capabilities(&self, id: Uuid) -> Result<Vec<Capability>> {
        Ok(self.get_template(id).await?.capabilities)
    }

    /// Adds a startup file. Its path is stored cleaned: `./a//b.js` is `a/b.js`.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::StartupModeUnsupported`], [`Error::InvalidPath`],
    /// [`Error::TemplateNotFound`], [`Error::StartupFileExists`].
    pub async fn add_startup_file(&self, id: Uuid, new: NewStartupFile) -> Result<StartupFile> {
        check_path(&new.path)?;
        if !STARTUP_MODES.contains(&new.mode.as_str()) {
            return Err(Error::StartupModeUnsupported {
                requested: new.mode,
                supported: STARTUP_MODES,
            });
        }
        let path = startup_path(new.path)?;
        let file = StartupFile {
            id: Uuid::new_v4(),
            vm_id: id,
            path,
            order_index: new.order_index,
            mode: new.mode,
        };
        let change = TemplateChange::AddStartupFile(file.clone());
        let changed = self.change(id, change).await.map_err(|error| {
            unless_duplicate(error, || Error::StartupFileExists {
                template_id: id,
                path: file.path.clone(),
            })
        });
        is_done(changed?, id)?;
        Ok(file)
    }

    /// The startup files of a template, in the order they run.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`].
    pub async fn list_startup_files(&self, id: Uuid) -> Result<Vec<StartupFile>> {
        Ok(self.get_template(id).await?.startup_files)
    }

    /// Adds a name to one of a template's lists, and returns it as it is stored: that of a library
    /// with its version. Adding it twice succeeds.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::ModuleNotAllowed`], [`Error::LibraryRefused`],
    /// [`Error::TemplateNotFound`].
    pub async fn add_name(&self, list: NameList, id: Uuid, name: String) -> Result<String> {
        let name = match list {
            NameList::Modules => {
                check_module(&name, self.inner().runtime.host_modules())?;
                name
            }
            NameList::Libraries => self.usable_library(id, &name).await?,
        };
        let change = TemplateChange::AddName(list, name.clone());
        is_done(self.change(id, change).await?, id)?;
        Ok(name)
    }

    /// Removes a name from one of a template's lists, and returns it as it was stored. A library
    /// can be given by every name that means it. Removing a name that the list does not have
    /// succeeds.
    ///
    /// # Errors
    /// [`Error::Validation`], [`Error::TemplateNotFound`].
    pub async fn remove_name(&self, list: NameList, id: Uuid, name: String) -> Result<String> {
        check_name("name", &name)?;
        let listed = self.list_names(list, id).await?;
        let (name, removed) = match list {
            NameList::Modules => (name.clone(), vec![name]),
            NameList::Libraries => self.libraries_meant(listed, name).await?,
        };
        let change = TemplateChange::RemoveNames(list, removed);
        is_done(self.change(id, change).await?, id)?;
        Ok(name)
    }

    /// One of a template's lists.
    ///
    /// # Errors
    /// [`Error::TemplateNotFound`].
    pub async fn list_names(&self, list: NameList, id: Uuid) -> Result<Vec<String>> {
        let template = self
            .store()
            .get_template(id)
            .await?
            .ok_or(Error::TemplateNotFound { template_id: id })?;
        Ok(match list {
            NameList::Modules => template.exposed_modules,
            NameList::Libraries => template.libraries,
        })
    }

    /// The built-in engine of an engine name of a template, which may be an alias.
    ///
    /// # Errors
    /// [`Error::EngineUnsupported`].
    pub(crate) fn resolve_engine(&self, name: &str) -> Result<String> {
        let built_in = self.inner().runtime.engines();
        let meant = match name {
            DEFAULT_ENGINE_ALIAS => catalog::DEFAULT_ENGINE,
            name => name,
        };
        if built_in.contains(&meant) {
            return Ok(meant.to_owned());
        }
        let supported = built_in.iter().copied().chain([DEFAULT_ENGINE_ALIAS]);
        Err(Error::EngineUnsupported {
            requested: name.to_owned(),
            supported: supported.map(str::to_owned).collect(),
        })
    }

    /// Changes what belongs to a template.
    async fn change(
        &self,
        id: Uuid,
        change: TemplateChange,
    ) -> std::result::Result<TemplateChanged, StoreError> {
        let now = Timestamp::now();
        self.write_template(id, move |store| store.change_template(id, change, now))
            .await
    }

    /// Writes to a template that may have a cached policy, see [`policy_cache`]. The write goes on
    /// if the caller gives up.
    ///
    /// [`policy_cache`]: crate::template::policy_cache
    async fn write_template<T: Send + 'static>(
        &self,
        id: Uuid,
        write: impl FnOnce(&dyn Store) -> StoreFuture<'_, T> + Send + 'static,
    ) -> std::result::Result<T, StoreError> {
        let control = self.clone();
        let written = tokio::spawn(async move {
            let mut turn = control.inner().policies.turn(id).await;
            turn.invalidate();
            write(control.store()).await
        });
        let written = written.await;
        written.unwrap_or_else(|panic| Err(StoreError::Rejected(Box::new(panic))))
    }
}

/// Whether a change of a template was done; false if the template has no such part.
fn is_done(changed: TemplateChanged, id: Uuid) -> Result<bool> {
    match changed {
        TemplateChanged::Done => Ok(true),
        TemplateChanged::NoPart => Ok(false),
        TemplateChanged::NoTemplate => Err(Error::TemplateNotFound { template_id: id }),
    }
}

/// The error of a write, or `taken` if another record has what must be unique.
fn unless_duplicate(error: StoreError, taken: impl FnOnce() -> Error) -> Error {
    if error.is_duplicate() {
        taken()
    } else {
        error.into()
    }
}

fn check_module(name: &str, modules: &[HostModuleInfo]) -> Result<()> {
    check_name("name", name)?;
    let reason = if catalog::is_built_in(name) {
        "it is a JavaScript built-in, which every session has".to_owned()
    } else if HostModuleInfo::find(modules, name).is_some() {
        return Ok(());
    } else {
        let names: Vec<_> = modules.iter().map(|module| module.name).collect();
        format!("there is no such native module, only {}", names.join(", "))
    };
    Err(Error::ModuleNotAllowed {
        name: name.to_owned(),
        reason,
    })
}

/// The clean path of a startup file. There is no worktree yet in which the file could be checked.
fn startup_path(path: String) -> Result<String> {
    if path.is_empty() {
        return Err(Error::validation("path is required"));
    }
    cleaned_below(&path).map_err(|error| Error::InvalidPath {
        reason: error.to_string(),
        path,
    })
}
