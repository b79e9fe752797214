//! The file that holds the bearer token.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use uuid::Uuid;
use vmtransport_http::Token;

/// The minimum length of a token, in characters: a shorter one could be guessed.
const MIN_CHARS: usize = 16;

/// The number of bytes that are read of a token file; it bounds the length of a token.
const MAX_BYTES: u64 = 4096;

/// Why the token file can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file can't be read or created.
    #[error("it can't be read or created")]
    Io(#[from] io::Error),
    /// Users other than its owner have access to it.
    #[error("others can read it: `chmod 600` it")]
    Readable,
    /// Its content is not a valid token.
    #[error(
        "a token has {MIN_CHARS} or more visible ASCII characters, without spaces; a missing file is created with a new token"
    )]
    Malformed,
}

/// Reads the token from the file. A missing file is created, with a new random token in it.
///
/// # Errors
/// See [`TokenError`].
pub(crate) fn read_or_create(path: &Path) -> Result<Token, TokenError> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(file) => Ok(write_new_token(file)?),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
        Err(error) => Err(error.into()),
    }
}

fn write_new_token(mut file: File) -> io::Result<Token> {
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
