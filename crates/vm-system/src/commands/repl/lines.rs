//! What is typed or piped, one piece of code or instruction after the other.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::io::{AsyncBufReadExt, BufReader, Stdin};
use uuid::Uuid;
use vmapi_types::{CompletenessStatus, LOOK_LIMIT};
use vmclient::Client;

use super::draft::Draft;
use super::editor::Editor;
use super::instruction;
use super::terminal::Terminal;
use crate::failure::Failure;
use crate::output::{Paint, is_dumb};

/// What asks for the next piece.
pub(crate) const PROMPT: &str = "> ";

/// What comes next.
pub(crate) enum Piece {
    /// Code or an instruction.
    Text(String),
    /// Ctrl-C, at a terminal.
    Interrupt {
        /// Whether there was a text, which is dropped.
        dropped: bool,
        /// Whether anything was typed since the piece before.
        touched: bool,
    },
    /// Something that is no text.
    Unreadable,
    /// Ctrl-D, or the end of a file.
    End,
}

/// Where it comes from.
pub(crate) enum Lines {
    /// Somebody types at a terminal on which lines can be edited.
    Edited(Box<Editor>),
    /// A program writes, or somebody at another terminal.
    Plain(Box<Plain>),
}

impl Lines {
    /// For a session, from the terminal if standard input is one. What is typed is kept in that
    /// file, if lines can be edited.
    ///
    /// # Errors
    /// When the terminal can't be used.
    pub(crate) fn new(
        client: Client,
        session: Uuid,
        paint: Paint,
        history: Option<PathBuf>,
        terminal: Option<&Arc<Terminal>>,
    ) -> Result<Self, Failure> {
        if let Some(terminal) = terminal
            && is_edited()
        {
            let editor = Editor::new(client, session, paint, history, terminal)?;
            return Ok(Self::Edited(Box::new(editor)));
        }
        Ok(Self::Plain(Box::new(Plain {
            input: BufReader::new(tokio::io::stdin()),
            line: Vec::new(),
            draft: Draft::default(),
            is_typed: terminal.is_some(),
            interrupt_key: terminal.and_then(|terminal| terminal.interrupt_key()),
            client,
            session,
        })))
    }

    /// Waits for the next piece. Loses nothing when it is dropped before it is ready, unless lines
    /// are edited.
    ///
    /// # Errors
    /// When the input fails, and when the session can't say where a piece ends that nobody edits.
    pub(crate) async fn next(&mut self) -> Result<Piece, Failure> {
        match self {
            Self::Edited(editor) => editor.next().await,
            Self::Plain(plain) => plain.next().await,
        }
    }

    /// Drops the lines that are no piece yet, of what nobody edits; says so.
    pub(crate) fn interrupt(&mut self) -> Piece {
        match self {
            Self::Edited(_) => Piece::Interrupt {
                dropped: false,
                touched: false,
            },
            Self::Plain(plain) => plain.interrupt(),
        }
    }
}

/// Whether lines can be edited, if standard input is a terminal.
pub(crate) fn is_edited() -> bool {
    !is_dumb()
}

/// Lines that nobody edits here.
pub(crate) struct Plain {
    input: BufReader<Stdin>,
    /// What has come of a line.
    line: Vec<u8>,
    /// What has come of a piece.
    draft: Draft,
    /// Whether somebody types, who waits for what comes of each line.
    is_typed: bool,
    /// The byte that ends a line and drops it; `None` where there is none.
    interrupt_key: Option<u8>,
    client: Client,
    session: Uuid,
}

impl Plain {
    /// As many lines as make a piece; at the end of the input whatever is left. A piece that the
    /// session can't judge is none: the rest of it would be run as pieces of their own.
    async fn next(&mut self) -> Result<Piece, Failure> {
        loop {
            let reading = self.next_line().await;
            let Some(end) = reading.context("cannot read standard input")? else {
                return Ok(match std::mem::take(&mut self.draft).text() {
                    "" => Piece::End,
                    text => Piece::Text(text.to_owned()),
                });
            };
            if Some(end) == self.interrupt_key {
                return Ok(self.interrupt());
            }
            let Ok(line) = String::from_utf8(std::mem::take(&mut self.line)) else {
                if self.is_typed {
                    return Ok(Piece::Unreadable);
                }
                return Err(anyhow!("cannot read standard input: it is no UTF-8").into());
            };
            self.draft.add(line.strip_suffix('\r').unwrap_or(&line));
            let text = self.draft.text();
            let is_instruction = instruction::parse(text).is_some();
            if is_instruction
                || ((self.is_typed || self.draft.is_worth_a_question())
                    && !lacks_something(&self.client, self.session, self.draft.text()).await?)
            {
                let draft = std::mem::take(&mut self.draft);
                return Ok(Piece::Text(draft.text().to_owned()));
            }
        }
    }

    /// Reads on to the end of a line; gives the byte that ends it, which is left out, or nothing at
    /// the end of the input.
    async fn next_line(&mut self) -> io::Result<Option<u8>> {
        let key = self.interrupt_key;
        loop {
            let come = self.input.fill_buf().await?;
            if come.is_empty() {
                // A last line that does not end is one, too.
                return Ok((!self.line.is_empty()).then_some(b'\n'));
            }
            let is_end = |byte: &u8| *byte == b'\n' || Some(*byte) == key;
            let end = come.iter().position(is_end);
            let (length, ending) = match end {
                Some(at) => (at + 1, Some(come[at])),
                None => (come.len(), None),
            };
            self.line.extend_from_slice(&come[..end.unwrap_or(length)]);
            self.input.consume(length);
            if ending.is_some() {
                return Ok(ending);
            }
        }
    }

    fn interrupt(&mut self) -> Piece {
        let dropped = !self.line.is_empty() || !self.draft.is_empty();
        self.line.clear();
        self.draft = Draft::default();
        Piece::Interrupt {
            dropped,
            touched: dropped,
        }
    }
}

/// Whether code needs more lines.
///
/// # Errors
/// When the session does not say.
pub(crate) async fn lacks_something(
    client: &Client,
    session: Uuid,
    code: &str,
) -> Result<bool, Failure> {
    let found = client.is_complete(session, code).await?;
    if found.code.as_deref() == Some(LOOK_LIMIT) {
        let message = found.message.unwrap_or_default();
        return Err(anyhow!("{LOOK_LIMIT}: {message}").into());
    }
    Ok(found.status == CompletenessStatus::Incomplete)
}
