//! The state of one inspection: how much it may still write, and where it is. What writes values
//! stands in `write.rs`, so that the descriptions of objects need to know the state alone.

use boa_engine::{Context, JsObject, JsString, JsValue};

use super::{Inspector, text};
use crate::engine::view::options::InspectOptions;
use crate::engine::view::text::quoted;

/// How deep nesting is followed at most, whatever the options say: each level takes native stack.
const MAX_DEPTH: usize = 100;

/// How much text one inspection may write, in bytes. Everything after that is elided: the text of
/// an object whose parts share parts would grow without limit.
const MAX_OUTPUT: usize = 1 << 20;

/// How many steps of work count as one byte of text.
const STEPS: usize = 8;

/// Stands for an elided value.
pub(super) const ELIDED: &str = "...";

/// The length up to which a string is never broken into lines, in UTF-16 code units.
const MIN_BROKEN: usize = 16;

/// One inspection.
pub(super) struct Formatter<'a> {
    pub(super) inspector: &'a Inspector,
    pub(super) options: InspectOptions,
    pub(super) context: &'a mut Context,
    pub(super) indentation: usize,
    /// The objects that are being written, outermost first.
    pub(super) seen: Vec<JsObject>,
    /// The objects that a reference was written to, in the order of their numbers.
    pub(super) circular: Vec<JsObject>,
    /// The level of the object that was begun last.
    pub(super) current_depth: usize,
    /// How much was written, in bytes, with other work counted in.
    pub(super) spent: usize,
}

impl<'a> Formatter<'a> {
    pub(super) fn new(
        inspector: &'a Inspector,
        options: &InspectOptions,
        context: &'a mut Context,
    ) -> Self {
        Self {
            inspector,
            options: options.clone(),
            context,
            indentation: 0,
            seen: Vec::new(),
            circular: Vec::new(),
            current_depth: 0,
            spent: 0,
        }
    }

    /// Counts a text that is about to be written, with its indentation.
    pub(super) fn spend(&mut self, text: String) -> String {
        self.spent += text.len() + self.indentation;
        text
    }

    /// Counts work that writes no text, so that it can't be repeated without limit either.
    pub(super) fn charge(&mut self, steps: usize) {
        self.spent += steps / STEPS;
    }

    /// Whether everything from now on is elided.
    pub(super) fn is_spent(&self) -> bool {
        self.spent > MAX_OUTPUT
    }

    /// Whether an object at this level is named instead of listed.
    pub(super) fn is_too_deep(&self, depth: usize) -> bool {
        depth > self.options.depth.unwrap_or(MAX_DEPTH).min(MAX_DEPTH)
            || self.options.closed && depth == 0
    }

    /// A primitive as Node writes it.
    pub(super) fn primitive(&self, value: &JsValue) -> String {
        if let Some(string) = value.as_string() {
            return self.string(&string);
        }
        let mut text = text::primitive(value).unwrap_or_default();
        if value.is_bigint() {
            text.push('n');
        }
        text
    }

    fn string(&self, string: &JsString) -> String {
        let limit = self.options.max_string_length;
        let (shown, trailer) = match string.len().checked_sub(limit) {
            None | Some(0) => (string.clone(), String::new()),
            Some(rest) => {
                let plural = if rest > 1 { "s" } else { "" };
                let trailer = format!("... {rest} more character{plural}");
                (string.slice(0, limit), trailer)
            }
        };
        let room = self
            .options
            .break_length
            .saturating_sub(self.indentation + 4);
        if shown.len() <= MIN_BROKEN || shown.len() <= room {
            return quoted(shown.iter()) + &trailer;
        }
        let units = shown.to_vec();
        let lines: Vec<String> = units
            .split_inclusive(|unit| *unit == u16::from(b'\n'))
            .map(|line| quoted(line.iter().copied()))
            .collect();
        let glue = format!(" +\n{}", " ".repeat(self.indentation + 2));
        lines.join(&glue) + &trailer
    }
}
