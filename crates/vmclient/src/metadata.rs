use vmapi_types::{AvailableLibrary, AvailableModule, Identified};

use crate::{Call, Client};

impl Client {
    /// `GET /metadata/modules`: the native modules that templates can name.
    pub fn available_modules(&self) -> Call<Vec<AvailableModule>> {
        self.get(&["metadata", "modules"])
    }

    /// `GET /metadata/libraries`: the libraries of the catalogue, then the others in the daemon's cache.
    pub fn available_libraries(&self) -> Call<Vec<AvailableLibrary>> {
        self.get(&["metadata", "libraries"])
    }

    /// `GET /ids/{prefix}`: what has an id that begins so, some of each kind.
    pub fn ids(&self, prefix: &str) -> Call<Vec<Identified>> {
        self.get(&["ids", prefix])
    }
}
