//! Changes to a template's settings: merged field by field, with every value checked first.

use std::ops::RangeInclusive;

use vmapi_types::{Limits, LimitsPatch, ResolverPatch, Settings, Template, UpdateTemplateRequest};

use crate::names::{check_name, invisible};
use crate::{Error, Result};

/// An hour, in milliseconds: a script that needs longer is not one to wait for.
const TIME_MS: RangeInclusive<u64> = 1..=3_600_000;

/// From what an engine needs to start with, to 64 GiB.
const MEM_MB: RangeInclusive<u64> = 8..=65_536;

const EVENTS: RangeInclusive<u64> = 1..=10_000_000;

/// To 1 GiB.
const OUTPUT_KB: RangeInclusive<u64> = 1..=1_048_576;

/// How many roots or endings a resolver may try: each costs a look at the file system for each import.
const MAX_TRIES: usize = 32;

/// Checks every value of a patch.
pub(crate) fn check(patch: &UpdateTemplateRequest) -> Result<()> {
    if let Some(name) = &patch.name {
        check_name("name", name)?;
    }
    if let Some(limits) = &patch.limits {
        check_limits(limits)?;
    }
    if let Some(resolver) = &patch.resolver {
        check_resolver(resolver)?;
    }
    Ok(())
}

fn check_limits(limits: &LimitsPatch) -> Result<()> {
    for (field, value, range) in [
        ("cpu_ms", limits.cpu_ms, TIME_MS),
        ("wall_ms", limits.wall_ms, TIME_MS),
        ("mem_mb", limits.mem_mb, MEM_MB),
        ("max_events", limits.max_events, EVENTS),
        ("max_output_kb", limits.max_output_kb, OUTPUT_KB),
    ] {
        if let Some(value) = value
            && !range.contains(&value)
        {
            return Err(Error::validation(format!(
                "limits.{field} must be from {} to {}, not {value}",
                range.start(),
                range.end()
            )));
        }
    }
    Ok(())
}

/// Gives limits that come from elsewhere the default where they are out of range; returns the fields.
pub fn reset_bad_limits(limits: &mut Limits) -> Vec<&'static str> {
    let default = Limits::default();
    let fields = [
        ("cpu_ms", &mut limits.cpu_ms, default.cpu_ms, TIME_MS),
        ("wall_ms", &mut limits.wall_ms, default.wall_ms, TIME_MS),
        ("mem_mb", &mut limits.mem_mb, default.mem_mb, MEM_MB),
        (
            "max_events",
            &mut limits.max_events,
            default.max_events,
            EVENTS,
        ),
        (
            "max_output_kb",
            &mut limits.max_output_kb,
            default.max_output_kb,
            OUTPUT_KB,
        ),
    ];
    let reset = fields
        .into_iter()
        .filter_map(|(field, value, default, range)| {
            let is_bad = !range.contains(value);
            if is_bad {
                *value = default;
            }
            is_bad.then_some(field)
        });
    reset.collect()
}

/// The limits of one execution: those of its session, some of them lowered.
///
/// # Errors
/// [`Error::Validation`] for a value that is out of range or above the session's.
pub(crate) fn lower(limits: &Limits, patch: &LimitsPatch) -> Result<Limits> {
    check_limits(patch)?;
    let lowered = |field: &str, limit: u64, wanted: Option<u64>| match wanted {
        Some(wanted) if wanted > limit => Err(Error::validation(format!(
            "limits.{field} may be at most {limit}, which is the session's limit, not {wanted}"
        ))),
        _ => Ok(wanted.unwrap_or(limit)),
    };
    Ok(Limits {
        cpu_ms: lowered("cpu_ms", limits.cpu_ms, patch.cpu_ms)?,
        wall_ms: lowered("wall_ms", limits.wall_ms, patch.wall_ms)?,
        mem_mb: lowered("mem_mb", limits.mem_mb, patch.mem_mb)?,
        max_events: lowered("max_events", limits.max_events, patch.max_events)?,
        max_output_kb: lowered("max_output_kb", limits.max_output_kb, patch.max_output_kb)?,
    })
}

