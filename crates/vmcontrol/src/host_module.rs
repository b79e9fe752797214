//! Host modules as templates and clients see them.

/// What is known of a host module before there is a session: how a template names and configures
/// it, and what clients are shown. The runtime that implements the module gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostModuleInfo {
    /// The name that templates, `require` and `import` use.
    pub name: &'static str,
    /// Its purpose, in a few words.
    pub summary: &'static str,
    /// Its purpose, in a sentence without a full stop.
    pub description: &'static str,
    /// The names of its functions, sorted.
    pub functions: &'static [&'static str],
    /// The keys that the configuration of a capability `module` of this name may have; empty if it
    /// takes none.
    pub config_keys: &'static [&'static str],
}

impl HostModuleInfo {
    /// The module of that name; `None` if `modules` has no such module.
    pub fn find<'a>(modules: &'a [Self], name: &str) -> Option<&'a Self> {
        modules.iter().find(|module| module.name == name)
    }
}
