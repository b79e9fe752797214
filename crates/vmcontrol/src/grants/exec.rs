//! Which programs the module `exec` runs: the `commands` of its capability.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::config::{self, ConfigError, Problem};

/// The programs that `exec` may run.
#[derive(Clone, Debug, Default)]
pub struct ExecGrant {
    /// Their absolute paths; `None` for all programs.
    commands: Option<Vec<PathBuf>>,
}

impl ExecGrant {
    /// Adds a capability of kind `module`, if it is one for `exec`.
    pub(super) fn add_module(
        &mut self,
        name: &str,
        enabled: bool,
        config: &Map<String, Value>,
    ) -> Result<(), ConfigError> {
        if name != "exec" {
            return Ok(());
        }
        let Some(commands) = config::list(config, "commands", command)? else {
            return Ok(());
        };
        if commands.is_empty() {
            return Err(ConfigError::new(
                "config.commands",
                "must name at least one program",
            ));
        }
        // A disabled one denies the whole module, whatever it lists.
        if enabled {
            self.commands.get_or_insert_default().extend(commands);
        }
        Ok(())
    }

    /// Adds no program, in place of a capability that can't be parsed.
    pub(super) fn close(&mut self) {
        self.commands.get_or_insert_default();
    }

    /// Whether the program at this absolute path may be run.
    ///
    /// A listed link allows the program under that name alone: its target may be a program that
    /// does many things, each under another name. A listed file is allowed under all its names.
    pub fn allows(&self, program: &Path) -> bool {
        let Some(commands) = &self.commands else {
            return true;
        };
        let (Some(name), Ok(real)) = (resolved_name(program), program.canonicalize()) else {
            return false;
        };
        commands
            .iter()
            .filter_map(|command| resolved_name(command))
            .any(|listed| listed == name || listed == real)
    }

    /// The absolute paths of the programs that may be run; `None` for all programs.
    pub fn commands(&self) -> Option<&[PathBuf]> {
        self.commands.as_deref()
    }
}

/// A path with every link resolved but one at its end.
fn resolved_name(path: &Path) -> Option<PathBuf> {
    let parent = path.parent()?.canonicalize().ok()?;
    Some(parent.join(path.file_name()?))
}

fn command(path: &str) -> Result<PathBuf, Problem> {
    if !path.starts_with('/') || path.contains('\0') {
        return Err("must be an absolute path".into());
    }
    if path.ends_with('/') || path.split('/').any(|part| part == "..") {
        return Err("must be the path of a program, without `..`".into());
    }
    Ok(path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn grant(commands: &[&Path]) -> ExecGrant {
        let config = json!({ "commands": commands });
        let mut grant = ExecGrant::default();
        grant
            .add_module("exec", true, config.as_object().unwrap())
            .unwrap();
        grant
    }

    #[test]
    fn without_commands_everything_is_allowed() {
        let mut grant = ExecGrant::default();
        grant.add_module("exec", true, &Map::new()).unwrap();
        assert!(grant.allows(Path::new("/bin/sh")));
    }

    #[test]
    fn a_listed_program_is_allowed_by_every_path_to_it_and_nothing_else_is() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("bin")).unwrap();
        symlink("bin", at("linked")).unwrap();
        for tool in ["bin/tool", "bin/other"] {
            fs::write(at(tool), "").unwrap();
        }
        symlink("tool", at("bin/alias")).unwrap();
        let grant = grant(&[&at("bin/tool")]);
        for allowed in ["bin/tool", "linked/tool", "bin/alias"] {
            assert!(grant.allows(&at(allowed)), "{allowed}");
        }
        for refused in ["bin/other", "tool", "bin", "bin/missing"] {
            assert!(!grant.allows(&at(refused)), "{refused}");
        }
    }

    #[test]
    fn a_listed_link_does_not_allow_other_links_to_the_same_program() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("busy"), "").unwrap();
        symlink("busy", at("ls")).unwrap();
        symlink("busy", at("rm")).unwrap();
        let grant = grant(&[&at("ls")]);
        assert!(grant.allows(&at("ls")));
        assert!(!grant.allows(&at("rm")));
        assert!(!grant.allows(&at("busy")));
    }
}
