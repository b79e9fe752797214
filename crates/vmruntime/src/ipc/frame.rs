//! Frames: a message as a sequence of datagrams.
//!
//! A datagram is a header of 12 bytes (version, flags, two bytes of zero, generation and length of
//! the whole message, both little-endian) and at most [`MAX_CHUNK_BYTES`] of the message. A message
//! of at most that size is one datagram, so that it can be sent between two datagrams of another
//! message.

use super::VERSION;

/// The length of a header, in bytes.
const HEADER_BYTES: usize = 12;

/// How much of a message one datagram carries, in bytes. It is well below the send buffer that a
/// socket has by default (208 KiB).
pub(crate) const MAX_CHUNK_BYTES: usize = 60 * 1024;

/// The length of the longest datagram, in bytes.
pub(crate) const MAX_DATAGRAM_BYTES: usize = HEADER_BYTES + MAX_CHUNK_BYTES;

const FLAG_FIRST: u8 = 1;
const FLAG_LAST: u8 = 2;
const FLAG_REFUSABLE: u8 = 4;

/// The header of a datagram.
pub(crate) type Header = [u8; HEADER_BYTES];

/// The parts of a message. They are sent without being copied.
pub(crate) type Parts<'a> = [&'a [u8]; 3];

/// The datagrams of a message, in order, each as a header and a chunk. `is_refusable` says that the
/// receiver may drop the message when it has no memory for it.
pub(crate) fn split(
    generation: u32,
    is_refusable: bool,
    message: Parts<'_>,
) -> impl Iterator<Item = (Header, Parts<'_>)> {
    let length: usize = message.iter().map(|part| part.len()).sum();
    let total = u32::try_from(length).unwrap_or(u32::MAX);
    let count = length.div_ceil(MAX_CHUNK_BYTES).max(1);
    (0..count).map(move |index| {
        let start = index * MAX_CHUNK_BYTES;
        let chunk = window(message, start, length.min(start + MAX_CHUNK_BYTES));
        let mut header = [0; HEADER_BYTES];
        header[0] = VERSION;
        header[1] |= if index == 0 { FLAG_FIRST } else { 0 };
        header[1] |= if index + 1 == count { FLAG_LAST } else { 0 };
        header[1] |= if is_refusable { FLAG_REFUSABLE } else { 0 };
        header[4..8].copy_from_slice(&generation.to_le_bytes());
        header[8..12].copy_from_slice(&total.to_le_bytes());
        (header, chunk)
    })
}

/// The bytes between two offsets into all parts together.
fn window(parts: Parts<'_>, start: usize, end: usize) -> Parts<'_> {
    let mut before = 0;
    parts.map(|part| {
        let from = start.saturating_sub(before).min(part.len());
        let to = end.saturating_sub(before).min(part.len());
        before += part.len();
        &part[from..to]
    })
}

/// Why a datagram was refused. The channel can't be used after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a datagram of {0} bytes is shorter than its header")]
    Short(usize),
    #[error("the peer speaks version {0} of the protocol, not {VERSION}")]
    Version(u8),
    #[error("a message of {0} bytes is longer than {1}")]
    TooLong(u32, u32),
    #[error("the parts of a message don't fit together")]
    Mismatch,
}

/// A whole message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The generation of the session process that it is from or for.
    pub(crate) generation: u32,
    /// The message's bytes; `None` if the message was dropped because there was no memory for it.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// A message of which only the first datagram has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Begun {
    /// The length of the whole message, in bytes.
    pub(crate) total: usize,
    /// Whether it may be dropped.
    pub(crate) is_refusable: bool,
}

/// Joins datagrams to messages.
#[derive(Debug)]
pub(crate) struct Assembler {
    max_bytes: u32,
    partial: Option<Partial>,
}

#[derive(Debug)]
struct Partial {
    generation: u32,
    total: u32,
    is_refusable: bool,
    /// How much has arrived, in bytes.
    length: usize,
    /// The bytes that have arrived; `None` if the message is being dropped.
    bytes: Option<Vec<u8>>,
}

impl Assembler {
    /// An assembler for messages of at most `max_bytes`.
    pub(crate) fn new(max_bytes: u32) -> Self {
        Self {
            max_bytes,
            partial: None,
        }
    }

    /// The message of which only the first datagram has arrived; `None` if there is none. The
    /// receiver makes room for the rest, or drops the message, before it reads more.
    pub(crate) fn begun(&self) -> Option<Begun> {
        let partial = self.partial.as_ref()?;
        (partial.length <= MAX_CHUNK_BYTES).then_some(Begun {
            total: partial.total as usize,
            is_refusable: partial.is_refusable,
        })
    }

