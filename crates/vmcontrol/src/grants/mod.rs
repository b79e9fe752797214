//! The permissions that a template's capabilities give to its sessions: a file for each kind.
//!
//! A capability is checked when it is added to a template ([`check`]), so that the client hears of
//! a mistake. When a session is made, the capabilities become [`Grants`]. A stored capability that
//! can't be parsed, of a version without the check, allows nothing; if it is a disabled one, it
//! denies its whole kind.

mod config;
mod env;
mod exec;
mod fs;
mod global;
mod module;
mod net;

use serde_json::{Map, Value};
use vmapi_types::Capability;

use crate::host_module::HostModuleInfo;

pub use config::ConfigError;
use env::EnvGrant;
pub use exec::ExecGrant;
pub use fs::{FsGrant, FsRefusal};
use global::GlobalGrant;
pub(crate) use module::effective_modules;
pub use net::NetGrant;

/// The permissions of a session, beside its modules.
#[derive(Clone, Debug, Default)]
pub struct Grants {
    /// Which files the module `fs` reaches.
    pub fs: FsGrant,
    /// Which hosts `fetch` reaches.
    pub net: NetGrant,
    /// Which programs the module `exec` runs.
    pub exec: ExecGrant,
    /// The names of the daemon's environment variables that the session sees, sorted. No name is
    /// empty or contains `=` or a NUL.
    pub env: Vec<String>,
    /// The globals that are set, with their values, in the order of the capabilities.
    pub globals: Vec<(String, Value)>,
    /// The globals that are deleted.
    pub removed_globals: Vec<String>,
}

impl Grants {
    /// The permissions that these capabilities give together. `modules` are those that the runtime
    /// has.
    pub fn of_capabilities(capabilities: &[Capability], modules: &[HostModuleInfo]) -> Self {
        let mut grants = Builder::default();
        for capability in capabilities {
            let Capability {
                kind,
                name,
                enabled,
                config,
                ..
            } = capability;
            if let Err(error) = grants.add(kind, name, *enabled, config, modules) {
                tracing::warn!(
                    template = %capability.vm_id, kind, name, %error,
                    "a stored capability can't be parsed and gives nothing"
                );
                grants.close(kind, name, *enabled);
            }
        }
        grants.finish()
    }
}

/// The grants of the capabilities that were added so far.
#[derive(Default)]
struct Builder {
    fs: FsGrant,
    net: NetGrant,
    exec: ExecGrant,
    env: EnvGrant,
    globals: GlobalGrant,
}

impl Builder {
    fn add(
        &mut self,
        kind: &str,
        name: &str,
        enabled: bool,
        config: &Map<String, Value>,
        modules: &[HostModuleInfo],
    ) -> Result<(), ConfigError> {
        match kind {
            "module" => module::check(name, config, modules)
                .and_then(|()| self.exec.add_module(name, enabled, config)),
            "fs" => self.fs.add(enabled, config),
            "net" => self.net.add(name, enabled, config),
            "env" => self.env.add(name, enabled, config),
            "global" => self.globals.add(name, enabled, config),
            _ => Err(ConfigError::new("kind", "is unknown")),
        }
    }

    /// Allows nothing, or denies all, in place of a capability that can't be parsed.
    fn close(&mut self, kind: &str, name: &str, enabled: bool) {
        match kind {
            "module" if name == "exec" => self.exec.close(),
            "fs" => self.fs.close(enabled),
            "net" if !enabled => self.net.close(),
            "env" if !enabled => self.env.close(),
            _ => {}
        }
    }

    fn finish(self) -> Grants {
        Grants {
            fs: self.fs,
            net: self.net,
            exec: self.exec,
            env: self.env.names(),
            globals: self.globals.values,
            removed_globals: self.globals.removed,
        }
    }
}

/// Checks a new capability of a known kind.
///
/// # Errors
/// Names the key that is wrong.
pub fn check(
    kind: &str,
    name: &str,
    enabled: bool,
    config: &Map<String, Value>,
    modules: &[HostModuleInfo],
) -> Result<(), ConfigError> {
    Builder::default().add(kind, name, enabled, config, modules)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::MODULES;
    use serde_json::json;
    use std::path::Path;

    fn capability(kind: &str, name: &str, enabled: bool, config: &Value) -> Capability {
        Capability {
            id: uuid::Uuid::nil(),
            vm_id: uuid::Uuid::nil(),
            kind: kind.into(),
            name: name.into(),
            enabled,
            config: config.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn a_stored_capability_that_can_not_be_parsed_gives_nothing() {
        let grants = Grants::of_capabilities(
            &[
                capability("fs", "a", true, &json!({"read": "everything"})),
                capability("net", "b", true, &json!({"hosts": [1]})),
                capability("env", "A=B", true, &json!({})),
                capability("global", "c d", true, &json!({"value": 1})),
                capability("global", "e", true, &json!({})),
                capability("module", "exec", true, &json!({"commands": []})),
                capability("disk", "f", true, &json!({})),
            ],
            MODULES,
        );
        assert!(!grants.fs.may_read(Path::new("x")));
        assert!(!grants.fs.may_write(Path::new("x")));
        assert!(grants.net.is_empty());
        assert!(grants.env.is_empty());
        assert!(grants.globals.is_empty());
        assert!(!grants.exec.allows(Path::new("/bin/sh")));
    }

    #[test]
    fn a_stored_capability_that_can_not_be_parsed_denies_its_whole_kind() {
        let grants = Grants::of_capabilities(
            &[
                capability("fs", "a", true, &json!({})),
                capability("fs", "b", false, &json!({"colour": 1})),
                capability("net", "c", true, &json!({})),
                capability("net", "d", false, &json!({"hosts": "d"})),
                capability("env", "HOME", true, &json!({})),
                capability("env", "e", false, &json!({"names": {}})),
            ],
            MODULES,
        );
        assert!(!grants.fs.may_read(Path::new("x")));
        let host = url::Host::Domain("c".to_owned());
        assert!(!grants.net.allows(&host, 80, 80));
        assert!(grants.env.is_empty());
    }

    #[test]
    fn mistakes_are_named_by_their_path() {
        for (kind, name, config, expected) in [
            (
                "fs",
                "a",
                json!({"read": ["x", 1]}),
                "config.read[1] must be a string",
            ),
            (
                "fs",
                "a",
                json!({"colour": 1}),
                "config.colour is not a key of a capability of kind fs: use read, write",
            ),
            (
                "fs",
                "a",
                json!({"write": "x"}),
                "config.write must be an array of strings",
            ),
            (
                "fs",
                "a",
                json!({"read": ["/etc"]}),
                "config.read[0] must be relative to the worktree, without a leading `/`",
            ),
            (
                "global",
                "a",
                json!({}),
                "config.value is required: it is what the global holds",
            ),
            (
                "env",
                "a",
                json!({"names": ["A=B"]}),
                "config.names[0] must be the name of a variable, without `=` and NUL",
            ),
            (
                "module",
                "exec",
                json!({"commands": []}),
                "config.commands must name at least one program",
            ),
            (
                "module",
                "exec",
                json!({"commands": ["git"]}),
                "config.commands[0] must be an absolute path",
            ),
            (
                "module",
                "fs",
                json!({"read": []}),
                "config.read is not a key of a capability of kind module for fs: it takes none",
            ),
        ] {
            let error = check(kind, name, true, config.as_object().unwrap(), MODULES).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}
