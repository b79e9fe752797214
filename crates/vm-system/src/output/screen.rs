//! What keeps texts of scripts, names and servers from controlling a terminal. All that is printed passes here.
//!
//! A stream that is a terminal gets colours (SGR), line ends, carriage returns and tabs as they come. Every other control
//! character, and those that change the direction of text, it gets as the text `\u001b`: JSON stays the JSON that it was. A
//! stream that is no terminal gets all as it comes.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Stderr, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use vmcontrol::names::is_control;

/// Where every sequence begins that a terminal understands as more than one character.
const ESCAPE: char = '\u{1b}';

/// What ends every colour.
const PLAIN: &[u8] = b"\x1b[0m";

/// The longest colour that is taken for one, in bytes. A foreground and a background of 24 bits with four attributes have 48.
const MAX_SGR_BYTES: usize = 64;

/// The most digits of one number in a colour: numbers of colours end at 255.
const MAX_SGR_DIGITS: usize = 3;

/// A stream, made harmless if it is a terminal.
pub(crate) struct Screen<W: Write> {
    stream: W,
    /// None where nobody looks.
    filter: Option<Filter>,
}

/// Standard output.
pub(crate) fn stdout() -> Screen<Stdout> {
    let stream = io::stdout();
    let is_terminal = stream.is_terminal();
    Screen::new(stream, is_terminal)
}

/// Standard error.
pub(crate) fn stderr() -> Screen<Stderr> {
    let stream = io::stderr();
    let is_terminal = stream.is_terminal();
    Screen::new(stream, is_terminal)
}

/// Whether a terminal was left in a colour, or with its text hidden.
static IS_COLOURED: AtomicBool = AtomicBool::new(false);

/// Takes back a colour that somebody has begun and not ended, so that what comes after it is seen as it should be.
pub(crate) fn settle() {
    fn plain(mut stream: impl Write) -> io::Result<()> {
        stream.write_all(PLAIN)?;
        stream.flush()
    }
    if !IS_COLOURED.swap(false, Ordering::Relaxed) {
        return;
    }
    // There is nobody to tell when the terminal is gone.
    let _ = if io::stdout().is_terminal() {
        plain(io::stdout())
    } else {
        plain(io::stderr())
    };
}

/// Notes in which colour a terminal is left by what it is shown. Each escape that is shown begins a colour.
fn note_colour(shown: &[u8]) {
    if let Some(last) = shown.iter().rposition(|&byte| byte == b'\x1b') {
        let is_plain = [PLAIN, b"\x1b[m"]
            .iter()
            .any(|plain| shown[last..].starts_with(plain));
        IS_COLOURED.store(!is_plain, Ordering::Relaxed);
    }
}

impl<W: Write> Screen<W> {
    /// Over a stream.
    pub(crate) fn new(stream: W, is_terminal: bool) -> Self {
        Self {
            stream,
            filter: is_terminal.then(Filter::default),
        }
    }
}

impl<W: Write> Write for Screen<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.filter {
            None => self.stream.write(bytes),
            Some(filter) => {
                let shown = filter.shown(bytes);
                note_colour(&shown);
                self.stream.write_all(&shown)?;
                Ok(bytes.len())
            }
        }
    }

    /// What was begun and not ended until here, will be no colour any more: its end may be another text's.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(filter) = &mut self.filter {
            let rest = filter.rest();
            self.stream.write_all(&rest)?;
        }
        self.stream.flush()
    }
}

/// Tells what may reach a terminal of bytes that come in pieces.
#[derive(Default)]
struct Filter {
    /// The start of a character or a colour whose end has not come yet.
    begun: Vec<u8>,
}

impl Filter {
    /// What to show of the bytes, and of what was begun before.
    fn shown(&mut self, bytes: &[u8]) -> Vec<u8> {
        let begun = std::mem::take(&mut self.begun);
        let all = if begun.is_empty() {
            Cow::Borrowed(bytes)
        } else {
            Cow::Owned([&begun, bytes].concat())
        };
        let mut shown = Vec::with_capacity(all.len());
        let taken = translate(&all, false, &mut shown);
        self.begun = all[taken..].to_vec();
        shown
    }

