//! The limits of an execution: one table, from which all code that names limits is made.
//!
//! A limit is a row of [`LIMITS`]. The fields of [`Limits`] and [`LimitsPatch`], the checks of
//! templates and requests, the flags of the command line with their help, and what `template get`
//! prints follow from it. To add a limit, add its row here, the code that enforces it in a session
//! process, and the failure that it causes.

use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The unit of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitUnit {
    /// Thousandths of a second.
    Milliseconds,
    /// Units of 1,024 bytes.
    Kibibytes,
    /// Units of 1,048,576 bytes.
    Mebibytes,
    /// A plain number of things.
    Count,
}

/// One limit: a row of [`LIMITS`].
#[derive(Debug)]
pub struct Limit {
    /// The name of its field in [`Limits`] and [`LimitsPatch`], and so in JSON.
    pub name: &'static str,
    /// The unit of the limit's value.
    pub unit: LimitUnit,
    /// The smallest value that a template may set.
    pub min: u64,
    /// The largest value that a template may set.
    pub max: u64,
    /// The value in a template that sets none.
    pub default: u64,
    /// What it bounds: one sentence in English, with a full stop.
    pub help: &'static str,
    /// The words that stand after its value where all limits are shown in a line.
    pub shown: &'static str,
    value: fn(&Limits) -> u64,
    value_mut: fn(&mut Limits) -> &mut u64,
    patched: fn(&LimitsPatch) -> Option<u64>,
    patched_mut: fn(&mut LimitsPatch) -> &mut Option<u64>,
}

impl Limit {
    /// The values that a template may set.
    pub fn range(&self) -> RangeInclusive<u64> {
        self.min..=self.max
    }

    /// The value of this limit among the limits of an execution.
    pub fn value(&self, limits: &Limits) -> u64 {
        (self.value)(limits)
    }

    /// A mutable reference to the value of this limit among the limits of an execution.
    pub fn value_mut<'a>(&self, limits: &'a mut Limits) -> &'a mut u64 {
        (self.value_mut)(limits)
    }

    /// The value that a patch sets; `None` when the patch leaves this limit as it is.
    pub fn patched(&self, patch: &LimitsPatch) -> Option<u64> {
        (self.patched)(patch)
    }

    /// A mutable reference to the value that a patch sets; `None` in it changes nothing.
    pub fn patched_mut<'a>(&self, patch: &'a mut LimitsPatch) -> &'a mut Option<u64> {
        (self.patched_mut)(patch)
    }
}

/// Makes the wire types and [`LIMITS`] from the rows of the table. The doc comment of a row is the
/// help text of its limit.
macro_rules! limits {
    ($(
        $(#[doc = $help:literal])+
        $name:ident {
            unit: $unit:ident,
            range: $min:literal..=$max:literal,
            default: $default:literal,
            shown: $shown:literal,
        }
    )+) => {
        /// The limits of one execution.
        // A record of an older version may lack fields: such a field has its default.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(default)]
        pub struct Limits {
            $(
                $(#[doc = $help])+
                pub $name: u64,
            )+
        }

        /// Limits to change. A field that is absent or null changes nothing.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct LimitsPatch {
            $(
                $(#[doc = $help])+
                #[serde(skip_serializing_if = "Option::is_none")]
                #[schemars(range(min = $min, max = $max))]
                pub $name: Option<u64>,
            )+
        }

        impl Default for Limits {
            fn default() -> Self {
                Self { $($name: $default),+ }
            }
        }

        /// Every limit, in the order in which limits are checked and shown.
        pub const LIMITS: &[Limit] = &[$(
            Limit {
                name: stringify!($name),
                unit: LimitUnit::$unit,
                min: $min,
                max: $max,
                default: $default,
                help: concat!($($help),+).trim_ascii(),
                shown: $shown,
                value: |limits| limits.$name,
                value_mut: |limits| &mut limits.$name,
                patched: |patch| patch.$name,
                patched_mut: |patch| &mut patch.$name,
            }
        ),+];
    };
}

limits! {
    /// The limit of CPU time of an execution, in milliseconds.
    cpu_ms {
        unit: Milliseconds,
        // At most an hour: a client does not wait for a script that needs longer.
        range: 1..=3_600_000,
        default: 2_000,
        shown: "ms of CPU",
    }

    /// The limit of elapsed time of an execution, in milliseconds.
    wall_ms {
        unit: Milliseconds,
        range: 1..=3_600_000,
        default: 5_000,
        shown: "ms in all",
    }

    /// The limit of a session's heap, in MiB.
    mem_mb {
        unit: Mebibytes,
        // At least what an engine needs to start, at most 64 GiB.
        range: 8..=65_536,
        default: 128,
        shown: "MiB",
    }

    /// The limit of events of an execution: of its console output.
    max_events {
        unit: Count,
        range: 1..=10_000_000,
        default: 50_000,
        shown: "events",
    }

    /// The limit of output of an execution, in KiB: of the payloads of its console, stdout and
    /// stderr events.
    max_output_kb {
        unit: Kibibytes,
        // At most 1 GiB.
        range: 1..=1_048_576,
        default: 256,
        shown: "KiB of output",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn the_fields_of_limits_are_the_rows_in_their_order() {
        let text = serde_json::to_string(&Limits::default()).unwrap();
        let rows = LIMITS
            .iter()
            .map(|limit| format!("\"{}\":{}", limit.name, limit.default));
        assert_eq!(text, format!("{{{}}}", rows.collect::<Vec<_>>().join(",")));
    }

    #[test]
    fn every_row_reads_and_changes_the_field_with_its_name() {
        for limit in LIMITS {
            let mut limits = Limits::default();
            *limit.value_mut(&mut limits) = limit.max;
            assert_eq!(limit.value(&limits), limit.max);
            assert_eq!(json!(limits)[limit.name], limit.max);
            let patch = json!({ limit.name: limit.min });
            let mut patch: LimitsPatch = serde_json::from_value(patch).unwrap();
            assert_eq!(limit.patched(&patch), Some(limit.min));
            *limit.patched_mut(&mut patch) = None;
            assert_eq!(patch, LimitsPatch::default());
        }
    }

    #[test]
    fn defaults_are_in_their_ranges_and_help_texts_are_sentences() {
        for limit in LIMITS {
            assert!(limit.range().contains(&limit.default), "{}", limit.name);
            assert!(limit.help.ends_with('.'), "{}", limit.help);
        }
    }

    #[test]
    fn an_absent_limit_has_its_default_and_an_absent_change_changes_nothing() {
        let limits: Limits = serde_json::from_str(r#"{"mem_mb":64}"#).unwrap();
        let expected = Limits {
            mem_mb: 64,
            ..Limits::default()
        };
        assert_eq!(limits, expected);
        let patch: LimitsPatch = serde_json::from_str(r#"{"mem_mb":null,"cpu_ms":1}"#).unwrap();
        assert_eq!(json!(patch), json!({"cpu_ms": 1}));
        let unknown = serde_json::from_value::<LimitsPatch>(json!({"max_bytes": Value::Null}));
        assert!(unknown.is_err());
    }

    #[test]
    fn the_manual_has_a_row_for_every_limit() {
        let manual = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../docs/templates-and-sessions.md"
        );
        let manual = std::fs::read_to_string(manual).unwrap();
        for limit in LIMITS {
            let row = format!(
                "| `{}` | {} | {} to {} |",
                limit.name, limit.default, limit.min, limit.max
            );
            assert!(manual.contains(&row), "it has no {row}");
        }
    }
}
