//! Changes to a template's settings: every value is checked, and then merged field by field.

use vmapi_types::{
    LIMITS, Limits, LimitsPatch, ResolverPatch, Settings, Template, UpdateTemplateRequest,
};

use crate::names::{check_name, invisible};
use crate::{Error, Result};

/// The most roots or extensions that a resolver tries: each costs a file system lookup per import.
const MAX_TRIES: usize = 32;

/// Checks every value of a patch.
///
/// # Errors
/// [`Error::Validation`], naming the field.
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

fn check_limits(patch: &LimitsPatch) -> Result<()> {
    for limit in LIMITS {
        if let Some(value) = limit.patched(patch)
            && !limit.range().contains(&value)
        {
            return Err(Error::validation(format!(
                "limits.{} must be from {} to {}, not {value}",
                limit.name, limit.min, limit.max
            )));
        }
    }
    Ok(())
}

/// Sets limits of another service's database that are out of range to their defaults; returns their
/// names.
pub(crate) fn reset_bad_limits(limits: &mut Limits) -> Vec<&'static str> {
    let reset = LIMITS.iter().filter_map(|limit| {
        let value = limit.value_mut(limits);
        let is_bad = !limit.range().contains(value);
        if is_bad {
            *value = limit.default;
        }
        is_bad.then_some(limit.name)
    });
    reset.collect()
}

/// The limits of one execution: those of its session, some of them lowered.
///
/// # Errors
/// [`Error::Validation`] for a value that is out of range or above the session's.
pub(crate) fn lower(of_session: &Limits, patch: &LimitsPatch) -> Result<Limits> {
    check_limits(patch)?;
    let mut lowered = *of_session;
    for limit in LIMITS {
        let Some(wanted) = limit.patched(patch) else {
            continue;
        };
        let value = limit.value_mut(&mut lowered);
        if wanted > *value {
            return Err(Error::validation(format!(
                "limits.{} may be at most {value}, which is the session's limit, not {wanted}",
                limit.name
            )));
        }
        *value = wanted;
    }
    Ok(lowered)
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

/// Applies a checked patch to a template and its settings, field by field.
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
        for limit in LIMITS {
            set(
                limit.value_mut(&mut settings.limits),
                limit.patched(&limits),
            );
        }
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
    fn an_execution_lowers_limits_and_raises_none() {
        let of_session = Limits::default();
        for limit in LIMITS {
            let mut patch = LimitsPatch::default();
            *limit.patched_mut(&mut patch) = Some(limit.min);
            let lowered = lower(&of_session, &patch).unwrap();
            assert_eq!(limit.value(&lowered), limit.min);
            for other in LIMITS.iter().filter(|other| other.name != limit.name) {
                assert_eq!(other.value(&lowered), other.default, "{}", other.name);
            }
            for (value, reason) in [
                (limit.default + 1, "which is the session's limit"),
                (limit.max + 1, "must be from"),
                (limit.min - 1, "must be from"),
            ] {
                *limit.patched_mut(&mut patch) = Some(value);
                let error = lower(&of_session, &patch).unwrap_err().to_string();
                let field = format!("limits.{} ", limit.name);
                assert!(
                    error.starts_with(&field) && error.contains(reason),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn bad_limits_of_another_service_have_their_defaults() {
        let mut limits = Limits {
            cpu_ms: 0,
            mem_mb: 64,
            max_events: u64::MAX,
            ..Limits::default()
        };
        assert_eq!(reset_bad_limits(&mut limits), ["cpu_ms", "max_events"]);
        let expected = Limits {
            mem_mb: 64,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
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