    /// Drops the part of the message that has arrived, and the rest as it arrives.
    pub(crate) fn drop_message(&mut self) {
        if let Some(partial) = &mut self.partial {
            partial.bytes = None;
        }
    }

    /// Adds a datagram. Returns the message that it completes; `None` if it completes none. A
    /// message that its sender left unfinished is dropped when the next one begins. A datagram that
    /// continues no message is dropped: the start of its message went to another process.
    ///
    /// # Errors
    /// See [`FrameError`].
    pub(crate) fn push(&mut self, datagram: &[u8]) -> Result<Option<Message>, FrameError> {
        let Some((header, chunk)) = datagram.split_at_checked(HEADER_BYTES) else {
            return Err(FrameError::Short(datagram.len()));
        };
        if header[0] != VERSION {
            return Err(FrameError::Version(header[0]));
        }
        let number = |at: usize| {
            u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
        };
        let (flags, generation, total) = (header[1], number(4), number(8));
        if total > self.max_bytes {
            return Err(FrameError::TooLong(total, self.max_bytes));
        }
        let mut partial = if flags & FLAG_FIRST != 0 {
            Partial {
                generation,
                total,
                is_refusable: flags & FLAG_REFUSABLE != 0,
                length: 0,
                bytes: Some(Vec::with_capacity((total as usize).min(MAX_CHUNK_BYTES))),
            }
        } else {
            match self.partial.take() {
                Some(partial) if partial.generation == generation && partial.total == total => {
                    partial
                }
                _ => return Ok(None),
            }
        };
        partial.length += chunk.len();
        let length = partial.length;
        if length > total as usize {
            return Err(FrameError::Mismatch);
        }
        if let Some(bytes) = &mut partial.bytes {
            if length > chunk.len() {
                // The memory for the whole message is reserved at once, now that its room is taken.
                // Growing step by step would take twice as much.
                bytes.reserve_exact(total as usize - bytes.len());
            }
            bytes.extend_from_slice(chunk);
        }
        let is_last = flags & FLAG_LAST != 0;
        if is_last != (length == total as usize) {
            return Err(FrameError::Mismatch);
        }
        if is_last {
            self.partial = None;
            return Ok(Some(Message {
                generation,
                bytes: partial.bytes,
            }));
        }
        self.partial = Some(partial);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use proptest::test_runner::TestRunner;

    fn datagrams(generation: u32, message: &[u8]) -> Vec<Vec<u8>> {
        let (front, back) = message.split_at(message.len() / 3);
        split(generation, false, [front, b"", back])
            .map(|(header, chunk)| [&header, chunk[0], chunk[1], chunk[2]].concat())
            .collect()
    }

    #[test]
    fn a_message_that_was_left_unfinished_is_dropped_when_the_next_one_begins() {
        let mut assembler = Assembler::new(1 << 20);
        let long = datagrams(1, &vec![7; 3 * MAX_CHUNK_BYTES]);
        assert_eq!(assembler.push(&long[0]), Ok(None));
        let next = datagrams(2, b"next");
        assert_eq!(
            assembler.push(&next[0]),
            Ok(Some(Message {
                generation: 2,
                bytes: Some(b"next".to_vec())
            }))
        );
        assert_eq!(assembler.push(&long[1]), Ok(None));
        assert_eq!(assembler.push(&long[2]), Ok(None));
    }

    #[test]
    fn what_is_too_long_or_of_another_version_is_refused() {
        let mut assembler = Assembler::new(3);
        assert_eq!(
            assembler.push(&datagrams(0, b"four")[0]),
            Err(FrameError::TooLong(4, 3))
        );
        let mut other = datagrams(0, b"abc").remove(0);
        other[0] = VERSION + 1;
        assert_eq!(
            assembler.push(&other),
            Err(FrameError::Version(VERSION + 1))
        );
        assert_eq!(assembler.push(&[VERSION; 5]), Err(FrameError::Short(5)));
    }

    #[test]
    fn a_message_that_is_dropped_ends_where_it_would_have_ended() {
        let mut assembler = Assembler::new(1 << 20);
        let message = vec![7; 3 * MAX_CHUNK_BYTES];
        let mut all = split(1, true, [&message, b"", b""])
            .map(|(header, chunk)| [&header, chunk[0]].concat());
        assert_eq!(assembler.push(&all.next().unwrap()), Ok(None));
        let begun = Begun {
            total: message.len(),
            is_refusable: true,
        };
        assert_eq!(assembler.begun(), Some(begun));
        assembler.drop_message();
        assert_eq!(assembler.push(&all.next().unwrap()), Ok(None));
        assert_eq!(assembler.begun(), None);
        let dropped = Message {
            generation: 1,
            bytes: None,
        };
        assert_eq!(assembler.push(&all.next().unwrap()), Ok(Some(dropped)));
    }

    /// A fault of a datagram in transit.
    #[derive(Clone, Debug)]
    enum Fault {
        Header(usize, u8),
        Byte(Index, u8),
        Cut(Index),
        Extend(Vec<u8>),
        Drop,
        Twice,
    }

    fn fault() -> impl Strategy<Value = Fault> {
        prop_oneof![
            4 => (0..HEADER_BYTES, any::<u8>()).prop_map(|(at, bits)| Fault::Header(at, bits)),
            1 => (any::<Index>(), any::<u8>()).prop_map(|(at, bits)| Fault::Byte(at, bits)),
            1 => any::<Index>().prop_map(Fault::Cut),
            1 => proptest::collection::vec(any::<u8>(), 1..40).prop_map(Fault::Extend),
            1 => Just(Fault::Drop),
            1 => Just(Fault::Twice),
        ]
    }

    /// Datagrams, some of them of messages, whole or with a fault, and some of any bytes.
    fn stream() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let damaged = (
            0..200_000_usize,
            0..4_u32,
            any::<Index>(),
            proptest::option::of(fault()),
        )
            .prop_map(|(length, generation, which, fault)| {
                let mut all = datagrams(generation, &vec![7; length]);
                let at = which.index(all.len());
                match fault {
                    None => {}
                    Some(Fault::Header(byte, bits)) => all[at][byte] ^= bits,
                    Some(Fault::Byte(byte, bits)) => {
                        let byte = byte.index(all[at].len());
                        all[at][byte] ^= bits;
                    }
                    Some(Fault::Cut(length)) => {
                        let length = length.index(all[at].len());
                        all[at].truncate(length);
                    }
                    Some(Fault::Extend(more)) => all[at].extend(more),
                    Some(Fault::Drop) => drop(all.remove(at)),
                    Some(Fault::Twice) => all.insert(at, all[at].clone()),
                }
                all
            });
        let anything = proptest::collection::vec(any::<u8>(), 0..64).prop_map(|one| vec![one]);
        let parts = proptest::collection::vec(prop_oneof![3 => damaged, 1 => anything], 1..12);
        parts.prop_map(|parts| parts.concat())
    }

