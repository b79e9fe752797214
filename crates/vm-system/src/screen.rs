//! The filter between untrusted texts and the terminal: texts of scripts, names and servers must
//! not control it. All printed output passes through it.
//!
//! On a terminal, colours (SGR sequences), line ends, carriage returns and tabs pass unchanged.
//! Every other control character, and every character that changes the direction of text, is
//! printed as an escape like `\u001b`, so that JSON keeps its meaning. A stream that is not a
//! terminal receives the bytes unchanged.

use std::borrow::Cow;
use std::io::{self, IsTerminal, Stderr, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use vmcontrol::names::is_control;

/// The first character of every control sequence.
const ESCAPE: char = '\u{1b}';

/// The SGR sequence that resets all attributes.
const RESET: &[u8] = b"\x1b[0m";

/// The maximum length of an SGR sequence that passes, in bytes. A foreground and a background of 24
/// bits with four attributes take 48 bytes.
const MAX_SGR_BYTES: usize = 64;

/// The maximum number of digits of a parameter of an SGR sequence: colours end at 255.
const MAX_SGR_DIGITS: usize = 3;

/// A stream whose output is filtered if it is a terminal.
pub(crate) struct Screen<W: Write> {
    stream: W,
    /// `None` if the stream is not a terminal.
    filter: Option<Filter>,
}

/// Standard output, filtered if it is a terminal.
pub(crate) fn stdout() -> Screen<Stdout> {
    let stream = io::stdout();
    let is_terminal = stream.is_terminal();
    Screen::new(stream, is_terminal)
}

/// Standard error, filtered if it is a terminal.
pub(crate) fn stderr() -> Screen<Stderr> {
    let stream = io::stderr();
    let is_terminal = stream.is_terminal();
    Screen::new(stream, is_terminal)
}

/// Whether the last SGR sequence that was printed set an attribute, like a colour or hidden text.
static HAS_ATTRIBUTES: AtomicBool = AtomicBool::new(false);

/// Resets a colour that a printed text has set and not reset, so that it does not affect later
/// output.
pub(crate) fn reset_colours() {
    fn reset(mut stream: impl Write) -> io::Result<()> {
        stream.write_all(RESET)?;
        stream.flush()
    }
    if !HAS_ATTRIBUTES.swap(false, Ordering::Relaxed) {
        return;
    }
    // The terminal may be gone; there is no other stream to report that on.
    let _ = if io::stdout().is_terminal() {
        reset(io::stdout())
    } else {
        reset(io::stderr())
    };
}

/// Records whether the output leaves an attribute set. Every escape character that was printed
/// starts an SGR sequence.
fn record_colour(shown: &[u8]) {
    if let Some(last) = shown.iter().rposition(|&byte| byte == b'\x1b') {
        let is_reset = [RESET, b"\x1b[m"]
            .iter()
            .any(|reset| shown[last..].starts_with(reset));
        HAS_ATTRIBUTES.store(!is_reset, Ordering::Relaxed);
    }
}

impl<W: Write> Screen<W> {
    /// Wraps a stream.
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
                let shown = filter.filter(bytes);
                record_colour(&shown);
                self.stream.write_all(&shown)?;
                Ok(bytes.len())
            }
        }
    }

    /// An incomplete sequence is escaped now: bytes that complete it may belong to another text.
    fn flush(&mut self) -> io::Result<()> {
        if let Some(filter) = &mut self.filter {
            let rest = filter.finish();
            self.stream.write_all(&rest)?;
        }
        self.stream.flush()
    }
}

/// Decides which bytes reach a terminal. It is fed in pieces.
#[derive(Default)]
struct Filter {
    /// The bytes of a character or an SGR sequence that is not complete yet.
    pending: Vec<u8>,
}

impl Filter {
    /// Filters the incomplete bytes of earlier calls and `bytes`; returns the output.
    fn filter(&mut self, bytes: &[u8]) -> Vec<u8> {
        let pending = std::mem::take(&mut self.pending);
        let all = if pending.is_empty() {
            Cow::Borrowed(bytes)
        } else {
            Cow::Owned([&pending, bytes].concat())
        };
        let mut shown = Vec::with_capacity(all.len());
        let consumed = translate(&all, false, &mut shown);
        self.pending = all[consumed..].to_vec();
        shown
    }

