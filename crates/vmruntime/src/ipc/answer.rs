//! The answer to a host call: pieces of bytes, which the session process joins to bodies, and then
//! JSON that names parts of those bodies; or an error to throw.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use vmapi_types::RawJson;

use super::codec::{Message, no_attachment};
use super::frame::MAX_CHUNK_BYTES;

/// How much one piece carries, in bytes. With its JSON and its header, a piece is one datagram.
pub(crate) const PIECE_BYTES: usize = MAX_CHUNK_BYTES - 1024;

/// The largest JSON that is sent with the end of an answer, in bytes. Longer JSON is sent in
/// pieces.
const MAX_INLINE_BYTES: usize = PIECE_BYTES;

/// The number of the body of an answer that has one body.
pub(crate) const WHOLE: u8 = 0;

/// The number of the body that holds the JSON, if the JSON is sent in pieces.
const BODY_OF_JSON: u8 = 7;

/// The answer of a host module without its bodies: JSON, or an error to throw.
pub(crate) type HostReply = Result<RawJson, HostError>;

/// An error that a host module throws.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HostError {
    /// The value of `code`, such as `ENOENT`; `None` for an error without that property.
    pub(crate) code: Option<String>,
    /// The message.
    pub(crate) message: String,
    /// Other properties of the error, such as `syscall` and `path`.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(crate) properties: Map<String, Value>,
}

impl HostError {
    /// An error without a code.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            code: None,
            message: message.into(),
            properties: Map::new(),
        }
    }

    /// An error with a code, such as `ENOENT`.
    pub(crate) fn with_code(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            ..Self::new(message)
        }
    }
}

/// A part of an answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HostAnswer {
    /// Bytes to append to these bodies.
    Piece {
        /// The numbers of the bodies.
        into: Vec<u8>,
        /// The bytes, at most [`PIECE_BYTES`].
        #[serde(skip)]
        bytes: Vec<u8>,
    },
    /// The end of the answer.
    End(Result<Json, HostError>),
}

/// Where the JSON of an answer is.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Json {
    /// In this message.
    Here(RawJson),
    /// In the pieces that were sent before.
    InPieces,
}

impl Message for HostAnswer {
    fn attachment(&self) -> &[u8] {
        match self {
            Self::Piece { bytes, .. } => bytes,
            Self::End(_) => &[],
        }
    }

    fn attach(&mut self, given: Vec<u8>) -> io::Result<()> {
        match self {
            Self::Piece { bytes, .. } => {
                *bytes = given;
                Ok(())
            }
            Self::End(_) => no_attachment(&given),
        }
    }
}

impl HostAnswer {
    /// The parts of an answer's JSON: its pieces, if it is long, and then the end.
    pub(crate) fn of(reply: HostReply) -> impl Iterator<Item = Self> {
        let (text, end) = match reply {
            Ok(json) if json.get().len() > MAX_INLINE_BYTES => (Some(json), Ok(Json::InPieces)),
            Ok(json) => (None, Ok(Json::Here(json))),
            Err(error) => (None, Err(error)),
        };
        let pieces = text
            .map(|json| Self::pieces(&[BODY_OF_JSON], json.get().as_bytes()).collect::<Vec<_>>());
        pieces.into_iter().flatten().chain([Self::End(end)])
    }

    /// The end of an answer without a value: `null` or the error.
    pub(crate) fn of_nothing(outcome: Result<(), HostError>) -> Self {
        Self::End(outcome.map(|()| Json::Here(RawJson::default())))
    }

    /// Bytes for these bodies, in pieces.
    pub(crate) fn pieces<'a>(into: &'a [u8], bytes: &'a [u8]) -> impl Iterator<Item = Self> + 'a {
        bytes.chunks(PIECE_BYTES).map(|bytes| Self::Piece {
            into: into.to_vec(),
            bytes: bytes.to_vec(),
        })
    }
}

/// A whole answer, in the session process.
#[derive(Debug)]
pub(crate) struct Answered {
    /// The JSON.
    pub(crate) json: RawJson,
    /// The bodies whose parts the JSON names.
    pub(crate) bodies: Vec<Vec<u8>>,
}

/// The pieces of an answer that have arrived.
#[derive(Default)]
pub(crate) struct Pieces {
    bodies: Vec<Vec<u8>>,
}

impl Pieces {
    /// Adds a part. Returns the answer when the last part has arrived, and `None` before.
    ///
    /// # Errors
    /// When the parts do not form an answer.
    pub(crate) fn push(
        &mut self,
        part: HostAnswer,
    ) -> io::Result<Option<Result<Answered, HostError>>> {
        match part {
            HostAnswer::Piece { into, bytes } => {
                for body in into {
                    let body = usize::from(body.min(BODY_OF_JSON));
                    if self.bodies.len() <= body {
                        self.bodies.resize_with(body + 1, Vec::new);
                    }
                    self.bodies[body].extend_from_slice(&bytes);
                }
                Ok(None)
            }
            HostAnswer::End(Err(error)) => Ok(Some(Err(error))),
            HostAnswer::End(Ok(json)) => {
                let mut bodies = std::mem::take(&mut self.bodies);
                let json = match json {
                    Json::Here(json) => json,
                    Json::InPieces => {
                        bodies.truncate(usize::from(BODY_OF_JSON) + 1);
                        let text = bodies.pop().unwrap_or_default();
                        let text = String::from_utf8(text).map_err(io::Error::other)?;
                        RawValue::from_string(text)?
                    }
                };
                Ok(Some(Ok(Answered { json, bodies })))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn put_together(parts: impl IntoIterator<Item = HostAnswer>) -> Answered {
        let mut pieces = Pieces::default();
        for part in parts {
            if let Some(answered) = pieces.push(part).unwrap() {
                return answered.unwrap();
            }
        }
        panic!("the answer has no end");
    }

    #[test]
    fn an_answer_of_any_length_is_put_together_from_pieces_of_one_datagram_each() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let value = json!({"text": "x".repeat(length)});
            let bytes: Vec<u8> = (0..=255).cycle().take(length).collect();
            let reply = to_raw_value(&value).unwrap();
            let parts: Vec<_> = HostAnswer::pieces(&[WHOLE, 2], &bytes)
                .chain(HostAnswer::of(Ok(reply)))
                .collect();
            for part in &parts {
                let encoded = super::super::codec::Encoded::of(part).unwrap();
                let sent: usize = encoded.parts(part).iter().map(|part| part.len()).sum();
                assert!(sent <= MAX_CHUNK_BYTES, "{sent}");
            }
            let answered = put_together(parts);
            let text: serde_json::Value = serde_json::from_str(answered.json.get()).unwrap();
            assert_eq!(text, value);
            if length > 0 {
                assert_eq!(answered.bodies[0], bytes);
                assert_eq!(answered.bodies[2], bytes);
            }
        }
    }
}
