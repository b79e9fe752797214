//! The endpoints below `/templates`.

use std::fmt::Display;

use vmapi_types::{
    AddCapabilityRequest, AddNameRequest, AddStartupFileRequest, Capability, CreateTemplateRequest,
    Deleted, NamedItem, RemovedItem, RemovedPart, StartupFile, Template, TemplateDetails,
    UpdateTemplateRequest,
};

use crate::{Call, Client};

impl Client {
    /// `GET /templates`: all templates, newest first.
    pub fn templates(&self) -> Call<Vec<Template>> {
        self.get(&["templates"])
    }

    /// `POST /templates`: creates a template with default settings.
    pub fn create_template(&self, request: &CreateTemplateRequest) -> Call<Template> {
        self.post(&["templates"], request)
    }

    /// `GET /templates/{template_id}`: a template with its settings, capabilities and startup
    /// files.
    pub fn template(&self, template_id: impl Display) -> Call<TemplateDetails> {
        self.get(&["templates", &template_id.to_string()])
    }

    /// `PATCH /templates/{template_id}`: changes the fields that the request names.
    pub fn update_template(
        &self,
        template_id: impl Display,
        request: &UpdateTemplateRequest,
    ) -> Call<TemplateDetails> {
        self.patch(&["templates", &template_id.to_string()], request)
    }

    /// `DELETE /templates/{template_id}`: deletes a template; its live sessions continue.
    pub fn delete_template(&self, template_id: impl Display) -> Call<Deleted> {
        self.delete(&["templates", &template_id.to_string()])
    }

    /// `GET /templates/{template_id}/capabilities`: the capabilities of a template.
    pub fn capabilities(&self, template_id: impl Display) -> Call<Vec<Capability>> {
        self.get(&["templates", &template_id.to_string(), "capabilities"])
    }

    /// `POST /templates/{template_id}/capabilities`: adds a capability.
    pub fn add_capability(
        &self,
        template_id: impl Display,
        request: &AddCapabilityRequest,
    ) -> Call<Capability> {
        self.post(
            &["templates", &template_id.to_string(), "capabilities"],
            request,
        )
    }

    /// `DELETE /templates/{template_id}/capabilities/{capability_id}`: removes a capability.
    pub fn delete_capability(
        &self,
        template_id: impl Display,
        capability_id: impl Display,
    ) -> Call<RemovedPart> {
        self.delete(&[
            "templates",
            &template_id.to_string(),
            "capabilities",
            &capability_id.to_string(),
        ])
    }

    /// `DELETE /templates/{template_id}/startup-files/{file_id}`: removes a startup file.
    pub fn delete_startup_file(
        &self,
        template_id: impl Display,
        file_id: impl Display,
    ) -> Call<RemovedPart> {
        self.delete(&[
            "templates",
            &template_id.to_string(),
            "startup-files",
            &file_id.to_string(),
        ])
    }

    /// `GET /templates/{template_id}/startup-files`: the startup files in the order in which they
    /// run.
    pub fn startup_files(&self, template_id: impl Display) -> Call<Vec<StartupFile>> {
        self.get(&["templates", &template_id.to_string(), "startup-files"])
    }

    /// `POST /templates/{template_id}/startup-files`: adds a startup file.
    pub fn add_startup_file(
        &self,
        template_id: impl Display,
        request: &AddStartupFileRequest,
    ) -> Call<StartupFile> {
        self.post(
            &["templates", &template_id.to_string(), "startup-files"],
            request,
        )
    }

    /// `GET /templates/{template_id}/modules`: the names of the native modules that scripts may
    /// require.
    pub fn modules(&self, template_id: impl Display) -> Call<Vec<String>> {
        self.get(&["templates", &template_id.to_string(), "modules"])
    }

    /// `POST /templates/{template_id}/modules`: adds a native module; adding it twice succeeds.
    pub fn add_module(&self, template_id: impl Display, name: &str) -> Call<NamedItem> {
        self.post(
            &["templates", &template_id.to_string(), "modules"],
            &name_request(name),
        )
    }

    /// `DELETE /templates/{template_id}/modules/{name}`: removes a native module; removing an
    /// absent one succeeds.
    pub fn remove_module(&self, template_id: impl Display, name: &str) -> Call<RemovedItem> {
        self.delete(&["templates", &template_id.to_string(), "modules", name])
    }

    /// `GET /templates/{template_id}/libraries`: the names of the libraries that new sessions load.
    pub fn libraries(&self, template_id: impl Display) -> Call<Vec<String>> {
        self.get(&["templates", &template_id.to_string(), "libraries"])
    }

    /// `POST /templates/{template_id}/libraries`: adds a library; adding it twice succeeds.
    pub fn add_library(&self, template_id: impl Display, name: &str) -> Call<NamedItem> {
        self.post(
            &["templates", &template_id.to_string(), "libraries"],
            &name_request(name),
        )
    }

    /// `DELETE /templates/{template_id}/libraries/{name}`: removes a library; removing an absent
    /// one succeeds.
    pub fn remove_library(&self, template_id: impl Display, name: &str) -> Call<RemovedItem> {
        self.delete(&["templates", &template_id.to_string(), "libraries", name])
    }
}

fn name_request(name: &str) -> AddNameRequest {
    AddNameRequest {
        name: Some(name.to_owned()),
    }
}
