//! The colours of JavaScript as it is typed and of values.

use std::fmt::Write;

use vmruntime::syntax::{SpanKind, spans};

use crate::commands::console::Value;
use crate::output::Paint;

/// Code with its words, strings and numbers in colours.
pub(crate) fn coloured(code: &str, paint: Paint) -> String {
    let mut text = String::new();
    let mut at = 0;
    for span in spans(code) {
        text.push_str(&code[at..span.start]);
        let part = &code[span.start..span.end];
        let part = match span.kind {
            SpanKind::Keyword => paint.keyword(part),
            SpanKind::Literal => paint.literal(part),
            SpanKind::Number => paint.number(part),
            SpanKind::Comment => paint.aside(part),
        };
        text.push_str(&part);
        at = span.end;
    }
    text.push_str(&code[at..]);
    text
}

/// A value as a console shows it: strings in quotes, and all in the colour of their kind.
pub(crate) fn shown(value: &Value, paint: Paint) -> String {
    let preview = &value.preview;
    let end = if value.truncated { "…" } else { "" };
    let text = match value.kind.as_str() {
        "string" => paint.literal(&quoted(preview)).into_owned(),
        "number" | "bigint" | "boolean" => paint.number(preview).into_owned(),
        "undefined" | "null" => paint.aside(preview).into_owned(),
        _ => preview.clone(),
    };
    text + end
}

/// A string as it is written in code.
fn quoted(text: &str) -> String {
    let quote = ['\'', '"', '`']
        .into_iter()
        .find(|quote| !text.contains(*quote));
    let quote = quote.unwrap_or('\'');
    let mut code = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => code.push_str("\\n"),
            '\r' => code.push_str("\\r"),
            '\t' => code.push_str("\\t"),
            '\\' => code.push_str("\\\\"),
            c if c == quote => code.extend(['\\', c]),
            c if c.is_control() => {
                // A string takes all.
                let _ = write!(code, "\\x{:02X}", u32::from(c));
            }
            c => code.push(c),
        }
    }
    code.push(quote);
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_shown_as_code() {
        assert_eq!(quoted("a"), "'a'");
        assert_eq!(quoted("it's"), "\"it's\"");
        assert_eq!(quoted("'\"`\\"), "'\\'\"`\\\\'");
        assert_eq!(quoted("a\nb\u{1b}[1m"), "'a\\nb\\x1B[1m'");
    }

    #[test]
    fn code_keeps_its_text() {
        let code = "const a = 'b' + `c${1}` // d\n/x/.test(1.5) ünï";
        assert_eq!(coloured(code, Paint::new(false)), code);
        let painted = coloured(code, Paint::new(true));
        assert!(
            painted.starts_with("\u{1b}[36mconst\u{1b}[0m a"),
            "{painted:?}"
        );
    }
}