    /// Filters the incomplete bytes, which nothing completes any more; returns the output.
    fn finish(&mut self) -> Vec<u8> {
        let mut shown = Vec::new();
        translate(&std::mem::take(&mut self.pending), true, &mut shown);
        shown
    }
}

/// Appends the filtered form of `bytes` to `shown`; returns the number of bytes that were consumed.
/// An incomplete sequence at the end is not consumed, unless `are_last` is set.
fn translate(bytes: &[u8], are_last: bool, shown: &mut Vec<u8>) -> usize {
    let mut at = 0;
    for chunk in bytes.utf8_chunks() {
        let (text, invalid) = (chunk.valid(), chunk.invalid());
        let is_end = at + text.len() == bytes.len();
        let consumed = translate_text(text, is_end && !are_last, shown);
        at += consumed;
        if consumed < text.len() {
            return at;
        }
        let is_incomplete =
            std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
        if is_incomplete && !are_last && at + invalid.len() == bytes.len() {
            return at;
        }
        for byte in invalid {
            append(shown, format_args!("\\x{byte:02x}"));
        }
        at += invalid.len();
    }
    at
}

/// Appends the filtered form of a text to `shown`; returns the number of bytes that were consumed.
/// If more text may follow, an incomplete SGR sequence at the end is not consumed.
fn translate_text(text: &str, may_go_on: bool, shown: &mut Vec<u8>) -> usize {
    let is_special = |c: char| is_control(c) && !matches!(c, '\n' | '\r' | '\t');
    let mut at = 0;
    while let Some(found) = text[at..].find(is_special) {
        let special = at + found;
        shown.extend_from_slice(&text.as_bytes()[at..special]);
        let rest = &text[special..];
        at = match sgr_prefix(rest) {
            SgrPrefix::Complete(length) => {
                shown.extend_from_slice(&rest.as_bytes()[..length]);
                special + length
            }
            SgrPrefix::Incomplete if may_go_on => return special,
            SgrPrefix::Incomplete | SgrPrefix::None => {
                let control = rest.chars().next().unwrap_or_default();
                append(shown, format_args!("{}", escape(control)));
                special + control.len_utf8()
            }
        };
    }
    shown.extend_from_slice(&text.as_bytes()[at..]);
    text.len()
}

/// The kind of SGR sequence at the start of a text.
enum SgrPrefix {
    /// A complete SGR sequence of this length in bytes.
    Complete(usize),
    /// The beginning of an SGR sequence.
    Incomplete,
    /// No SGR sequence.
    None,
}

/// Matches an SGR sequence at the start of a text: `ESC [`, numbers separated by `;` or `:`, and
/// `m`. Sequences that terminals interpret differently do not match, nor do those that end with `m`
/// and do not concern colours (`ESC [ > 4 m` concerns keys).
fn sgr_prefix(text: &str) -> SgrPrefix {
    let Some(rest) = text.strip_prefix(ESCAPE) else {
        return SgrPrefix::None;
    };
    if rest.is_empty() {
        return SgrPrefix::Incomplete;
    }
    let Some(rest) = rest.strip_prefix('[') else {
        return SgrPrefix::None;
    };
    let is_number = |c: char| c.is_ascii_digit();
    let end = rest.find(|c| !is_number(c) && !matches!(c, ';' | ':'));
    let numbers = &rest[..end.unwrap_or(rest.len())];
    let length = text.len() - rest.len() + numbers.len() + 1;
    let is_long = |number: &str| number.len() > MAX_SGR_DIGITS;
    if length > MAX_SGR_BYTES || numbers.split([';', ':']).any(is_long) {
        return SgrPrefix::None;
    }
    match end {
        None => SgrPrefix::Incomplete,
        Some(end) if rest[end..].starts_with('m') => SgrPrefix::Complete(length),
        Some(_) => SgrPrefix::None,
    }
}

/// Appends formatted text. Writing to a vector can't fail.
fn append(shown: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    let _ = shown.write_fmt(text);
}

/// The escaped form of a control character, as in JSON and JavaScript.
fn escape(control: char) -> String {
    match control {
        '\n' => "\\n".into(),
        '\r' => "\\r".into(),
        '\t' => "\\t".into(),
        _ => format!("\\u{:04x}", u32::from(control)),
    }
}

