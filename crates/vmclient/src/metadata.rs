//! The endpoints below `/metadata`, and the search for ids by their prefix.

use vmapi_types::{AvailableLibrary, AvailableModule, Identified};

use crate::{Call, Client};

impl Client {
    /// `GET /metadata/modules`: the native modules that a template can name.
    pub fn available_modules(&self) -> Call<Vec<AvailableModule>> {
        self.get(&["metadata", "modules"])
    }

    /// `GET /metadata/libraries`: the libraries of the catalogue, followed by the other libraries
    /// in the daemon's cache.
    pub fn available_libraries(&self) -> Call<Vec<AvailableLibrary>> {
        self.get(&["metadata", "libraries"])
    }

    /// `GET /ids/{prefix}`: the objects whose id begins with `prefix`. The daemon returns a bounded
    /// number of each kind.
    pub fn ids(&self, prefix: &str) -> Call<Vec<Identified>> {
        self.get(&["ids", prefix])
    }
}
