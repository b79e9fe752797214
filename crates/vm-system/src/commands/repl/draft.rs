//! Lines that may be a whole piece of code, or only its start.

use vmruntime::syntax::Brackets;

/// Lines that are no piece yet.
#[derive(Default)]
pub(crate) struct Draft {
    /// Each with its end.
    text: String,
    brackets: Brackets,
    /// How far they are counted, in bytes.
    counted: usize,
    /// How long it was when the session was asked last, in bytes.
    asked: usize,
}

impl Draft {
    /// One more line.
    pub(crate) fn add(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    /// Whether there is no line.
    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The lines.
    pub(crate) fn text(&self) -> &str {
        self.text.strip_suffix('\n').unwrap_or_default()
    }

    /// Whether to ask the session if this is a whole piece. While brackets are open it is none, and a question after each line of
    /// a long text would take ever longer. But only a parser always counts brackets right: whenever the text has doubled, the
    /// session is asked all the same.
    pub(crate) fn is_worth_a_question(&mut self) -> bool {
        let ends_in_code = self.brackets.count(&self.text[self.counted..]);
        if ends_in_code {
            self.counted = self.text.len();
        }
        let seems_whole = ends_in_code && self.brackets.are_closed();
        let has_doubled = self.text.len() >= 2 * self.asked;
        let is_worth_it = seems_whole || has_doubled;
        if is_worth_it {
            self.asked = self.text.len();
        }
        is_worth_it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After which lines the session is asked, from 0.
    fn questions(lines: &[&str]) -> Vec<usize> {
        let mut draft = Draft::default();
        let mut asked = Vec::new();
        for (number, line) in lines.iter().enumerate() {
            draft.add(line);
            if draft.is_worth_a_question() {
                asked.push(number);
            }
        }
        asked
    }

    #[test]
    fn the_text_is_all_lines() {
        let mut draft = Draft::default();
        assert_eq!(draft.text(), "");
        draft.add("");
        assert_eq!(draft.text(), "");
        draft.add("a");
        assert_eq!(draft.text(), "\na");
    }

    #[test]
    fn a_session_is_not_asked_while_brackets_are_open() {
        assert_eq!(questions(&["a +", "b +", "c"]), [0, 1, 2]);
        assert_eq!(questions(&["function f() {", "a;", "}"]), [0, 2]);
        assert_eq!(questions(&["a = `text", "{", "more`"]), [0, 2]);
        assert_eq!(questions(&["a = 1 /* one", "}", "*/"]), [0, 2]);
        assert_eq!(questions(&["f(`${[", "1,", "]}`)"]), [0, 2]);
        assert_eq!(questions(&["'abc", "f(x)"]), [0, 1]);
    }

    #[test]
    fn a_session_is_asked_all_the_same_when_the_text_has_doubled() {
        let body = ["a;"; 1000];
        let lines = [&["function f() {"], &body[..], &["}"]].concat();
        let asked = questions(&lines);
        assert!(asked.len() < 12, "{asked:?}");
        assert_eq!(asked.last(), Some(&1001));
        // What only looks like a division hides a bracket.
        let lines = [&["if (a) /[(]/.test(b)"], &body[..]].concat();
        assert!(questions(&lines).len() > 1);
    }
}
