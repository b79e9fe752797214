//! The line editor: history, completion, colours, and further lines where the code is not complete.

use std::borrow::Cow;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::{env, fs};

use anyhow::Context as _;
use rustyline::completion::{Completer, Pair};
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::Hinter;
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{
    Cmd, ColorMode, CompletionType, ConditionalEventHandler, Config, Context, Event, EventContext,
    EventHandler, Helper, KeyEvent, Modifiers, RepeatCount,
};
use tokio::runtime::Handle;
use uuid::Uuid;
use vmapi_types::Candidate;
use vmclient::Client;
use vmcontrol::names::is_control;

use super::input::{Input, PROMPT, needs_more_lines};
use super::terminal::Terminal;
use super::{dot_command, highlight};
use crate::failure::Failure;
use crate::output::Paint;
use crate::screen::{self, mask_controls};

/// The maximum number of entries in the history.
const HISTORY_ENTRIES: usize = 10_000;

/// Reads input from a terminal with line editing.
pub(crate) struct Editor {
    /// `None` while a blocking thread reads a line.
    inner: Option<rustyline::Editor<SessionHelper, DefaultHistory>>,
    history: Option<PathBuf>,
    line: Arc<LineState>,
}

/// The state of the line that is being edited.
#[derive(Default)]
struct LineState {
    /// Whether the line ever had content.
    touched: AtomicBool,
    /// Whether an interrupt key ended the line.
    interrupted: AtomicBool,
}

/// The handler of an interrupt key. It accepts the line as Enter does; the line is dropped
/// afterwards. An error of the editor would lose the keys that were typed after it and read
/// together with it.
struct InterruptKey(Arc<LineState>);

impl ConditionalEventHandler for InterruptKey {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.interrupted.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

/// The handler of the suspend key. It stops the program.
struct SuspendKey(Arc<Terminal>);

impl ConditionalEventHandler for SuspendKey {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.suspend();
        Some(Cmd::Repaint)
    }
}

/// The key event of a byte.
fn key_event(byte: u8) -> KeyEvent {
    KeyEvent::new(char::from(byte), Modifiers::NONE)
}

impl Editor {
    /// Creates the editor of a session. `history` is the history file: `None` means the default
    /// file, an empty path none.
    ///
    /// # Errors
    /// When the terminal can't be used.
    pub(crate) fn new(
        client: Client,
        session: Uuid,
        paint: Paint,
        history: Option<PathBuf>,
        terminal: &Arc<Terminal>,
    ) -> Result<Self, Failure> {
        let config = Config::builder()
            .max_history_size(HISTORY_ENTRIES)
            .and_then(|config| config.history_ignore_dups(true))
            .context("the history can't be set up")?
            .completion_type(CompletionType::List)
            // Even without colours, all text that is drawn has to pass `highlight`.
            .color_mode(ColorMode::Forced)
            .build();
        let mut editor =
            rustyline::Editor::with_config(config).context("the terminal can't be used")?;
        let line: Arc<LineState> = Arc::default();
        editor.set_helper(Some(SessionHelper {
            client,
            session,
            paint,
            handle: Handle::current(),
            line: Arc::clone(&line),
        }));
        for key in terminal.interrupt_keys() {
            let interrupt = EventHandler::Conditional(Box::new(InterruptKey(Arc::clone(&line))));
            editor.bind_sequence(key_event(key), interrupt);
        }
        if let Some(key) = terminal.suspend_key() {
            let suspend = EventHandler::Conditional(Box::new(SuspendKey(Arc::clone(terminal))));
            editor.bind_sequence(key_event(key), suspend);
        }
        let history = match history {
            Some(path) => Some(path).filter(|path| !path.as_os_str().is_empty()),
            None => default_history(),
        };
        if let Some(path) = &history {
            // The file does not exist at first.
            let _ = editor.load_history(path);
        }
        Ok(Self {
            inner: Some(editor),
            history,
            line,
        })
    }

    /// Waits for the next input.
    ///
    /// # Errors
    /// When the terminal fails.
    pub(crate) async fn next(&mut self) -> Result<Input, Failure> {
        screen::reset_colours();
        let mut editor = self
            .inner
            .take()
            .context("the terminal is not there any more")?;
        let history = self.history.clone();
        let line = Arc::clone(&self.line);
        line.touched.store(false, Ordering::Relaxed);
        let reading = tokio::task::spawn_blocking(move || {
            let read = editor.readline(PROMPT);
            let interrupted = line.interrupted.swap(false, Ordering::Relaxed);
            if let (Ok(text), Some(path)) = (&read, &history)
                && !interrupted
                && !text.trim().is_empty()
                && editor.add_history_entry(text.as_str()).unwrap_or(false)
            {
                // The entry is written at once, so that no end of the program loses it. A failure
                // only affects the history.
                let _ = editor.append_history(path);
            }
            (editor, read, interrupted)
        });
        let (editor, read, interrupted) = reading.await.context("the terminal failed")?;
        self.inner = Some(editor);
        match read {
            Ok(text) if interrupted => Ok(Input::Interrupt {
                dropped: !text.is_empty(),
                touched: !text.is_empty() || self.line.touched.load(Ordering::Relaxed),
            }),
            Ok(text) => Ok(Input::Text(text)),
            Err(ReadlineError::Interrupted) => Ok(Input::Interrupt {
                dropped: true,
                touched: true,
            }),
            Err(ReadlineError::Eof) => Ok(Input::End),
            Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                Ok(Input::InvalidUtf8)
            }
            Err(error) => Err(anyhow::Error::new(error)
                .context("cannot read from the terminal")
                .into()),
        }
    }
}

