//! The native modules and the libraries that templates can name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A native module that templates can expose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AvailableModule {
    /// The name that scripts pass to `require`.
    pub name: String,
    /// A summary of a few words.
    pub summary: String,
    /// The kind of module; always `native`.
    // A daemon that is older than this field and the next two omits them.
    #[serde(default)]
    pub kind: String,
    /// A description of one sentence.
    #[serde(default)]
    pub description: String,
    /// The names of the module's functions, sorted.
    #[serde(default)]
    pub functions: Vec<String>,
}

/// A JavaScript library that templates can name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AvailableLibrary {
    /// The name that templates use, such as `lodash-4.17.21`.
    pub name: String,
    /// The name without the version; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The version; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The global variable that the library defines; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<String>,
    /// The library's title; absent for libraries outside the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A description of the library; absent for libraries outside the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A URL of the file that sessions load; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The URL of the library's home page; absent when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Whether the library is in the daemon's cache. Sessions can load only cached libraries.
    pub cached: bool,
    /// The size of the cached file, in bytes; absent when the library is not cached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}
