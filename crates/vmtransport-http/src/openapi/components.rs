//! The components of the document that belong to no type: headers, and references to components.

use serde_json::{Value, json};

/// A reference to a component.
pub(super) fn reference(kind: &str, name: &str) -> Value {
    json!({"$ref": format!("#/components/{kind}/{name}")})
}

/// The headers that answers refer to.
pub(super) fn headers() -> Value {
    let text = json!({"type": "string"});
    json!({
        "RequestId": {
            "description": "The request's own id if that is 1 to 128 visible ASCII characters, \
                else a new UUID.",
            "schema": text,
        },
        "Link": {
            "description": "The same request for the neighbouring portions of the list (RFC 8288): \
                `rel=\"next\"` for later events and older records, `rel=\"prev\"` for newer \
                records. Absent at the end of the list.",
            "schema": text,
        },
        "Allow": {"description": "The methods that the route supports.", "schema": text},
        "Authenticate": {"description": "The authentication scheme, `Bearer`.", "schema": text},
        "RetryAfter": {
            "description": "After how many seconds a retry makes sense.",
            "schema": {"type": "integer"},
        },
    })
}
