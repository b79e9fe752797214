//! Lines as they are typed: history, completion, colours, more lines where code is not complete.

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

use super::lines::{PROMPT, Piece, lacks_something};
use super::terminal::Terminal;
use super::{instruction, words};
use crate::failure::Failure;
use crate::output::{self, Paint, marked};

/// How many entries the history keeps.
const HISTORY_ENTRIES: usize = 10_000;

/// Reads what is typed.
pub(crate) struct Editor {
    /// Away while it reads.
    inner: Option<rustyline::Editor<Aide, DefaultHistory>>,
    history: Option<PathBuf>,
    line: Arc<LineState>,
}

/// What is known of the line that is typed.
#[derive(Default)]
struct LineState {
    /// Whether there ever was something in it.
    touched: AtomicBool,
    /// Whether an interrupt key ended it.
    interrupted: AtomicBool,
}

/// Ends a line as Enter does, but for its being dropped then. An error of the editor's would take
/// along what was typed behind it and read at once with it.
struct Interrupt(Arc<LineState>);

impl ConditionalEventHandler for Interrupt {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.interrupted.store(true, Ordering::Relaxed);
        Some(Cmd::AcceptLine)
    }
}

/// Stops the program.
struct Suspend(Arc<Terminal>);

impl ConditionalEventHandler for Suspend {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, _: &EventContext<'_>) -> Option<Cmd> {
        self.0.suspend();
        Some(Cmd::Repaint)
    }
}

/// A key that sends that byte.
fn key_event(byte: u8) -> KeyEvent {
    KeyEvent::new(char::from(byte), Modifiers::NONE)
}

impl Editor {
    /// For a session.
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
            // Also without colours all that is drawn has to pass `highlight`.
            .color_mode(ColorMode::Forced)
            .build();
        let mut editor =
            rustyline::Editor::with_config(config).context("the terminal can't be used")?;
        let line: Arc<LineState> = Arc::default();
        editor.set_helper(Some(Aide {
            client,
            session,
            paint,
            handle: Handle::current(),
            line: Arc::clone(&line),
        }));
        for key in terminal.interrupt_keys() {
            let interrupt = EventHandler::Conditional(Box::new(Interrupt(Arc::clone(&line))));
            editor.bind_sequence(key_event(key), interrupt);
        }
        if let Some(key) = terminal.suspend_key() {
            let suspend = EventHandler::Conditional(Box::new(Suspend(Arc::clone(terminal))));
            editor.bind_sequence(key_event(key), suspend);
        }
        let history = match history {
            Some(path) => Some(path).filter(|path| !path.as_os_str().is_empty()),
            None => default_history(),
        };
        if let Some(path) = &history {
            // There is none at first.
            let _ = editor.load_history(path);
        }
        Ok(Self {
            inner: Some(editor),
            history,
            line,
        })
    }

    /// Waits for the next.
    ///
    /// # Errors
    /// When the terminal fails.
    pub(crate) async fn next(&mut self) -> Result<Piece, Failure> {
        output::settle();
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
                // At once, so that nothing is lost however this ends. Without it all else works.
                let _ = editor.append_history(path);
            }
            (editor, read, interrupted)
        });
        let (editor, read, interrupted) = reading.await.context("the terminal failed")?;
        self.inner = Some(editor);
        match read {
            Ok(text) if interrupted => Ok(Piece::Interrupt {
                dropped: !text.is_empty(),
                touched: !text.is_empty() || self.line.touched.load(Ordering::Relaxed),
            }),
            Ok(text) => Ok(Piece::Text(text)),
            Err(ReadlineError::Interrupted) => Ok(Piece::Interrupt {
                dropped: true,
                touched: true,
            }),
            Err(ReadlineError::Eof) => Ok(Piece::End),
            Err(ReadlineError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                Ok(Piece::Unreadable)
            }
            Err(error) => Err(anyhow::Error::new(error)
                .context("cannot read from the terminal")
                .into()),
        }
    }
}