    /// It runs for `VM_SYSTEM_FUZZ_SECONDS` seconds; two by default.
    #[test]
    fn after_any_stream_of_datagrams_a_message_comes_out_whole() {
        const MOST: u32 = 150_000;
        let seconds = std::env::var("VM_SYSTEM_FUZZ_SECONDS").map_or(2, |text| {
            text.parse()
                .expect("VM_SYSTEM_FUZZ_SECONDS is a number of seconds")
        });
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < deadline {
            let mut runner = TestRunner::new(ProptestConfig::with_cases(50));
            let outcome = runner.run(&stream(), |all| {
                let mut assembler = Assembler::new(MOST);
                for datagram in &all {
                    if let Ok(Some(message)) = assembler.push(datagram) {
                        prop_assert!(message.bytes.unwrap().len() <= MOST as usize);
                    }
                    let kept = assembler.partial.as_ref();
                    prop_assert!(kept.is_none_or(|kept| kept.length <= kept.total as usize));
                }
                let mut out = Vec::new();
                let bytes = vec![9; 2 * MAX_CHUNK_BYTES];
                for datagram in datagrams(7, &bytes) {
                    out.extend(assembler.push(&datagram).unwrap());
                }
                prop_assert_eq!(
                    out,
                    vec![Message {
                        generation: 7,
                        bytes: Some(bytes)
                    }]
                );
                Ok(())
            });
            outcome.unwrap_or_else(|failure| panic!("{failure}"));
        }
    }

    proptest! {
        #[test]
        fn any_message_comes_out_as_it_went_in(length in 0usize..200_000, generation: u32) {
            let message: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut assembler = Assembler::new(1 << 20);
            let mut out = Vec::new();
            for datagram in datagrams(generation, &message) {
                prop_assert!(datagram.len() <= MAX_DATAGRAM_BYTES);
                out.extend(assembler.push(&datagram).unwrap());
            }
            prop_assert_eq!(out, vec![Message { generation, bytes: Some(message) }]);
        }

        #[test]
        fn no_datagram_makes_it_panic_or_keep_more_than_it_may(
            all in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 0..40),
            plausible: bool,
        ) {
            let mut assembler = Assembler::new(256);
            for mut datagram in all {
                if plausible && datagram.len() >= HEADER_BYTES {
                    datagram[0] = VERSION;
                    datagram[9..12].fill(0);
                }
                if let Ok(Some(message)) = assembler.push(&datagram) {
                    prop_assert!(message.bytes.unwrap().len() <= 256);
                }
            }
        }
    }
}
