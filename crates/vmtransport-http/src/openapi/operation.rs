//! The description of one method of one route.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use vmapi_types::ErrorCode;
use vmcontrol::Control;

/// Makes the schema of a type, or a reference to it.
pub(super) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// The resource that an operation belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Service,
    Runtime,
    Metadata,
    Templates,
    Sessions,
    Executions,
}

impl Tag {
    pub(super) const ALL: [Self; 6] = [
        Self::Service,
        Self::Runtime,
        Self::Metadata,
        Self::Templates,
        Self::Sessions,
        Self::Executions,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Runtime => "runtime",
            Self::Metadata => "metadata",
            Self::Templates => "templates",
            Self::Sessions => "sessions",
            Self::Executions => "executions",
        }
    }

    pub(super) const fn description(self) -> &'static str {
        match self {
            Self::Service => "The health and the version of the daemon, and this document.",
            Self::Runtime => "The running daemon: its sessions, its sandbox, its database.",
            Self::Metadata => "What templates can name, and what ids identify.",
            Self::Templates => "What the sessions that are created from a template may do.",
            Self::Sessions => "Runtimes, each with a state of its own in a process of its own.",
            Self::Executions => "Runs of snippets and files in a session, and their events.",
        }
    }
}

/// One method of one route, as the document describes it.
pub(crate) struct Operation {
    pub(super) method: &'static str,
    filter: MethodFilter,
    /// The path below `/api/v1`, with parameters in braces.
    pub(super) path: &'static str,
    /// The operation's unique name, for generated clients.
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    pub(super) description: Option<&'static str>,
    pub(super) tag: Tag,
    /// The parameters that are not in the path.
    pub(super) parameters: Vec<Parameter>,
    pub(super) body: Option<SchemaOf>,
    pub(super) answers: Vec<Answer>,
    /// The error codes that are specific to the operation.
    pub(super) errors: Vec<ErrorCode>,
    /// Whether the operation uses the database.
    pub(super) is_stored: bool,
    /// Whether the operation needs no token.
    pub(super) is_open: bool,
}

/// A successful answer.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) description: &'static str,
    pub(super) content: Content,
}

