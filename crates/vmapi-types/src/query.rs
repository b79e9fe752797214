//! Queries to a session: completions, the inspection of a value, the check whether code is
//! complete.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{ExceptionPayload, RawJson};

/// The code of a query that took too long or too much memory.
pub const LOOK_LIMIT: &str = "LOOK_LIMIT";

/// Code to complete.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CompleteRequest {
    /// The code that is being typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub code: Option<String>,
    /// The position of the cursor in the code, in UTF-16 code units. Absent: the end of the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<usize>,
}

/// The completions at a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Completions {
    /// The completions, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// The start of the range of the code that a candidate replaces, in UTF-16 code units.
    pub start: usize,
    /// The end of that range, in UTF-16 code units.
    pub end: usize,
}

/// One completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// The text that replaces the range.
    pub text: String,
    /// What the text names.
    pub kind: CandidateKind,
}

/// What a completion names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// A name of the session's scope.
    Variable,
    /// A property of an object.
    Property,
    /// A property with a getter or a setter.
    Accessor,
    /// A function or a method.
    Function,
    /// A class.
    Class,
    /// A keyword.
    Keyword,
    /// A module.
    Module,
}

/// An expression to inspect.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// The expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, length(min = 1))]
    pub expression: Option<String>,
}

/// The value of an expression, or why the expression has none.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("oneOf" = [{"required": ["value", "text"]}, {"required": ["error"]}]))]
pub struct Inspection {
    /// The value as a tree; absent when the expression has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueView>,
    /// The value as text of one or more lines; absent when the expression has no value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the text was cut off; absent when it was not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Why the expression has no value; absent when it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<ExceptionPayload>")]
    pub error: Option<RawJson>,
}

/// A value in a tree of values. No getter and no proxy trap is run to make it.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct ValueView {
    /// The type of the value, as in a `value` event.
    pub r#type: String,
    /// The value as a short text.
    pub preview: String,
    /// The own properties of the object that are listed; absent when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyView>,
    /// The number of own properties that are not listed; absent when it is 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub properties_left_out: usize,
}

/// A property in a tree of values.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct PropertyView {
    /// The name of the property; `Symbol(description)` for a symbol.
    pub name: String,
    /// Whether the property is enumerable.
    pub enumerable: bool,
    /// The accessor functions of the property: `get`, `set` or `get set`; absent for a property
    /// with a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessor: Option<String>,
    /// The value of the property; absent for an accessor and below the deepest level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueView>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Code to check for completeness.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IsCompleteRequest {
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required)]
    pub code: Option<String>,
}

/// Whether code can be run as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Completeness {
    /// Whether the code is complete.
    pub status: CompletenessStatus,
    /// What is wrong with the code; absent unless it is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `LOOK_LIMIT` if the check took too long or too much memory; absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Whether code can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CompletenessStatus {
    /// The code can be run as it is.
    Complete,
    /// The code needs more lines.
    Incomplete,
    /// The code has an error that no further line mends.
    Invalid,
}
