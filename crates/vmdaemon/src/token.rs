//! The file that holds the token.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use uuid::Uuid;
use vmtransport_http::Token;

/// The shortest token, in characters: shorter ones can be guessed.
const MIN_CHARS: usize = 16;

/// The longest token, in bytes.
const MAX_BYTES: u64 = 4096;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read or made.
    #[error("it can't be read or made")]
    Io(#[from] io::Error),
    /// Others than its owner can read it.
    #[error("others can read it: `chmod 600` it")]
    Readable,
    /// Its content is no token.
    #[error(
        "a token is {MIN_CHARS} or more visible ASCII characters without spaces; without the file, one is made"
    )]
    Malformed,
}

/// The token in that file, which is made with a new one if it is missing.
///
/// # Errors
/// See [`TokenError`].
pub(crate) fn read_or_make(path: &Path) -> Result<Token, TokenError> {
    let made = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(file) => Ok(make(file)?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(error.into()),
    }
}

fn make(mut file: File) -> io::Result<Token> {
    // 244 random bits.
    let text = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    file.write_all(format!("{text}\n").as_bytes())?;
    file.sync_all()?;
    Ok(Token::new(text))
}

fn read(path: &Path) -> Result<Token, TokenError> {
    let file = File::open(path)?;
    if file.metadata()?.mode() & 0o077 != 0 {
        return Err(TokenError::Readable);
    }
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    let text = text.trim();
    if text.len() < MIN_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(TokenError::Malformed);
    }
    Ok(Token::new(text))
}
