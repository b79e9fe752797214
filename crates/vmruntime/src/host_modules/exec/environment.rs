//! The environment of a command.

use std::collections::BTreeMap;
use std::ffi::OsString;

use vmcontrol::Policy;

use super::errors::wrong_argument;
use crate::ipc::HostError;

/// The variables of the daemon's own environment that a command gets.
const PASSED_ON: &[&str] = &["PATH", "HOME", "LANG", "TZ"];

/// Variables that make a program load or run the file that they name: those of the loader, the C
/// library, shells and interpreters.
const STEERING: &[&str] = &[
    "PATH",
    "GCONV_PATH",
    "GLIBC_TUNABLES",
    "LOCPATH",
    "NLSPATH",
    "IFS",
    "ENV",
    "SHELLOPTS",
    "BASHOPTS",
    "PS4",
    "PROMPT_COMMAND",
    "SHELL",
    "EDITOR",
    "VISUAL",
    "PAGER",
    "BROWSER",
    "LESSOPEN",
    "LESSCLOSE",
    "PERLLIB",
    "RUBYLIB",
    "RUBYOPT",
    "NODE_OPTIONS",
    "NODE_PATH",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
];

/// The prefixes of further variables of the same kind as [`STEERING`].
const STEERING_PREFIXES: &[&str] = &["LD_", "BASH_", "PERL5", "PYTHON", "GIT_"];

/// Checks the variables that a script gives. Where the policy names the programs that may be run,
/// no variable may make one of them run another.
///
/// # Errors
/// `ERR_INVALID_ARG_TYPE` when a variable is malformed, `EACCES` when the policy does not allow it.
pub(super) fn check(policy: &Policy, env: &BTreeMap<String, String>) -> Result<(), HostError> {
    let malformed = |(name, value): (&String, &String)| {
        name.is_empty() || name.contains(['=', '\0']) || value.contains('\0')
    };
    if env.iter().any(malformed) {
        return Err(wrong_argument(
            "env has names that are not empty and contain no `=` and NUL, and values without NUL",
        ));
    }
    let steers = |name: &&String| {
        STEERING.contains(&name.as_str())
            || STEERING_PREFIXES
                .iter()
                .any(|prefix| name.starts_with(prefix))
    };
    let narrowed = policy.grants.exec.commands().is_some();
    match env.keys().find(steers) {
        Some(name) if narrowed => Err(HostError::with_code(
            "EACCES",
            format!(
                "EACCES: permission denied, env {name}: the template names the programs that exec runs, and this \
                 variable can make them run others"
            ),
        )),
        _ => Ok(()),
    }
}

/// All environment variables of a command: some of the daemon's own, and those that the script
/// gives.
pub(super) fn of_command(given: BTreeMap<String, String>) -> Vec<(OsString, OsString)> {
    let passed_on = PASSED_ON
        .iter()
        .filter(|name| !given.contains_key(**name))
        .filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?)));
    let passed_on: Vec<_> = passed_on.collect();
    let given = given
        .into_iter()
        .map(|(name, value)| (name.into(), value.into()));
    passed_on.into_iter().chain(given).collect()
}
