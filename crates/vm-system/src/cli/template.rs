use super::LimitArgs;
use clap::{ArgAction, Args, Subcommand};
use serde_json::{Map, Value};
use vmapi_types::{RuntimePatch, UpdateTemplateRequest};

use super::parse::json_object;

/// The commands of `vm-system template`.
#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// Make a template with default settings
    #[command(after_help = "Example:\n  vm-system template create --name scripts")]
    Create {
        /// Its name, which no other template has
        #[arg(long)]
        name: String,
        /// The engine that its sessions run on [default: the daemon's default engine]
        #[arg(long)]
        engine: Option<String>,
    },
    /// List templates, newest first
    #[command(after_help = "Example:\n  vm-system template list")]
    List,
    /// Show a template with its settings, modules, libraries, capabilities and startup files
    #[command(
        after_help = "Example:\n  vm-system template get 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    )]
    Get {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Change a template; sessions that live keep what they were made with
    #[command(
        after_help = "Example:\n  vm-system template set 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --wall-ms 60000 --mem-mb 512"
    )]
    Set(SetArgs),
    /// Delete a template; its sessions go on
    #[command(
        after_help = "Example:\n  vm-system template delete 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    )]
    Delete {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
    },
    /// What belongs to a template.
    #[command(flatten)]
    Part(PartCommand),
}

/// What `vm-system template set` changes; what is left out stays as it is.
#[derive(Args, Debug)]
pub(crate) struct SetArgs {
    /// The template
    #[arg(value_name = "ID")]
    pub id: String,
    /// A new name
    #[arg(long)]
    pub name: Option<String>,
    /// Whether sessions can be made from it
    #[arg(long, value_name = "BOOL")]
    pub active: Option<bool>,
    /// Its limits.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Whether ES modules may be used
    #[arg(long, value_name = "BOOL")]
    pub esm: Option<bool>,
    /// Whether scripts run in strict mode
    #[arg(long, value_name = "BOOL")]
    pub strict: Option<bool>,
    /// Whether console exists
    #[arg(long, value_name = "BOOL")]
    pub console: Option<bool>,
}

impl SetArgs {
    /// The request that makes the changes.
    pub(crate) fn request(&self) -> UpdateTemplateRequest {
        let runtime = RuntimePatch {
            esm: self.esm,
            strict: self.strict,
            console: self.console,
        };
        UpdateTemplateRequest {
            name: self.name.clone(),
            is_active: self.active,
            limits: self.limits.patch(),
            resolver: None,
            runtime: (runtime != RuntimePatch::default()).then_some(runtime),
        }
    }
}

/// The commands of `vm-system template` for what belongs to a template.
#[derive(Debug, Subcommand)]
pub(crate) enum PartCommand {
    /// Add a file that runs when a session starts
    #[command(
        after_help = "Example:\n  vm-system template add-startup 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --path init.js --order 20"
    )]
    AddStartup {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// The file, relative to the session's worktree
        #[arg(long)]
        path: String,
        /// Its place: files run in ascending order
        #[arg(
            long,
            value_name = "N",
            default_value_t = 10,
            allow_negative_numbers = true
        )]
        order: i64,
        /// How it runs: eval or import
        #[arg(long, default_value = "eval")]
        mode: String,
    },
    /// List startup files in the order they run
    #[command(
        after_help = "Example:\n  vm-system template list-startup 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    )]
    ListStartup {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Add a capability: something that sessions may or may not do
    #[command(
        after_help = "Example:\n  vm-system template add-capability 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --kind module --name fs"
    )]
    AddCapability {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// What it is about, as the kind understands it
        #[arg(long)]
        name: String,
        /// Its kind: module, global, fs, net or env
        #[arg(long, default_value = "module")]
        kind: String,
        /// Its configuration, a JSON object
        #[arg(long, value_name = "JSON", default_value = "{}", value_parser = json_object)]
        config: Map<String, Value>,
        /// Whether it gives (true) or takes away (--enabled=false)
        #[arg(
            long,
            value_name = "BOOL",
            action = ArgAction::Set,
            num_args = 0..=1,
            require_equals = true,
            default_value_t = true,
            default_missing_value = "true"
        )]
        enabled: bool,
    },
    /// List capabilities
    #[command(
        after_help = "Example:\n  vm-system template list-capabilities 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    )]
    ListCapabilities {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
    },
    /// Remove a capability
    #[command(
        after_help = "Example:\n  vm-system template remove-capability 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --capability-id 0d3c7a52-58a4-4d0f-8a8c-3f3d1c5a9e10"
    )]
    RemoveCapability {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// The capability, as list-capabilities shows it
        #[arg(long, value_name = "ID")]
        capability_id: String,
    },
    /// Remove a startup file
    #[command(
        after_help = "Example:\n  vm-system template remove-startup 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --file-id 0d3c7a52-58a4-4d0f-8a8c-3f3d1c5a9e10"
    )]
    RemoveStartup {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// The startup file, as list-startup shows it
        #[arg(long, value_name = "ID")]
        file_id: String,
    },
    /// Let scripts require a native module
    #[command(
        after_help = "Example:\n  vm-system template add-module 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --name fs"
    )]
    AddModule {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// The module
        #[arg(long)]
        name: String,
    },
    /// Stop letting scripts require a native module
    #[command(
        after_help = "Example:\n  vm-system template remove-module 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --name fs"
    )]
    RemoveModule {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// The module
        #[arg(long)]
        name: String,
    },
    /// List the native modules that scripts may require
    #[command(
        after_help = "Example:\n  vm-system template list-modules 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    )]
    ListModules {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
    },
    /// List every native module there is
    #[command(after_help = "Example:\n  vm-system template list-available-modules")]
    ListAvailableModules,
    /// Load a library into sessions as they start
    #[command(
        after_help = "Example:\n  vm-system template add-library 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --name lodash-4.17.21"
    )]
    AddLibrary {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// The library, as in the cache: id and version
        #[arg(long)]
        name: String,
    },
    /// Stop loading a library
    #[command(
        after_help = "Example:\n  vm-system template remove-library 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11 --name lodash-4.17.21"
    )]
    RemoveLibrary {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
        /// The library
        #[arg(long)]
        name: String,
    },
    /// List the libraries that sessions start with
    #[command(
        after_help = "Example:\n  vm-system template list-libraries 6f1c9f0e-2f3a-4c39-9d62-0d8a1c7d4b11"
    )]
    ListLibraries {
        /// The template
        #[arg(value_name = "ID")]
        id: String,
    },
    /// List the libraries of the catalogue and of the daemon's cache
    #[command(after_help = "Example:\n  vm-system template list-available-libraries")]
    ListAvailableLibraries,
}
