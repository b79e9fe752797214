//! The tokens of a text that may end anywhere, as a user types it. A parser gives no tree for most
//! such texts.

/// A token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    /// Where it starts, in bytes.
    pub(crate) start: usize,
    /// Where it ends, in bytes.
    pub(crate) end: usize,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// An identifier or a keyword.
    Name,
    Number,
    /// A string, a regular expression, or a whole template with its expressions.
    Literal,
    /// One character of an operator or a bracket.
    Sign(char),
}

/// What the end of a text is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Code.
    Code,
    /// A comment.
    Comment,
    /// A string whose quote is at this byte.
    String(usize),
    /// The text of a template that starts at this byte.
    Template(usize),
}

/// The tokens and comments of a text.
pub(crate) struct Scanned {
    /// What its end is in. An open string or template gives no token.
    pub(crate) end: End,
    /// Whether its end is in a template, also in an expression of one.
    pub(crate) in_template: bool,
    /// Whether a slash that follows would divide.
    pub(crate) after_value: bool,
    pub(crate) tokens: Vec<Token>,
    /// Where comments start and end, in bytes.
    pub(crate) comments: Vec<(usize, usize)>,
}

/// A text that is being read.
struct Tokens<'a> {
    source: &'a str,
    /// Whether the text before this one ends with a value.
    after_value: bool,
    list: Vec<Token>,
    comments: Vec<(usize, usize)>,
    /// The templates that the current position is in, the innermost last.
    templates: Vec<OpenTemplate>,
    at: usize,
}

/// A template whose end is still to come.
struct OpenTemplate {
    /// Where it starts, in bytes.
    start: usize,
    /// How many tokens there were before it.
    tokens: usize,
    /// How many braces are open in its current expression.
    braces: usize,
}

/// Scans a text.
pub(crate) fn scan(source: &str) -> Scanned {
    scan_on(source, false)
}

/// As [`scan`], for a text that follows another one. `after_value` is that of the other one.
pub(crate) fn scan_on(source: &str, after_value: bool) -> Scanned {
    let mut tokens = Tokens {
        source,
        after_value,
        list: Vec::new(),
        comments: Vec::new(),
        templates: Vec::new(),
        at: 0,
    };
    let end = tokens.read();
    Scanned {
        end,
        in_template: !tokens.templates.is_empty(),
        after_value: !tokens.may_be_regex(),
        tokens: tokens.list,
        comments: tokens.comments,
    }
}

