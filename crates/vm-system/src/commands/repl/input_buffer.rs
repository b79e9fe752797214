//! Lines of input that may be a complete snippet, or only its beginning.

use vmruntime::syntax::Brackets;

/// Lines that do not make a complete snippet yet.
#[derive(Default)]
pub(crate) struct InputBuffer {
    /// The lines, each with its line end.
    text: String,
    brackets: Brackets,
    /// The length of the text whose brackets are counted, in bytes.
    counted: usize,
    /// The length of the text at the last completeness check, in bytes.
    checked: usize,
}

impl InputBuffer {
    /// Appends a line.
    pub(crate) fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Whether the buffer has no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text of the lines, without the last line end.
    pub(crate) fn text(&self) -> &str {
        self.text.strip_suffix('\n').unwrap_or_default()
    }

    /// Whether to let the session check if the text is complete. While brackets are open it is not,
    /// and a check after each line of a long text would take quadratic time. As only a parser
    /// always counts brackets correctly, the session also checks each time the text has doubled.
    pub(crate) fn needs_completeness_check(&mut self) -> bool {
        let ends_in_code = self.brackets.count(&self.text[self.counted..]);
        if ends_in_code {
            self.counted = self.text.len();
        }
        let seems_complete = ends_in_code && self.brackets.are_closed();
        let has_doubled = self.text.len() >= 2 * self.checked;
        let needs_check = seems_complete || has_doubled;
        if needs_check {
            self.checked = self.text.len();
        }
        needs_check
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The indices of the lines after which the session checks the text.
    fn checks(lines: &[&str]) -> Vec<usize> {
        let mut buffer = InputBuffer::default();
        let mut checked = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            buffer.add(line);
            if buffer.needs_completeness_check() {
                checked.push(number);
            }
        }
        checked
    }

    #[test]
    fn the_text_is_all_lines() {
        let mut buffer = InputBuffer::default();
        assert_eq!(buffer.text(), "");
        buffer.add("");
        assert_eq!(buffer.text(), "");
        buffer.add("a");
        assert_eq!(buffer.text(), "\na");
    }

    #[test]
    fn a_text_is_not_checked_while_brackets_are_open() {
        assert_eq!(checks(&["a +", "b +", "c"]), [0, 1, 2]);
        assert_eq!(checks(&["function f() {", "a;", "}"]), [0, 2]);
        assert_eq!(checks(&["a = `text", "{", "more`"]), [0, 2]);
        assert_eq!(checks(&["a = 1 /* one", "}", "*/"]), [0, 2]);
        assert_eq!(checks(&["f(`${[", "1,", "]}`)"]), [0, 2]);
        assert_eq!(checks(&["'abc", "f(x)"]), [0, 1]);
    }

    #[test]
    fn a_text_that_has_doubled_is_checked_with_open_brackets() {
        let body = ["a;"; 1000];
        let lines = [&["function f() {"], &body[..], &["}"]].concat();
        let checked = checks(&lines);
        assert!(checked.len() < 12, "{checked:?}");
        assert_eq!(checked.last(), Some(&1001));
        // The counter takes the regular expression for a division, so it counts an open bracket.
        let lines = [&["if (a) /[(]/.test(b)"], &body[..]].concat();
        assert!(checks(&lines).len() > 1);
    }
}