/// The body of a successful answer.
pub(super) enum Content {
    Json {
        schema: SchemaOf,
        /// Whether a `Link` header names the neighbouring portions of the list.
        has_links: bool,
    },
    /// Server-sent events: the schema of the data by the name of the message. An empty name stands
    /// for none.
    Stream(Vec<(&'static str, SchemaOf)>),
    /// Bytes of this media type.
    Binary(&'static str),
}

/// A parameter of the query, or a header.
pub(crate) struct Parameter {
    pub(super) place: &'static str,
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) is_required: bool,
    pub(super) schema: ParameterSchema,
}

pub(super) enum ParameterSchema {
    Json(Value),
    Of(SchemaOf),
}

/// An operation with its handler.
pub(crate) struct Route {
    pub(super) operation: Operation,
    handler: MethodRouter<Control>,
}

/// Describes a `GET`.
pub(crate) fn get(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("get", MethodFilter::GET, path, id, summary)
}

/// Describes a `POST`.
pub(crate) fn post(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("post", MethodFilter::POST, path, id, summary)
}

/// Describes a `PATCH`.
pub(crate) fn patch(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("patch", MethodFilter::PATCH, path, id, summary)
}

/// Describes a `DELETE`.
pub(crate) fn delete(path: &'static str, id: &'static str, summary: &'static str) -> Operation {
    Operation::new("delete", MethodFilter::DELETE, path, id, summary)
}

impl Operation {
    fn new(
        method: &'static str,
        filter: MethodFilter,
        path: &'static str,
        id: &'static str,
        summary: &'static str,
    ) -> Self {
        Self {
            method,
            filter,
            path,
            id,
            summary,
            description: None,
            tag: Tag::Service,
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            errors: Vec::new(),
            is_stored: false,
            is_open: false,
        }
    }

    /// Adds what the summary leaves open.
    pub(crate) fn about(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    pub(crate) fn parameter(mut self, parameter: Parameter) -> Self {
        self.parameters.push(parameter);
        self
    }

    /// The operation takes a JSON body of this type.
    pub(crate) fn takes<T: JsonSchema>(mut self) -> Self {
        self.body = Some(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// The operation answers with JSON of this type.
    pub(crate) fn answers<T: JsonSchema>(self, status: u16, description: &'static str) -> Self {
        let schema = SchemaGenerator::subschema_for::<T>;
        let has_links = false;
        self.answer(status, description, Content::Json { schema, has_links })
    }

    /// The operation answers with a portion of a list of this type.
    pub(crate) fn lists<T: JsonSchema>(self, description: &'static str) -> Self {
        let schema = SchemaGenerator::subschema_for::<Vec<T>>;
        let has_links = true;
        self.answer(200, description, Content::Json { schema, has_links })
    }

    /// The operation answers with a stream of server-sent events.
    pub(crate) fn streams(
        self,
        description: &'static str,
        messages: impl IntoIterator<Item = (&'static str, SchemaOf)>,
    ) -> Self {
        let messages = messages.into_iter().collect();
        self.answer(200, description, Content::Stream(messages))
    }

    /// The operation answers with bytes.
    pub(crate) fn sends(self, media_type: &'static str, description: &'static str) -> Self {
        self.answer(200, description, Content::Binary(media_type))
    }

    fn answer(mut self, status: u16, description: &'static str, content: Content) -> Self {
        self.answers.push(Answer {
            status,
            description,
            content,
        });
        self
    }

    /// The operation can fail with these codes, beside those that follow from what else is
    /// described.
    pub(crate) fn fails(mut self, codes: &[ErrorCode]) -> Self {
        self.errors.extend_from_slice(codes);
        self
    }

    /// The operation uses the database.
    pub(crate) fn stored(mut self) -> Self {
        self.is_stored = true;
        self
    }

    /// The operation needs no token.
    pub(crate) fn open(mut self) -> Self {
        self.is_open = true;
        self
    }

    /// Names the handler.
    pub(crate) fn to<H, T>(self, handler: H) -> Route
    where
        H: Handler<T, Control>,
        T: 'static,
    {
        let handler = on(self.filter, handler);
        Route {
            operation: self,
            handler,
        }
    }

    /// The names of the parameters in the path.
    pub(super) fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Every error code that the operation answers with.
    pub(super) fn all_errors(&self) -> Vec<ErrorCode> {
        use ErrorCode as Code;
        let mut codes = vec![
            Code::InvalidRequest,
            Code::ForbiddenHost,
            Code::ForbiddenOrigin,
            Code::Internal,
        ];
        if !self.is_open {
            codes.push(Code::Unauthorized);
        }
        if !self.parameters.is_empty() || self.path_parameters().next().is_some() {
            codes.push(Code::ValidationError);
        }
        if self.body.is_some() {
            codes.extend([
                Code::ValidationError,
                Code::RequestTimeout,
                Code::PayloadTooLarge,
                Code::UnsupportedMediaType,
                Code::Unavailable,
            ]);
        }
        if self.is_stored {
            codes.extend([Code::RecordUnreadable, Code::Unavailable]);
        }
        codes.extend_from_slice(&self.errors);
        codes.sort_by_key(|code| (code.status(), code.as_str()));
        codes.dedup();
        codes
    }
}

impl Route {
    /// Adds a handler for `HEAD`, where that of `GET` would do too much.
    pub(crate) fn with_head<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, Control>,
        T: 'static,
    {
        self.handler = self.handler.head(handler);
        self
    }

    /// Says which resource the operation belongs to.
    pub(crate) fn tagged(mut self, tag: Tag) -> Self {
        self.operation.tag = tag;
        self
    }
}

impl Parameter {
    /// A parameter of the query.
    pub(crate) fn query(name: &'static str, description: &'static str) -> Self {
        Self {
            place: "query",
            name,
            description,
            is_required: false,
            schema: ParameterSchema::Json(json!({"type": "string"})),
        }
    }

    /// A header of the request.
    pub(crate) fn header(name: &'static str, description: &'static str) -> Self {
        Self {
            place: "header",
            ..Self::query(name, description)
        }
    }

    pub(crate) fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// The value is an id.
    pub(crate) fn id(mut self) -> Self {
        self.schema = ParameterSchema::Json(json!({"type": "string", "format": "uuid"}));
        self
    }

    /// The value is one of an enumeration.
    pub(crate) fn one_of<T: JsonSchema>(mut self) -> Self {
        self.schema = ParameterSchema::Of(SchemaGenerator::subschema_for::<T>);
        self
    }

    /// The value is a whole number of at least `least`.
    pub(crate) fn number(mut self, least: u64, default: Option<u64>) -> Self {
        let mut schema = json!({"type": "integer", "format": "uint64", "minimum": least});
        if let Some(default) = default {
            schema["default"] = default.into();
        }
        self.schema = ParameterSchema::Json(schema);
        self
    }

    /// The value is `true` or `false`.
    pub(crate) fn flag(mut self, default: bool) -> Self {
        self.schema = ParameterSchema::Json(json!({"type": "boolean", "default": default}));
        self
    }

    /// The number is at most `most`.
    pub(crate) fn at_most(mut self, most: u64) -> Self {
        if let ParameterSchema::Json(schema) = &mut self.schema {
            schema["maximum"] = most.into();
        }
        self
    }
}

/// Adds routes to a router. This is the only place that does, so that no route is without its
/// description.
#[expect(
    clippy::disallowed_methods,
    reason = "these routes have their descriptions"
)]
pub(crate) fn add_routes(router: Router<Control>, routes: Vec<Route>) -> Router<Control> {
    routes.into_iter().fold(router, |router, route| {
        router.route(route.operation.path, route.handler)
    })
}
