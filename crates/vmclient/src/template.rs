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

    /// `POST /templates`: a template with default settings.
    pub fn create_template(&self, request: &CreateTemplateRequest) -> Call<Template> {
        self.post(&["templates"], request)
    }

    /// `GET /templates/{template_id}`: a template with all that belongs to it.
    pub fn template(&self, template_id: impl Display) -> Call<TemplateDetails> {
        self.get(&["templates", &template_id.to_string()])
    }

    /// `PATCH /templates/{template_id}`: changes what the request names.
    pub fn update_template(
        &self,
        template_id: impl Display,
        request: &UpdateTemplateRequest,
    ) -> Call<TemplateDetails> {
        self.patch(&["templates", &template_id.to_string()], request)
    }

    /// `DELETE /templates/{template_id}`; its sessions go on.
    pub fn delete_template(&self, template_id: impl Display) -> Call<Deleted> {
        self.delete(&["templates", &template_id.to_string()])
    }

    /// `GET /templates/{template_id}/capabilities`.
    pub fn capabilities(&self, template_id: impl Display) -> Call<Vec<Capability>> {
        self.get(&["templates", &template_id.to_string(), "capabilities"])
    }

    /// `POST /templates/{template_id}/capabilities`.
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

    /// `DELETE /templates/{template_id}/capabilities/{capability_id}`.
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

    /// `DELETE /templates/{template_id}/startup-files/{file_id}`.
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

    /// `GET /templates/{template_id}/startup-files`: in the order they run.
    pub fn startup_files(&self, template_id: impl Display) -> Call<Vec<StartupFile>> {
        self.get(&["templates", &template_id.to_string(), "startup-files"])
    }

    /// `POST /templates/{template_id}/startup-files`.
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

    /// `GET /templates/{template_id}/modules`: the names of the native modules that scripts may require.
    pub fn modules(&self, template_id: impl Display) -> Call<Vec<String>> {
        self.get(&["templates", &template_id.to_string(), "modules"])
    }

    /// `POST /templates/{template_id}/modules`; adding one twice is no error.
    pub fn add_module(&self, template_id: impl Display, name: &str) -> Call<NamedItem> {
        self.post(
            &["templates", &template_id.to_string(), "modules"],
            &named(name),
        )
    }

    /// `DELETE /templates/{template_id}/modules/{name}`; removing one that is not there is no error.
    pub fn remove_module(&self, template_id: impl Display, name: &str) -> Call<RemovedItem> {
        self.delete(&["templates", &template_id.to_string(), "modules", name])
    }

    /// `GET /templates/{template_id}/libraries`: the names of the libraries that sessions start with.
    pub fn libraries(&self, template_id: impl Display) -> Call<Vec<String>> {
        self.get(&["templates", &template_id.to_string(), "libraries"])
    }

    /// `POST /templates/{template_id}/libraries`; adding one twice is no error.
    pub fn add_library(&self, template_id: impl Display, name: &str) -> Call<NamedItem> {
        self.post(
            &["templates", &template_id.to_string(), "libraries"],
            &named(name),
        )
    }

    /// `DELETE /templates/{template_id}/libraries/{name}`; removing one that is not there is no error.
    pub fn remove_library(&self, template_id: impl Display, name: &str) -> Call<RemovedItem> {
        self.delete(&["templates", &template_id.to_string(), "libraries", name])
    }
}

fn named(name: &str) -> AddNameRequest {
    AddNameRequest {
        name: Some(name.to_owned()),
    }
}