impl Tokens<'_> {
    fn read(&mut self) -> End {
        while let Some(next) = self.peek() {
            let start = self.at;
            match next {
                _ if next.is_whitespace() => self.at += next.len_utf8(),
                '/' if self.rest().starts_with("//") => {
                    let length = self.rest().find('\n');
                    if !self.comment(length) {
                        return End::Comment;
                    }
                }
                '/' if self.rest().starts_with("/*") => {
                    let length = self.rest()[2..].find("*/").map(|length| length + 4);
                    if !self.comment(length) {
                        return End::Comment;
                    }
                }
                '/' if self.may_be_regex() => {
                    self.regex();
                    self.push(TokenKind::Literal, start);
                }
                '\'' | '"' => {
                    if !self.string(next) {
                        return End::String(start);
                    }
                    self.push(TokenKind::Literal, start);
                }
                '`' => {
                    self.at += 1;
                    self.templates.push(OpenTemplate {
                        start,
                        tokens: self.list.len(),
                        braces: 0,
                    });
                    if !self.template_text() {
                        return End::Template(start);
                    }
                }
                '}' if self.templates.last().is_some_and(|open| open.braces == 0) => {
                    self.at += 1;
                    if !self.template_text() {
                        let open = self.templates.last().map_or(start, |open| open.start);
                        return End::Template(open);
                    }
                }
                _ if is_name_start(next) => {
                    self.skip_while(is_name_part);
                    self.push(TokenKind::Name, start);
                }
                '0'..='9' => {
                    // A point belongs to a number unless a name follows: `1.5`, but `1..toFixed`.
                    self.skip_while(|c| is_name_part(c) || c == '.');
                    self.push(TokenKind::Number, start);
                }
                sign => {
                    if let Some(open) = self.templates.last_mut() {
                        match sign {
                            '{' => open.braces += 1,
                            '}' => open.braces -= 1,
                            _ => {}
                        }
                    }
                    self.at += sign.len_utf8();
                    self.push(TokenKind::Sign(sign), start);
                }
            }
        }
        End::Code
    }

    /// Moves behind a comment of that length; gives whether it has an end.
    fn comment(&mut self, length: Option<usize>) -> bool {
        let end = length.map_or(self.source.len(), |length| self.at + length);
        self.comments.push((self.at, end));
        self.at = end;
        length.is_some()
    }

    fn rest(&self) -> &str {
        &self.source[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_while(&mut self, belongs: impl Fn(char) -> bool) {
        let rest = self.rest();
        let length = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
        self.at += length;
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.list.push(Token {
            kind,
            start,
            end: self.at,
        });
    }

    /// Whether a slash begins a regular expression. After a value it divides.
    fn may_be_regex(&self) -> bool {
        const BEFORE_VALUES: [&str; 10] = [
            "return", "typeof", "case", "do", "else", "in", "of", "void", "delete", "await",
        ];
        match self.list.last() {
            None => !self.after_value,
            Some(token) => match token.kind {
                TokenKind::Name => BEFORE_VALUES.contains(&&self.source[token.start..token.end]),
                TokenKind::Number | TokenKind::Literal => false,
                TokenKind::Sign(sign) => !matches!(sign, ')' | ']' | '}'),
            },
        }
    }

    /// Moves behind a regular expression, or behind the line if it has no end there.
    fn regex(&mut self) {
        let (mut escaped, mut in_class) = (false, false);
        let rest = self.rest();
        let end = rest.char_indices().skip(1).find_map(|(at, c)| {
            let is_end = (c == '/' && !escaped && !in_class) || c == '\n';
            if !escaped {
                match c {
                    '[' => in_class = true,
                    ']' => in_class = false,
                    _ => {}
                }
            }
            escaped = c == '\\' && !escaped;
            is_end.then_some(at + 1)
        });
        self.at += end.unwrap_or(rest.len());
        self.skip_while(is_name_part);
    }

    /// Moves behind a string; gives whether it has an end.
    fn string(&mut self, quote: char) -> bool {
        let mut escaped = false;
        let end = self.rest().char_indices().skip(1).find_map(|(at, c)| {
            let is_end = c == quote && !escaped;
            escaped = c == '\\' && !escaped;
            is_end.then_some(at + 1)
        });
        if let Some(length) = end {
            self.at += length;
        }
        end.is_some()
    }

    /// Moves behind the text of a template: into an expression, or behind the whole template, which
    /// becomes one token. Gives whether the text has an end.
    fn template_text(&mut self) -> bool {
        let mut escaped = false;
        let mut previous = ' ';
        let end = self.rest().char_indices().find_map(|(at, c)| {
            let is_end = !escaped && (c == '`' || (c == '{' && previous == '$'));
            escaped = c == '\\' && !escaped;
            previous = c;
            is_end.then_some((at, c))
        });
        let Some((length, last)) = end else {
            return false;
        };
        self.at += length + 1;
        if last == '`'
            && let Some(open) = self.templates.pop()
        {
            self.list.truncate(open.tokens);
            self.push(TokenKind::Literal, open.start);
        } else {
            // The expression begins as code after a brace does.
            self.push(TokenKind::Sign('{'), self.at - 1);
        }
        true
    }
}

/// Whether a text is a name that can stand behind a point.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(is_name_start) && text.chars().all(is_name_part)
}

/// Whether a name can start with this character.
fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_' || c == '$'
}

/// Whether a name can contain this character.
fn is_name_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}