/// Where the history is kept if nobody says otherwise; nowhere if the directory can't be made.
fn default_history() -> Option<PathBuf> {
    let state = match env::var_os("XDG_STATE_HOME") {
        Some(state) if !state.is_empty() => PathBuf::from(state),
        _ => PathBuf::from(env::var_os("HOME")?).join(".local/state"),
    };
    let directory = state.join("vm-system");
    fs::create_dir_all(&directory).ok()?;
    Some(directory.join("history"))
}

/// Helps whoever types, by asking the session.
struct Aide {
    client: Client,
    session: Uuid,
    paint: Paint,
    handle: Handle,
    line: Arc<LineState>,
}

impl Helper for Aide {}

impl Hinter for Aide {
    type Hint = String;

    /// There are no hints; but this is asked for one whenever the line has changed.
    fn hint(&self, line: &str, _: usize, _: &Context<'_>) -> Option<String> {
        if !line.is_empty() {
            self.line.touched.store(true, Ordering::Relaxed);
        }
        None
    }
}

impl Completer for Aide {
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
            let names = instruction::ALL.iter().map(|(name, ..)| *name);
            let names = names.filter(|name| name.starts_with(word));
            let pairs = names.map(|name| Pair {
                display: name.to_owned(),
                replacement: name.to_owned(),
            });
            return Ok((at - word.len(), pairs.collect()));
        }
        let code_at = code_start(before);
        let call = self.client.complete(self.session, &before[code_at..]);
        // Without an answer nothing is completed.
        let Ok(found) = self.handle.block_on(call.send()) else {
            return Ok((at, Vec::new()));
        };
        let start = code_at + byte_of(&before[code_at..], found.start);
        // Nobody can type them, and what stands in the line is shown.
        let is_typed = |candidate: &Candidate| !candidate.text.contains(is_control);
        let candidates = found.candidates.into_iter().filter(is_typed);
        let pairs = candidates.map(|candidate| Pair {
            display: candidate.text.clone(),
            replacement: candidate.text,
        });
        Ok((start, pairs.collect()))
    }
}

/// Where the code begins of what is typed, in bytes: behind the word of an instruction, since what is inspected is code, too.
fn code_start(typed: &str) -> usize {
    if instruction::parse(typed).is_none() {
        return 0;
    }
    let word_and_code = typed.trim_start();
    let code = word_and_code.trim_start_matches(|c: char| !c.is_whitespace());
    typed.len() - code.trim_start().len()
}

/// Where so many UTF-16 code units end, in bytes.
fn byte_of(text: &str, units: usize) -> usize {
    let mut left = units;
    for (at, c) in text.char_indices() {
        if left == 0 {
            return at;
        }
        left = left.saturating_sub(c.len_utf16());
    }
    text.len()
}

impl Validator for Aide {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let input = context.input();
        if self.line.interrupted.load(Ordering::Relaxed) {
            return Ok(ValidationResult::Valid(None));
        }
        if input.trim().is_empty() || instruction::parse(input).is_some() {
            return Ok(ValidationResult::Valid(None));
        }
        let asking = lacks_something(&self.client, self.session, input);
        Ok(match self.handle.block_on(asking) {
            Ok(true) => ValidationResult::Incomplete,
            // Without an answer it is run, which says what is wrong.
            Ok(false) | Err(_) => ValidationResult::Valid(None),
        })
    }
}

impl Highlighter for Aide {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        // What was pasted, or is in the history, may hold anything, and is drawn by the library.
        let line = marked(line);
        if instruction::parse(&line).is_some() {
            return line;
        }
        words::coloured(&line, self.paint).into()
    }

    fn highlight_char(&self, line: &str, _: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor && (self.paint.is_on() || line.contains(is_control))
    }
}

#[cfg(test)]
mod tests {
    use super::{byte_of, code_start};

    #[test]
    fn the_code_of_an_instruction_begins_behind_its_word() {
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
    fn places_of_the_api_become_bytes() {
        assert_eq!(byte_of("aü😀b", 0), 0);
        assert_eq!(byte_of("aü😀b", 2), 3);
        assert_eq!(byte_of("aü😀b", 4), 7);
        assert_eq!(byte_of("aü😀b", 9), 8);
    }
}