/// The text on one line: every control character is escaped, including line ends and the starts of
/// SGR sequences.
pub(crate) fn escape_controls(text: &str) -> Cow<'_, str> {
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

/// The text with a replacement character for each control character but line ends and tabs. It
/// keeps the number of characters, on which a line editor relies to compute columns.
pub(crate) fn mask_controls(text: &str) -> Cow<'_, str> {
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

    /// The bytes that a terminal receives for pieces that are written in sequence.
    fn on_terminal(pieces: &[&[u8]]) -> String {
        let mut screen = Screen::new(Vec::new(), true);
        for piece in pieces {
            screen.write_all(piece).unwrap();
        }
        screen.flush().unwrap();
        String::from_utf8(screen.stream).unwrap()
    }

    fn shown(text: &str) -> String {
        on_terminal(&[text.as_bytes()])
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
    fn other_control_sequences_are_escaped() {
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
            // Sequences that resemble SGR sequences.
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
            // The direction of text.
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
    fn pieces_are_filtered_like_the_whole() {
        let text = "a\u{1b}[1;31mb\u{1b}[2Jü\u{9b}\u{202e}日\u{1b}[".as_bytes();
        let whole = on_terminal(&[text]);
        assert_eq!(whole, "a\u{1b}[1;31mb\\u001b[2Jü\\u009b\\u202e日\\u001b[");
        for at in 0..text.len() {
            assert_eq!(on_terminal(&[&text[..at], &text[at..]]), whole, "{at}");
        }
        let bytes: Vec<_> = text.chunks(1).collect();
        assert_eq!(on_terminal(&bytes), whole);
    }

    #[test]
    fn a_sequence_does_not_span_two_texts() {
        let mut screen = Screen::new(Vec::new(), true);
        for text in ["\u{1b}", "[", "\u{1b}[3", "1m", "\u{1b}[31", "\n", "m"] {
            screen.write_all(text.as_bytes()).unwrap();
            screen.flush().unwrap();
        }
        let shown = String::from_utf8(screen.stream).unwrap();
        assert_eq!(shown, "\\u001b[\\u001b[31m\\u001b[31\nm");
    }

    #[test]
    fn invalid_utf8_is_escaped_as_bytes() {
        assert_eq!(on_terminal(&[b"a\x9b31m\xc2"]), "a\\x9b31m\\xc2");
        assert_eq!(on_terminal(&[b"\xe2\x80", b"A"]), "\\xe2\\x80A");
        assert_eq!(on_terminal(&[b"\x1b[", b"\xff31m"]), "\\u001b[\\xff31m");
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
    fn a_stream_that_is_no_terminal_is_not_filtered() {
        let bytes = b"\x1b]0;t\x07\xff\xc2\x9b \x1b[";
        let mut screen = Screen::new(Vec::new(), false);
        screen.write_all(bytes).unwrap();
        screen.flush().unwrap();
        assert_eq!(screen.stream, bytes);
    }

    #[test]
    fn an_escaped_text_is_one_line() {
        assert_eq!(escape_controls("a b"), "a b");
        assert_eq!(
            escape_controls("a\nb\r\t\u{1b}[1m\u{9b}\u{202e}ü"),
            "a\\nb\\r\\t\\u001b[1m\\u009b\\u202eü"
        );
    }

    #[test]
    fn a_masked_text_keeps_its_lines() {
        assert_eq!(mask_controls("a\n\tb"), "a\n\tb");
        assert_eq!(
            mask_controls("a\u{1b}[2Jb\u{9b}\u{202e}\n"),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\n"
        );
    }

    proptest! {
        #[test]
        fn a_terminal_gets_only_text_and_colours(
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
            let seen = on_terminal(&pieces);
            let mut rest = seen.as_str();
            while let Some(at) = rest.find(|c| is_control(c) && !matches!(c, '\n' | '\r' | '\t')) {
                let SgrPrefix::Complete(length) = sgr_prefix(&rest[at..]) else {
                    panic!("{seen:?}");
                };
                rest = &rest[at + length..];
            }
            prop_assert_eq!(seen, on_terminal(&[&bytes]));
        }
    }
}
