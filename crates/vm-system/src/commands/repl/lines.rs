//! What is typed or piped, one piece of code or instruction after the other.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use tokio::io::{AsyncBufReadExt, BufReader, Lines as AsyncLines, Stdin};
use uuid::Uuid;
use vmapi_types::{CompletenessStatus, LOOK_LIMIT};
use vmclient::Client;

use super::draft::Draft;
use super::editor::Editor;
use super::instruction;
use crate::failure::Failure;
use crate::output::{Paint, is_dumb};

/// What asks for the next piece.
pub const PROMPT: &str = "> ";

/// What comes next.
pub enum Piece {
    /// Code or an instruction.
    Text(String),
    /// Ctrl-C, at a terminal.
    Interrupt,
    /// Ctrl-D, or the end of a file.
    End,
}

/// Where it comes from.
pub enum Lines {
    /// Somebody types at a terminal on which lines can be edited.
    Edited(Box<Editor>),
    /// A program writes, or somebody at another terminal.
    Plain {
        lines: Box<AsyncLines<BufReader<Stdin>>>,
        client: Client,
        session: Uuid,
    },
}

impl Lines {
    /// For a session. What is typed is kept in that file, if lines can be edited.
    ///
    /// # Errors
    /// When the terminal can't be used.
    pub fn new(
        client: Client,
        session: Uuid,
        paint: Paint,
        history: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        if io::stdin().is_terminal() && !is_dumb() {
            let editor = Editor::new(client, session, paint, history)?;
            return Ok(Self::Edited(Box::new(editor)));
        }
        Ok(Self::Plain {
            lines: Box::new(BufReader::new(tokio::io::stdin()).lines()),
            client,
            session,
        })
    }

    /// Waits for the next piece.
    ///
    /// # Errors
    /// When the input fails, and when the session can't say where a piece ends that nobody edits.
    pub async fn next(&mut self) -> Result<Piece, Failure> {
        match self {
            Self::Edited(editor) => editor.next().await,
            Self::Plain {
                lines,
                client,
                session,
            } => next_piece(lines, client, *session).await,
        }
    }
}

/// As many lines as make a piece; at the end of the input whatever is left. A piece that the session can't judge is none: the
/// rest of it would be run as pieces of their own.
async fn next_piece(
    lines: &mut AsyncLines<BufReader<Stdin>>,
    client: &Client,
    session: Uuid,
) -> Result<Piece, Failure> {
    // Whoever types waits for what comes of each line.
    let is_typed = io::stdin().is_terminal();
    let mut draft = Draft::default();
    loop {
        let line = lines
            .next_line()
            .await
            .context("cannot read standard input")?;
        let Some(line) = line else {
            return Ok(match draft.text() {
                "" => Piece::End,
                text => Piece::Text(text.to_owned()),
            });
        };
        draft.add(&line);
        let is_instruction = instruction::parse(draft.text()).is_some();
        if is_instruction
            || ((is_typed || draft.is_worth_a_question())
                && !lacks_something(client, session, draft.text()).await?)
        {
            return Ok(Piece::Text(draft.text().to_owned()));
        }
    }
}

/// Whether code needs more lines.
///
/// # Errors
/// When the session does not say.
pub async fn lacks_something(client: &Client, session: Uuid, code: &str) -> Result<bool, Failure> {
    let found = client.is_complete(session, code).await?;
    if found.code.as_deref() == Some(LOOK_LIMIT) {
        let message = found.message.unwrap_or_default();
        return Err(anyhow!("{LOOK_LIMIT}: {message}").into());
    }
    Ok(found.status == CompletenessStatus::Incomplete)
}
