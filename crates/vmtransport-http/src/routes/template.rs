//! The handlers of templates and their parts.

use axum::extract::State;
use vmapi_types::{
    AddCapabilityRequest, AddNameRequest, AddStartupFileRequest, Capability, CreateTemplateRequest,
    Deleted, NamedItem, RemovedItem, RemovedPart, StartupFile, Template, TemplateDetails,
    UpdateTemplateRequest,
};
use vmcontrol::{Control, NameList, NewCapability, NewStartupFile};

use crate::error::ApiError;
use crate::extract::{Json, PathParams, required};
use crate::respond::{Body, Created};

/// The `status` of every answer to a request that deletes something.
const OK: &str = "ok";

pub(crate) async fn list(State(control): State<Control>) -> Result<Body<Vec<Template>>, ApiError> {
    Ok(Body(control.list_templates().await?))
}

pub(crate) async fn create(
    State(control): State<Control>,
    Json(request): Json<CreateTemplateRequest>,
) -> Result<Created<Template>, ApiError> {
    let name = required("name", request.name)?;
    let engine = request.engine.filter(|engine| !engine.is_empty());
    Ok(Created(control.create_template(name, engine).await?))
}

pub(crate) async fn get(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<TemplateDetails>, ApiError> {
    Ok(Body(control.get_template(path.id("template_id")?).await?))
}

pub(crate) async fn update(
    State(control): State<Control>,
    path: PathParams,
    Json(changes): Json<UpdateTemplateRequest>,
) -> Result<Body<TemplateDetails>, ApiError> {
    let id = path.id("template_id")?;
    Ok(Body(control.update_template(id, changes).await?))
}

pub(crate) async fn delete(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Deleted>, ApiError> {
    let template_id = path.id("template_id")?;
    control.delete_template(template_id).await?;
    Ok(Body(Deleted {
        status: OK.into(),
        template_id,
    }))
}

pub(crate) async fn list_capabilities(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Vec<Capability>>, ApiError> {
    let id = path.id("template_id")?;
    Ok(Body(control.list_capabilities(id).await?))
}

pub(crate) async fn add_capability(
    State(control): State<Control>,
    path: PathParams,
    Json(request): Json<AddCapabilityRequest>,
) -> Result<Created<Capability>, ApiError> {
    let new = NewCapability {
        kind: required("kind", request.kind)?,
        name: required("name", request.name)?,
        enabled: request.enabled.unwrap_or(true),
        config: request.config.unwrap_or_default(),
    };
    let id = path.id("template_id")?;
    Ok(Created(control.add_capability(id, new).await?))
}

pub(crate) async fn delete_capability(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<RemovedPart>, ApiError> {
    let (template_id, id) = (path.id("template_id")?, path.id("capability_id")?);
    control.delete_capability(template_id, id).await?;
    Ok(removed_part(template_id, id))
}

pub(crate) async fn delete_startup_file(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<RemovedPart>, ApiError> {
    let (template_id, id) = (path.id("template_id")?, path.id("file_id")?);
    control.delete_startup_file(template_id, id).await?;
    Ok(removed_part(template_id, id))
}

pub(crate) async fn list_startup_files(
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Vec<StartupFile>>, ApiError> {
    let id = path.id("template_id")?;
    Ok(Body(control.list_startup_files(id).await?))
}

pub(crate) async fn add_startup_file(
    State(control): State<Control>,
    path: PathParams,
    Json(request): Json<AddStartupFileRequest>,
) -> Result<Created<StartupFile>, ApiError> {
    let new = NewStartupFile {
        path: required("path", request.path)?,
        order_index: request.order_index.unwrap_or(0),
        mode: request.mode.unwrap_or_else(|| "eval".into()),
    };
    let id = path.id("template_id")?;
    Ok(Created(control.add_startup_file(id, new).await?))
}

pub(crate) async fn list_names(
    list: NameList,
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<Vec<String>>, ApiError> {
    let id = path.id("template_id")?;
    Ok(Body(control.list_names(list, id).await?))
}

pub(crate) async fn add_name(
    list: NameList,
    State(control): State<Control>,
    path: PathParams,
    Json(request): Json<AddNameRequest>,
) -> Result<Created<NamedItem>, ApiError> {
    let template_id = path.id("template_id")?;
    let name = required("name", request.name)?;
    let name = control.add_name(list, template_id, name).await?;
    Ok(Created(NamedItem { template_id, name }))
}

pub(crate) async fn remove_name(
    list: NameList,
    State(control): State<Control>,
    path: PathParams,
) -> Result<Body<RemovedItem>, ApiError> {
    let (template_id, name) = (path.id("template_id")?, path.text("name"));
    let name = control.remove_name(list, template_id, name).await?;
    Ok(Body(RemovedItem {
        status: OK.into(),
        template_id,
        name,
    }))
}

fn removed_part(template_id: uuid::Uuid, id: uuid::Uuid) -> Body<RemovedPart> {
    Body(RemovedPart {
        status: OK.into(),
        template_id,
        id,
    })
}
