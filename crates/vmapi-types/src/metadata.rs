use serde::{Deserialize, Serialize};

/// A native module that a template can name; `GET /metadata/modules` lists them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AvailableModule {
    /// The name given to `require`.
    pub name: String,
    /// What it is for.
    pub summary: String,
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
    /// Whether it is in the daemon's cache: a session can only load what is.
    pub cached: bool,
    /// The size of its file in the cache.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
}
