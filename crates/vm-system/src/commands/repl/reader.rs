//! The input of the console: edited lines, or lines of a pipe or a plain terminal.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use tokio::io::{AsyncBufReadExt, BufReader, Stdin};
use uuid::Uuid;
use vmclient::Client;

use super::dot_command;
use super::editor::Editor;
use super::input::{Input, needs_more_lines};
use super::input_buffer::InputBuffer;
use super::terminal::Terminal;
use crate::failure::Failure;
use crate::output::{Paint, is_dumb};

/// The source of the console's input.
pub(crate) enum InputReader {
    /// A terminal with line editing by this program.
    Edited(Box<Editor>),
    /// A pipe, a file, or a terminal without line editing by this program.
    Plain(Box<PlainReader>),
}

impl InputReader {
    /// Opens the input of a session: the terminal if standard input is one. Edited lines are
    /// appended to the history file.
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
            && has_line_editing()
        {
            let editor = Editor::new(client, session, paint, history, terminal)?;
            return Ok(Self::Edited(Box::new(editor)));
        }
        Ok(Self::Plain(Box::new(PlainReader {
            input: BufReader::new(tokio::io::stdin()),
            line: Vec::new(),
            buffer: InputBuffer::default(),
            is_typed: terminal.is_some(),
            interrupt_key: terminal.and_then(|terminal| terminal.interrupt_key()),
            client,
            session,
        })))
    }

    /// Waits for the next input. Without line editing this method is cancel-safe: no input is lost
    /// if the future is dropped.
    ///
    /// # Errors
    /// When the input fails, and without line editing when the session can't tell whether a snippet
    /// is complete.
    pub(crate) async fn next(&mut self) -> Result<Input, Failure> {
        match self {
            Self::Edited(editor) => editor.next().await,
            Self::Plain(plain) => plain.next().await,
        }
    }

    /// Drops the lines of an incomplete snippet, for input without line editing.
    pub(crate) fn interrupt(&mut self) -> Input {
        match self {
            Self::Edited(_) => Input::Interrupt {
                dropped: false,
                touched: false,
            },
            Self::Plain(plain) => plain.interrupt(),
        }
    }
}

/// Whether a terminal supports line editing.
pub(crate) fn has_line_editing() -> bool {
    !is_dumb()
}

/// Input without line editing.
pub(crate) struct PlainReader {
    input: BufReader<Stdin>,
    /// The bytes of an incomplete line.
    line: Vec<u8>,
    /// The lines of an incomplete snippet.
    buffer: InputBuffer,
    /// Whether the input is a terminal, whose user waits for the result of each line.
    is_typed: bool,
    /// The byte that interrupts a line; `None` if the input has no such byte.
    interrupt_key: Option<u8>,
    client: Client,
    session: Uuid,
}

impl PlainReader {
    /// Reads lines until they make a complete snippet; at the end of the input, the rest is one. If
    /// the session can't judge the lines, nothing is run, because their rest would be run as
    /// separate snippets.
    async fn next(&mut self) -> Result<Input, Failure> {
        loop {
            let reading = self.next_line().await;
            let Some(end) = reading.context("cannot read standard input")? else {
                return Ok(match std::mem::take(&mut self.buffer).text() {
                    "" => Input::End,
                    text => Input::Text(text.to_owned()),
                });
            };
            if Some(end) == self.interrupt_key {
                return Ok(self.interrupt());
            }
            let Ok(line) = String::from_utf8(std::mem::take(&mut self.line)) else {
                if self.is_typed {
                    return Ok(Input::InvalidUtf8);
                }
                return Err(anyhow!("cannot read standard input: it is not valid UTF-8").into());
            };
            self.buffer.add(line.strip_suffix('\r').unwrap_or(&line));
            let text = self.buffer.text();
            let is_dot_command = dot_command::parse(text).is_some();
            if is_dot_command
                || ((self.is_typed || self.buffer.needs_completeness_check())
                    && !needs_more_lines(&self.client, self.session, self.buffer.text()).await?)
            {
                let buffer = std::mem::take(&mut self.buffer);
                return Ok(Input::Text(buffer.text().to_owned()));
            }
        }
    }

    /// Reads to the end of a line; returns the byte that ended it, which is not part of the line,
    /// or `None` at the end of the input.
    async fn next_line(&mut self) -> io::Result<Option<u8>> {
        let key = self.interrupt_key;
        loop {
            let received = self.input.fill_buf().await?;
            if received.is_empty() {
                // A last line without a line end counts as a line.
                return Ok((!self.line.is_empty()).then_some(b'\n'));
            }
            let is_end = |byte: &u8| *byte == b'\n' || Some(*byte) == key;
            let end = received.iter().position(is_end);
            let (length, ending) = match end {
                Some(at) => (at + 1, Some(received[at])),
                None => (received.len(), None),
            };
            self.line
                .extend_from_slice(&received[..end.unwrap_or(length)]);
            self.input.consume(length);
            if ending.is_some() {
                return Ok(ending);
            }
        }
    }

    fn interrupt(&mut self) -> Input {
        let dropped = !self.line.is_empty() || !self.buffer.is_empty();
        self.line.clear();
        self.buffer = InputBuffer::default();
        Input::Interrupt {
            dropped,
            touched: dropped,
        }
    }
}
