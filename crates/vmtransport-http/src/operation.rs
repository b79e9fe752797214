//! The description of one method of one route, with its handler.
//!
//! The tables in [`operations`](crate::operations) are made of these descriptions; the router and
//! the OpenAPI document are made from the tables.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};
use vmapi_types::ErrorCode;
use vmcontrol::Control;

/// What the paths of all operations begin with.
pub(crate) const BASE_PATH: &str = "/api/v1";

/// Makes the schema of a type, or a reference to that schema.
pub(crate) type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

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
    pub(crate) const ALL: [Self; 6] = [
        Self::Service,
        Self::Runtime,
        Self::Metadata,
        Self::Templates,
        Self::Sessions,
        Self::Executions,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Runtime => "runtime",
            Self::Metadata => "metadata",
            Self::Templates => "templates",
            Self::Sessions => "sessions",
            Self::Executions => "executions",
        }
    }

    pub(crate) const fn description(self) -> &'static str {
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
    pub(crate) method: &'static str,
    filter: MethodFilter,
    /// The path below [`BASE_PATH`], with parameters in braces.
    pub(crate) path: &'static str,
    /// The operation's unique name, for generated clients.
    pub(crate) id: &'static str,
    /// What the operation does, without a full stop.
    pub(crate) summary: &'static str,
    /// What the summary leaves open; `None` if the summary says all.
    pub(crate) description: Option<&'static str>,
    pub(crate) tag: Tag,
    /// The parameters that are not in the path.
    pub(crate) parameters: Vec<Parameter>,
    /// The schema of the JSON body of the request; `None` if the operation takes none.
    pub(crate) body: Option<SchemaOf>,
    /// The successful answers.
    pub(crate) answers: Vec<Answer>,
    /// The error codes that are specific to the operation.
    pub(crate) errors: Vec<ErrorCode>,
    /// Whether the operation uses the database.
    pub(crate) is_stored: bool,
    /// Whether the operation needs no token.
    pub(crate) is_open: bool,
}

/// A successful answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) description: &'static str,
    pub(crate) content: Content,
}

/// The body of a successful answer.
pub(crate) enum Content {
    Json {
        schema: SchemaOf,
        /// Whether a `Link` header names the neighbouring portions of the list.
        has_links: bool,
    },
    /// Server-sent events: the name of each message, with the schema of its data.
    Stream(Vec<(&'static str, SchemaOf)>),
    /// Bytes of this media type.
    Binary(&'static str),
}

/// A parameter of the query, or a header of the request.
pub(crate) struct Parameter {
    /// Where the parameter stands: `query` or `header`.
    pub(crate) place: &'static str,
    pub(crate) name: &'static str,
    pub(crate) description: &'static str,
    pub(crate) is_required: bool,
    pub(crate) schema: ParameterSchema,
}

/// The schema of a parameter.
pub(crate) enum ParameterSchema {
    /// This schema.
    Json(Value),
    /// The schema of a type.
    Of(SchemaOf),
}

/// An operation with its handler.
pub(crate) struct Route {
    pub(crate) operation: Operation,
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

    /// Adds a description of what the summary leaves open.
    pub(crate) fn about(mut self, description: &'static str) -> Self {
        self.description = Some(description);
        self
    }

    /// Adds a parameter of the query, or a header.
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

    /// The operation can fail with these codes, beside those that follow from the rest of its
    /// description (see [`Operation::all_errors`]).
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

    /// Adds the handler.
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
    pub(crate) fn path_parameters(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('/')
            .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Every error code that the operation answers with.
    pub(crate) fn all_errors(&self) -> Vec<ErrorCode> {
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
    /// Adds a handler for `HEAD` to a route whose handler for `GET` would do too much.
    pub(crate) fn with_head<H, T>(mut self, handler: H) -> Self
    where
        H: Handler<T, Control>,
        T: 'static,
    {
        self.handler = self.handler.head(handler);
        self
    }

    /// Sets the resource that the operation belongs to.
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

    /// The parameter must be there.
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

    /// The value is a whole number of at least `least`; without a `default` there is none.
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

    /// The value, a number, is at most `most`.
    pub(crate) fn at_most(mut self, most: u64) -> Self {
        if let ParameterSchema::Json(schema) = &mut self.schema {
            schema["maximum"] = most.into();
        }
        self
    }
}

/// Makes a router with these routes. No other code adds a route to a router, so that every route
/// has a description.
#[expect(clippy::disallowed_methods, reason = "these routes have descriptions")]
pub(crate) fn router_of(routes: Vec<Route>) -> Router<Control> {
    routes.into_iter().fold(Router::new(), |router, route| {
        router.route(route.operation.path, route.handler)
    })
}