/// The default history file; `None` if its directory can't be created.
fn default_history() -> Option<PathBuf> {
    let state = match env::var_os("XDG_STATE_HOME") {
        Some(state) if !state.is_empty() => PathBuf::from(state),
        _ => PathBuf::from(env::var_os("HOME")?).join(".local/state"),
    };
    let directory = state.join("vm-system");
    fs::create_dir_all(&directory).ok()?;
    Some(directory.join("history"))
}

/// Supports the editor with queries to the session.
struct SessionHelper {
    client: Client,
    session: Uuid,
    paint: Paint,
    handle: Handle,
    line: Arc<LineState>,
}

impl Helper for SessionHelper {}

impl Hinter for SessionHelper {
    type Hint = String;

    /// There are no hints; the editor calls this method each time the line has changed.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        if !line.is_empty() {
            self.line.touched.store(true, Ordering::Relaxed);
        }
        None
    }
}

impl Completer for SessionHelper {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = &line[..at];
        let word = before.trim_start();
        if word.starts_with('.') && !word.contains(char::is_whitespace) {
            let names = dot_command::ALL.iter().map(|(name, ..)| *name);
            let names = names.filter(|name| name.starts_with(word));
            let pairs = names.map(|name| Pair {
                display: name.to_owned(),
                replacement: name.to_owned(),
            });
            return Ok((at - word.len(), pairs.collect()));
        }
        let code_at = code_start(before);
        let call = self.client.complete(self.session, &before[code_at..]);
        // Without an answer there are no completions.
        let Ok(found) = self.handle.block_on(call.send()) else {
            return Ok((at, Vec::new()));
        };
        let start = code_at + byte_offset(&before[code_at..], found.start);
        // Control characters can't be typed, and a completion is drawn in the line.
        let is_typed = |candidate: &Candidate| !candidate.text.contains(is_control);
        let candidates = found.candidates.into_iter().filter(is_typed);
        let pairs = candidates.map(|candidate| Pair {
            display: candidate.text.clone(),
            replacement: candidate.text,
        });
        Ok((start, pairs.collect()))
    }
}

/// The byte offset at which the code of the input begins: after the name of a dot command, because
/// its argument may be code.
fn code_start(typed: &str) -> usize {
    if dot_command::parse(typed).is_none() {
        return 0;
    }
    let name_and_code = typed.trim_start();
    let code = name_and_code.trim_start_matches(|c: char| !c.is_whitespace());
    typed.len() - code.trim_start().len()
}

/// Converts an offset in UTF-16 code units to bytes.
fn byte_offset(text: &str, units: usize) -> usize {
    let mut left = units;
    for (at, c) in text.char_indices() {
        if left == 0 {
            return at;
        }
        left = left.saturating_sub(c.len_utf16());
    }
    text.len()
}

impl Validator for SessionHelper {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = context.input();
        if self.line.interrupted.load(Ordering::Relaxed) {
            return Ok(ValidationResult::Valid(None));
        }
        if input.trim().is_empty() || dot_command::parse(input).is_some() {
            return Ok(ValidationResult::Valid(None));
        }
        let check = needs_more_lines(&self.client, self.session, input);
        Ok(match self.handle.block_on(check) {
            Ok(true) => ValidationResult::Incomplete,
            // Without an answer the code is run, and the daemon reports what is wrong.
            Ok(false) | Err(_) => ValidationResult::Valid(None),
        })
    }
}

impl Highlighter for SessionHelper {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        // Pasted text and history entries can contain control characters, and the library draws the
        // line itself.
        let line = mask_controls(line);
        if dot_command::parse(&line).is_some() {
            return line;
        }
        highlight::highlight(&line, self.paint).into()
    }

    fn highlight_char(&self, line: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor && (self.paint.is_on() || line.contains(is_control))
    }
}

#[cfg(test)]
mod tests {
    use super::{byte_offset, code_start};

    #[test]
    fn the_code_of_a_dot_command_begins_after_its_name() {
        for (typed, code) in [
            ("a.b", "a.b"),
            (" a", " a"),
            (".inspect a.b", "a.b"),
            ("  .inspect  a", "a"),
            (".inspect\u{a0}a", "a"),
            ("\u{3000}.type\u{3000}ä", "ä"),
            (".inspect ", ""),
            (".inspect", ""),
        ] {
            assert_eq!(&typed[code_start(typed)..], code, "{typed:?}");
        }
    }

    #[test]
    fn utf16_offsets_become_byte_offsets() {
        assert_eq!(byte_offset("aü😀b", 0), 0);
        assert_eq!(byte_offset("aü😀b", 2), 3);
        assert_eq!(byte_offset("aü😀b", 4), 7);
        assert_eq!(byte_offset("aü😀b", 9), 8);
    }
}