    /// What to show of what was begun, now that nothing is added to it.
    fn rest(&mut self) -> Vec<u8> {
        let mut shown = Vec::new();
        translate(&std::mem::take(&mut self.begun), true, &mut shown);
        shown
    }
}

/// Puts what may be shown of some bytes into `shown`; says how many were looked at. The start of something at their end is left,
/// unless they are the last.
fn translate(bytes: &[u8], are_last: bool, shown: &mut Vec<u8>) -> usize {
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        let (text, invalid) = (chunk.valid(), chunk.invalid());
        let is_end = at + text.len() == bytes.len();
        let taken = translate_text(text, is_end && !are_last, shown);
        at += taken;
        if taken < text.len() {
            return at;
        }
        let is_begun = std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if is_begun && !are_last && at + invalid.len() == bytes.len() {
            return at;
        }
        for byte in invalid {
            put(shown, format_args!("\\x{byte:02x}"));
        }
        at += invalid.len();
    }
    at
}

/// The same for a text. If more of it may come, a colour at its end may be only begun, and is left.
fn translate_text(text: &str, may_go_on: bool, shown: &mut Vec<u8>) -> usize {
    let is_special = |c: char| is_control(c) && !matches!(c, '\n' | '\r' | '\t');
    let mut at = 0;
    while let Some(found) = text[at..].find(is_special) {
        let special = at + found;
        shown.extend_from_slice(&text.as_bytes()[at..special]);
        let rest = &text[special..];
        at = match colour(rest) {
            Colour::Whole(length) => {
                shown.extend_from_slice(&rest.as_bytes()[..length]);
                special + length
            }
            Colour::Begun if may_go_on => return special,
            Colour::Begun | Colour::None => {
                let control = rest.chars().next().unwrap_or_default();
                put(shown, format_args!("{}", escape(control)));
                special + control.len_utf8()
            }
        };
    }
    shown.extend_from_slice(&text.as_bytes()[at..]);
    text.len()
}

/// What a text begins with.
enum Colour {
    /// A colour of so many bytes.
    Whole(usize),
    /// What may become one.
    Begun,
    None,
}

/// Looks for a colour at the start of a text: `ESC [`, numbers between `;` or `:`, and `m`. One that terminals disagree about, or
/// that is not for colours in spite of its end (`ESC [ > 4 m` is about keys), is none.
fn colour(text: &str) -> Colour {
    let Some(rest) = text.strip_prefix(ESCAPE) else {
        return Colour::None;
    };
    if rest.is_empty() {
        return Colour::Begun;
    }
    let Some(rest) = rest.strip_prefix('[') else {
        return Colour::None;
    };
    let is_number = |c: char| c.is_ascii_digit();
    let end = rest.find(|c| !is_number(c) && !matches!(c, ';' | ':'));
    let numbers = &rest[..end.unwrap_or(rest.len())];
    let length = text.len() - rest.len() + numbers.len() + 1;
    let is_long = |number: &str| number.len() > MAX_SGR_DIGITS;
    if length > MAX_SGR_BYTES || numbers.split([';', ':']).any(is_long) {
        return Colour::None;
    }
    match end {
        None => Colour::Begun,
        Some(end) if rest[end..].starts_with('m') => Colour::Whole(length),
        Some(_) => Colour::None,
    }
}

/// A vector takes all.
fn put(shown: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = shown.write_fmt(text);
}

/// A control character as text, as JSON and JavaScript write it.
fn escape(control: char) -> String {
    match control {
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        _ => format!("\\u{:04x}", u32::from(control)),
    }
}

/// A text on one line: every control character as text, also the ends of lines and the starts of colours.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return text.into();
    }
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_control(c) {
            line.push_str(&escape(c));
        } else {
            line.push(c);
        }
    }
    line.into()
}

