//! The version of the program.

use std::env::consts::{ARCH, OS};

use vmapi_types::{Platform, Version};

/// The version of the API, as in the base path of its routes.
const API: &str = "v1";

/// The version of this program, with its built-in engines; the first of them is the default.
pub(crate) fn version(engines: &[&str]) -> Version {
    let profile = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    Version {
        version: env!("CARGO_PKG_VERSION").into(),
        commit: option_env!("VM_SYSTEM_COMMIT").map(Into::into),
        profile: profile.into(),
        api: API.into(),
        engines: engines.iter().map(|&name| name.into()).collect(),
        default_engine: engines.first().copied().unwrap_or_default().into(),
        platform: Platform {
            os: OS.into(),
            arch: ARCH.into(),
        },
    }
}
