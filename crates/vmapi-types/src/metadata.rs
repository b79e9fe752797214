use serde::{Deserialize, Serialize};

/// A native module that a template can name; `GET /metadata/modules` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableModule {
    /// The name given to `require`.
    pub name: String,
    /// What it is for, in a few words.
    pub summary: String,
    /// What it is: `native`, a part of the service. A daemon older than this field leaves it empty.
    #[serde(default)]
    pub kind: String,
    /// What it is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// The names of its functions, sorted.
    #[serde(default)]
    pub functions: Vec<String>,
}

/// A library that a template can name; `GET /metadata/libraries` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableLibrary {
    /// The name that templates use, as in `lodash-4.17.21`.
    pub name: String,
    /// The name without the version, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The global that it defines, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub global: Option<String>,
    /// What people call it, where that is known: of the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What it is for, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// A URL of the file that sessions load, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The URL of its own page, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage: Option<String>,
    /// Whether it is in the daemon's cache: a session can only load what is.
    pub cached: bool,
    /// The size of its file in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}