/// A text with one mark in the place of each control character, for whoever counts columns: all of them but line ends and tabs.
pub(crate) fn marked(text: &str) -> Cow<'_, str> {
    let is_marked = |c: char| is_control(c) && !matches!(c, '\n' | '\t');
    if text.contains(is_marked) {
        text.replace(is_marked, "\u{fffd}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a terminal gets of texts that are written one after the other.
    fn on_a_terminal(pieces: &[&[u8]]) -> String {
        let mut screen = Screen::new(Vec::new(), true);
        for piece in pieces {
            screen.write_all(piece).unwrap();
        }
        screen.flush().unwrap();
        String::from_utf8(screen.stream).unwrap()
    }

    fn shown(text: &str) -> String {
        on_a_terminal(&[text.as_bytes()])
    }

    #[test]
    fn texts_and_colours_stay_as_they_are() {
        for text in [
            "",
            "plain, with\ttabs,\r\nand lines\n",
            "ünï 日本語 👩\u{200d}🚀 e\u{301} עברית العربية",
            "\u{1b}[m\u{1b}[0m\u{1b}[1;31mred\u{1b}[39;49m",
            "\u{1b}[38;2;255;128;0;48;2;12;34;56;1;3;4;9mtwo colours",
            "\u{1b}[38:2::255:128:0mwith colons",
            "10%\r20%\r30%",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn all_else_that_controls_a_terminal_is_text() {
        for (text, expected) in [
            // Titles, links, the clipboard, other strings, and their ends.
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            (
                "\u{1b}]8;;http://a\u{1b}\\here",
                "\\u001b]8;;http://a\\u001b\\here",
            ),
            ("\u{1b}]52;c;aGk=\u{9c}", "\\u001b]52;c;aGk=\\u009c"),
            ("\u{1b}P$q\"p\u{1b}\\", "\\u001bP$q\"p\\u001b\\"),
            ("\u{1b}_a\u{1b}^b\u{1b}Xc", "\\u001b_a\\u001b^b\\u001bXc"),
            // The cursor, the screen, modes, questions.
            (
                "\u{1b}[2J\u{1b}[H\u{1b}[3A",
                "\\u001b[2J\\u001b[H\\u001b[3A",
            ),
            (
                "\u{1b}[?1049h\u{1b}[6n\u{1b}[c",
                "\\u001b[?1049h\\u001b[6n\\u001b[c",
            ),
            (
                "\u{1b}c\u{1b}7\u{1b}8\u{1b}(0\u{1b}#8",
                "\\u001bc\\u001b7\\u001b8\\u001b(0\\u001b#8",
            ),
            (
                "\u{8}\u{b}\u{c}\u{e}\u{f}\u{5}\u{7f}\0",
                "\\u0008\\u000b\\u000c\\u000e\\u000f\\u0005\\u007f\\u0000",
            ),
            // The same in one character.
            (
                "\u{9b}31m\u{9d}0;t\u{9c}\u{90}\u{85}\u{84}",
                "\\u009b31m\\u009d0;t\\u009c\\u0090\\u0085\\u0084",
            ),
            // What is like a colour.
            ("\u{1b}[>4;2m", "\\u001b[>4;2m"),
            ("\u{1b}[?4m", "\\u001b[?4m"),
            ("\u{1b}[1 m", "\\u001b[1 m"),
            ("\u{1b}[1\u{7}m", "\\u001b[1\\u0007m"),
            ("\u{1b}[3\u{1b}[1m", "\\u001b[3\u{1b}[1m"),
            ("\u{1b}\u{1b}[1m", "\\u001b\u{1b}[1m"),
            ("\u{1b}[1234m", "\\u001b[1234m"),
            ("\u{1b}[-1m", "\\u001b[-1m"),
            ("\u{1b}[1M", "\\u001b[1M"),
            ("\u{1b} [1m", "\\u001b [1m"),
            // The order of what is shown.
            (
                "a\u{202e}b\u{202c}\u{2066}c\u{2069}",
                "a\\u202eb\\u202c\\u2066c\\u2069",
            ),
            (
                "\u{200e}\u{200f}\u{61c}\u{206a}",
                "\\u200e\\u200f\\u061c\\u206a",
            ),
        ] {
            assert_eq!(shown(text), expected, "{text:?}");
        }
        let long = format!("\u{1b}[{}m", "1;".repeat(40));
        assert_eq!(shown(&long), long.replace('\u{1b}', "\\u001b"));
    }

    #[test]
    fn what_comes_in_pieces_is_the_same() {
        let text = "a\u{1b}[1;31mb\u{1b}[2Jü\u{9b}\u{202e}日\u{1b}[".as_bytes();
        let whole = on_a_terminal(&[text]);
        assert_eq!(whole, "a\u{1b}[1;31mb\\u001b[2Jü\\u009b\\u202e日\\u001b[");
        for at in 0..text.len() {
            assert_eq!(on_a_terminal(&[&text[..at], &text[at..]]), whole, "{at}");
        }
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(on_a_terminal(&bytes), whole);
    }

    #[test]
    fn what_one_text_begins_another_does_not_end() {
        let mut screen = Screen::new(Vec::new(), true);
        for text in ["\u{1b}", "[", "\u{1b}[3", "1m", "\u{1b}[31", "\n", "m"] {
            screen.write_all(text.as_bytes()).unwrap();
            screen.flush().unwrap();
        }
        let shown = String::from_utf8(screen.stream).unwrap();
        assert_eq!(shown, "\\u001b[\\u001b[31m\\u001b[31\nm");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_bytes() {
        assert_eq!(on_a_terminal(&[b"a\x9b31m\xc2"]), "a\\x9b31m\\xc2");
        assert_eq!(on_a_terminal(&[b"\xe2\x80", b"A"]), "\\xe2\\x80A");
        assert_eq!(on_a_terminal(&[b"\x1b[", b"\xff31m"]), "\\u001b[\\xff31m");
    }

    #[test]
    fn json_stays_the_same_json() {
        let text = "\u{1}\u{7f}\u{9b}31m\u{202e}\u{2066}\u{1b}[31m ü";
        let json = serde_json::to_string(text).unwrap();
        let seen = shown(&json);
        assert!(!seen.contains(is_control), "{seen:?}");
        assert_eq!(serde_json::from_str::<String>(&seen).unwrap(), text);
    }

    #[test]
    fn what_is_no_terminal_gets_all_as_it_comes() {
        let bytes = b"\x1b]0;t\x07\xff\xc2\x9b \x1b[";
        let mut screen = Screen::new(Vec::new(), false);
        screen.write_all(bytes).unwrap();
        screen.flush().unwrap();
        assert_eq!(screen.stream, bytes);
    }

    #[test]
    fn a_visible_text_is_one_line() {
        assert_eq!(visible("a b"), "a b");
        assert_eq!(
            visible("a\nb\r\t\u{1b}[1m\u{9b}\u{202e}ü"),
            "a\\nb\\r\\t\\u001b[1m\\u009b\\u202eü"
        );
    }

    #[test]
    fn what_is_typed_keeps_its_lines() {
        assert_eq!(marked("a\n\tb"), "a\n\tb");
        assert_eq!(
            marked("a\u{1b}[2Jb\u{9b}\u{202e}\n"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\n"
        );
    }

    proptest! {
        #[test]
        fn a_terminal_gets_nothing_but_text_and_colours(
            bytes in proptest::collection::vec(
                prop_oneof![
                    3 => any::<u8>(),
                    3 => proptest::sample::select(b"\x1b[];:m0139\xc2\x9b\xe2\x80\xae\r\n".to_vec()),
                ],
                0..200,
            ),
            cuts in proptest::collection::vec(0usize..200, 0..4),
        ) {
            let mut cuts: Vec<_> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.sort_unstable();
            let bounds: Vec<_> = std::iter::once(0).chain(cuts).chain([bytes.len()]).collect();
            let pieces: Vec<_> = bounds.windows(2).map(|bound| &bytes[bound[0]..bound[1]]).collect();
            let seen = on_a_terminal(&pieces);
            let mut rest = seen.as_str();
            while let Some(at) = rest.find(|c| is_control(c) && !matches!(c, '\n' | '\r' | '\t')) {
                let Colour::Whole(length) = colour(&rest[at..]) else {
                    panic!("{seen:?}");
                };
                rest = &rest[at + length..];
            }
            prop_assert_eq!(seen, on_a_terminal(&[&bytes]));
        }
    }
}