fn check_resolver(resolver: &ResolverPatch) -> Result<()> {
    let is_root = |root: &String| {
        !root.is_empty() && !root.starts_with('/') && root.split('/').all(|part| part != "..")
    };
    let is_extension = |extension: &String| {
        extension.len() > 1 && extension.starts_with('.') && !extension.contains('/')
    };
    check_list(
        "roots",
        resolver.roots.as_deref(),
        is_root,
        "folders of the worktree, without `..`",
    )?;
    check_list(
        "extensions",
        resolver.extensions.as_deref(),
        is_extension,
        "endings like .js",
    )
}

fn check_list(
    field: &str,
    list: Option<&[String]>,
    is_good: impl Fn(&String) -> bool,
    what: &str,
) -> Result<()> {
    let Some(list) = list else { return Ok(()) };
    if list.len() > MAX_TRIES {
        return Err(Error::validation(format!(
            "resolver.{field} may have {MAX_TRIES} elements, not {}",
            list.len()
        )));
    }
    if let Some(reason) = list.iter().find_map(|element| invisible(element)) {
        return Err(Error::validation(format!("resolver.{field} {reason}")));
    }
    match list.iter().find(|element| !is_good(element)) {
        Some(bad) => Err(Error::validation(format!(
            "resolver.{field} must be {what}, not {bad:?}"
        ))),
        None => Ok(()),
    }
}

/// Puts a checked patch on a template and its settings.
pub(crate) fn merge(
    patch: UpdateTemplateRequest,
    template: &mut Template,
    settings: &mut Settings,
) {
    fn set<T>(target: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *target = value;
        }
    }
    set(&mut template.name, patch.name);
    set(&mut template.is_active, patch.is_active);
    if let Some(limits) = patch.limits {
        let target = &mut settings.limits;
        set(&mut target.cpu_ms, limits.cpu_ms);
        set(&mut target.wall_ms, limits.wall_ms);
        set(&mut target.mem_mb, limits.mem_mb);
        set(&mut target.max_events, limits.max_events);
        set(&mut target.max_output_kb, limits.max_output_kb);
    }
    if let Some(resolver) = patch.resolver {
        let target = &mut settings.resolver;
        set(&mut target.roots, resolver.roots);
        set(&mut target.extensions, resolver.extensions);
        set(
            &mut target.allow_absolute_repo_imports,
            resolver.allow_absolute_repo_imports,
        );
    }
    if let Some(runtime) = patch.runtime {
        let target = &mut settings.runtime;
        set(&mut target.esm, runtime.esm);
        set(&mut target.strict, runtime.strict);
        set(&mut target.console, runtime.console);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(wall_ms: u64) -> UpdateTemplateRequest {
        UpdateTemplateRequest {
            limits: Some(LimitsPatch {
                wall_ms: Some(wall_ms),
                ..LimitsPatch::default()
            }),
            ..UpdateTemplateRequest::default()
        }
    }

    #[test]
    fn a_limit_out_of_range_is_refused_by_name() {
        assert!(check(&limits(1)).is_ok());
        for wall_ms in [0, 3_600_001] {
            let error = check(&limits(wall_ms)).unwrap_err().to_string();
            assert!(error.contains("limits.wall_ms"), "{error}");
        }
    }

    #[test]
    fn a_resolver_can_not_lead_outside() {
        for root in ["", "/etc", "../x", "a/../../b"] {
            let patch = UpdateTemplateRequest {
                resolver: Some(ResolverPatch {
                    roots: Some(vec![root.into()]),
                    ..ResolverPatch::default()
                }),
                ..UpdateTemplateRequest::default()
            };
            assert!(check(&patch).is_err(), "{root}");
        }
    }
}
