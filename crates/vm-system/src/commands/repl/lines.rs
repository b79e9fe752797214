//! What is typed or piped, one piece of code or instruction after the other.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use anyhow::Context;
use tokio::io::{AsyncBufReadExt, BufReader, Lines as AsyncLines, Stdin};
use uuid::Uuid;
use vmapi_types::CompletenessStatus;
use vmclient::Client;

use super::editor::Editor;
use super::instruction;
use crate::failure::Failure;
use crate::output::Paint;

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
    /// Somebody types.
    Typed(Box<Editor>),
    /// A program writes.
    Piped {
        lines: Box<AsyncLines<BufReader<Stdin>>>,
        client: Client,
        session: Uuid,
    },
}

impl Lines {
    /// For a session. At a terminal what is typed is kept in that file.
    ///
    /// # Errors
    /// When the terminal can't be used.
    pub fn new(
        client: Client,
        session: Uuid,
        paint: Paint,
        history: Option<PathBuf>,
    ) -> Result<Self, Failure> {
        if io::stdin().is_terminal() {
            let editor = Editor::new(client, session, paint, history)?;
            return Ok(Self::Typed(Box::new(editor)));
        }
        Ok(Self::Piped {
            lines: Box::new(BufReader::new(tokio::io::stdin()).lines()),
            client,
            session,
        })
    }

    /// Waits for the next piece.
    ///
    /// # Errors
    /// When the input fails.
    pub async fn next(&mut self) -> Result<Piece, Failure> {
        match self {
            Self::Typed(editor) => editor.next().await,
            Self::Piped {
                lines,
                client,
                session,
            } => next_piece(lines, client, *session).await,
        }
    }
}

/// As many lines as make a piece; at the end of the input whatever is left.
async fn next_piece(
    lines: &mut AsyncLines<BufReader<Stdin>>,
    client: &Client,
    session: Uuid,
) -> Result<Piece, Failure> {
    let mut text = String::new();
    loop {
        let line = lines
            .next_line()
            .await
            .context("cannot read standard input")?;
        let Some(line) = line else {
            return Ok(if text.is_empty() {
                Piece::End
            } else {
                Piece::Text(text)
            });
        };
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(&line);
        if instruction::parse(&text).is_some() || !lacks_something(client, session, &text).await {
            return Ok(Piece::Text(text));
        }
    }
}

/// Whether code needs more lines. Without an answer it is run, which says what is wrong.
pub async fn lacks_something(client: &Client, session: Uuid, code: &str) -> bool {
    let found = client.is_complete(session, code).send().await;
    found.is_ok_and(|found| found.status == CompletenessStatus::Incomplete)
}
