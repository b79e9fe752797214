//! What the user is typing at the end of a text, for completion.

use super::tokens::{End, Scanned, Token, TokenKind, scan};

/// What stands before the cursor.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed<'a> {
    /// A property: `object.na`.
    Member { object: &'a str, name: &'a str },
    /// A name of the scope.
    Name(&'a str),
    /// The name of a module, in a string.
    Module(&'a str),
}

/// What the user is typing where the text ends; `None` where nothing can be completed.
pub(crate) fn typed(source: &str) -> Option<Typed<'_>> {
    let Scanned { tokens, end, .. } = scan(source);
    match end {
        End::Comment | End::Template(_) => return None,
        End::String(start) => {
            return asks_for_module(source, &tokens).then(|| Typed::Module(&source[start + 1..]));
        }
        End::Code => {}
    }
    let (name, before) = match tokens.split_last() {
        Some((last, before)) if last.kind == TokenKind::Name && last.end == source.len() => {
            (&source[last.start..], before)
        }
        // A number has no name. After a space a new name begins.
        Some((last, _)) if last.kind == TokenKind::Number && last.end == source.len() => {
            return None;
        }
        _ => (&source[source.len()..], &tokens[..]),
    };
    match before {
        // `...rest` spreads a name, and is no property.
        [.., a, b, last] if is_sign(a, '.') && is_sign(b, '.') && is_sign(last, '.') => {
            Some(Typed::Name(name))
        }
        [object @ .., question, point] if is_sign(question, '?') && is_sign(point, '.') => {
            member(source, object, name)
        }
        [object @ .., point] if is_sign(point, '.') => member(source, object, name),
        _ => Some(Typed::Name(name)),
    }
}

/// The property `name` of the value that these tokens end with; `None` if they end with no value.
fn member<'a>(source: &'a str, tokens: &[Token], name: &'a str) -> Option<Typed<'a>> {
    let start = start_of_value(source, tokens)?;
    let object = &source[start..tokens.last()?.end];
    Some(Typed::Member { object, name })
}

/// Whether the string that follows names a module: `require('`, `import('`, `from '`, `import '`.
fn asks_for_module(source: &str, tokens: &[Token]) -> bool {
    let word = |token: &Token| &source[token.start..token.end];
    match tokens {
        [.., callee, bracket] if is_sign(bracket, '(') => {
            matches!(word(callee), "require" | "import")
        }
        [.., last] => matches!(word(last), "from" | "import"),
        [] => false,
    }
}

/// Where the value starts that these tokens end with, in bytes: a name, a literal or a bracket,
/// with the properties, calls and elements before it. `None` if they end with no value.
fn start_of_value(source: &str, tokens: &[Token]) -> Option<usize> {
    let mut rest = tokens;
    loop {
        let (last, before) = rest.split_last()?;
        let (start, before) = match last.kind {
            TokenKind::Name | TokenKind::Number | TokenKind::Literal => (last.start, before),
            TokenKind::Sign(close @ (')' | ']')) => {
                let open = opening_of(rest, close)?;
                let before = &rest[..open];
                // `f(…)` and `a[…]` go on with what is called or indexed.
                if before.last().is_some_and(|token| ends_value(source, token)) {
                    rest = before;
                    continue;
                }
                (rest[open].start, before)
            }
            TokenKind::Sign(_) => return None,
        };
        rest = match before {
            [object @ .., question, point] if is_sign(question, '?') && is_sign(point, '.') => {
                object
            }
            [object @ .., point] if is_sign(point, '.') && !object.is_empty() => object,
            [.., new] if &source[new.start..new.end] == "new" => return Some(new.start),
            _ => return Some(start),
        };
    }
}

/// The index of the bracket that the last token closes.
fn opening_of(tokens: &[Token], close: char) -> Option<usize> {
    let open = if close == ')' { '(' } else { '[' };
    let mut depth = 0;
    for (index, token) in tokens.iter().enumerate().rev() {
        if is_sign(token, close) {
            depth += 1;
        } else if is_sign(token, open) {
            depth -= 1;
        }
        if depth == 0 {
            return Some(index);
        }
    }
    None
}

/// Whether a value can end with this token.
fn ends_value(source: &str, token: &Token) -> bool {
    const WORDS: [&str; 9] = [
        "if", "while", "for", "return", "typeof", "await", "switch", "in", "of",
    ];
    match token.kind {
        TokenKind::Name => !WORDS.contains(&&source[token.start..token.end]),
        TokenKind::Literal => true,
        TokenKind::Number => false,
        TokenKind::Sign(sign) => matches!(sign, ')' | ']'),
    }
}

fn is_sign(token: &Token, sign: char) -> bool {
    token.kind == TokenKind::Sign(sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_member(source: &str, object: &str, name: &str) {
        assert_eq!(
            typed(source),
            Some(Typed::Member { object, name }),
            "{source}"
        );
    }

    #[test]
    fn a_property_is_typed_behind_whatever_gives_an_object() {
        assert_member("a.", "a", "");
        assert_member("a.b", "a", "b");
        assert_member("x = a.b.c", "a.b", "c");
        assert_member("f(1, g(2)).", "f(1, g(2))", "");
        assert_member("if (x) a[0]['b'].c", "a[0]['b']", "c");
        assert_member("(a + b).c", "(a + b)", "c");
        assert_member("[1, 2].m", "[1, 2]", "m");
        assert_member("'a.b'.len", "'a.b'", "len");
        assert_member("`a${b.c}`.len", "`a${b.c}`", "len");
        assert_member("`a${ b.c", "b", "c");
        assert_member("`${`${a}`}${ { b: c }, d.", "d", "");
        assert_member("/[/]\\/.x/g.so", "/[/]\\/.x/g", "so");
        assert_member("new Map().g", "new Map()", "g");
        assert_member("a?.b?.c", "a?.b", "c");
        assert_member("a / b.c", "b", "c");
        assert_member("while (a.b) c.d", "c", "d");
        assert_member("// a.b\nc.d", "c", "d");
        assert_member("a\n  .b()\n  .c", "a\n  .b()", "c");
        assert_member("ünï.c", "ünï", "c");
    }

    #[test]
    fn elsewhere_a_name_is_typed() {
        for (source, name) in [
            ("", ""),
            ("ab", "ab"),
            ("a + b", "b"),
            ("f(", ""),
            ("...re", "re"),
            ("a.b ", ""),
            ("{ a: 1 }", ""),
        ] {
            assert_eq!(typed(source), Some(Typed::Name(name)), "{source}");
        }
    }

    #[test]
    fn modules_are_typed_in_strings_that_name_them() {
        for source in [
            "require('f",
            "await import(\"f",
            "import a from 'f",
            "import 'f",
        ] {
            assert_eq!(typed(source), Some(Typed::Module("f")), "{source}");
        }
    }

    #[test]
    fn nothing_is_typed_where_names_mean_nothing() {
        for source in [
            "'a.b", "`a.b", "// a.b", "/* a.b", "12", "1.5", "{}.a", ".a", ").",
        ] {
            assert_eq!(typed(source), None, "{source}");
        }
    }
}
