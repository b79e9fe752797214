use serde::{Deserialize, Serialize};

use crate::RawJson;

/// The code of a look that took too long or too much memory.
pub const LOOK_LIMIT: &str = "LOOK_LIMIT";

/// The body of `POST /sessions/{id}/complete`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompleteRequest {
    /// What is being typed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Where the cursor stands in it, in UTF-16 code units as JavaScript counts; at the end when left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<usize>,
}

/// What may be typed at a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completions {
    /// What may stand in place of the range, the likeliest first.
    pub candidates: Vec<Candidate>,
    /// Where the range starts that a candidate replaces, in UTF-16 code units.
    pub start: usize,
    /// Where it ends.
    pub end: usize,
}

/// One completion.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Candidate {
    /// The text.
    pub text: String,
    /// What it names.
    pub kind: CandidateKind,
}

/// What a completion names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CandidateKind {
    /// A name of the scope.
    Variable,
    /// A property of an object.
    Property,
    /// A property that is computed when it is read.
    Accessor,
    /// A function or a method.
    Function,
    /// A class.
    Class,
    /// A word of the language.
    Keyword,
    /// A module.
    Module,
}

/// The body of `POST /sessions/{id}/inspect`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InspectRequest {
    /// The expression to look at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,
}

/// What an expression is: a value, or why it has none.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Inspection {
    /// The value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<ValueView>,
    /// The value as text of many lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether the text was cut off.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Why there is no value, as the `exception` event of an execution says it: with a `message`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<RawJson>,
}

/// A value in a tree of values. No accessor and no trap of a proxy was run for it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct ValueView {
    /// The kind of the value, as in the `value` event of an execution.
    pub r#type: String,
    /// A short text.
    pub preview: String,
    /// The object's own properties, as far as they are listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<PropertyView>,
    /// How many properties are not listed.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub properties_left_out: usize,
}

/// A property in a tree of values.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PropertyView {
    /// Its name; `Symbol(description)` for a symbol.
    pub name: String,
    /// Whether listings of the object show it.
    pub enumerable: bool,
    /// What it is computed by, if it is: `get`, `set` or `get set`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accessor: Option<String>,
    /// Its value, unless it is computed.
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

/// The body of `POST /sessions/{id}/is-complete`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IsCompleteRequest {
    /// The code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Whether code is all of what somebody wants to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completeness {
    /// Whether it is.
    pub status: CompletenessStatus,
    /// What is wrong with it, if it is invalid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// [`LOOK_LIMIT`], if that is all that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

/// Whether code can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CompletenessStatus {
    /// As it is.
    Complete,
    /// Once more lines have come.
    Incomplete,
    /// Never.
    Invalid,
}
