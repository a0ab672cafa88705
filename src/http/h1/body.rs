//! The body of a message, counted by its framing and not kept.

use super::chunk::{Chunks, Fault};
use crate::timeline::{Framing, Mark};

/// A body that is not complete yet.
#[derive(Clone, Debug)]
pub(super) enum Body {
    /// This many bytes are left.
    Length(u64),
    /// Until the last chunk and its trailers.
    Chunked(Box<Chunks>),
    /// Until the sender closes.
    UntilClose,
}

/// What a body took of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// Bytes that belong to the message.
    pub(super) bytes: usize,
    /// Of them, bytes of the content.
    pub(super) data: usize,
    /// The message is complete.
    pub(super) done: bool,
}

impl Body {
    /// The body of a message with this framing and a head of `head_bytes`; none where no byte of it follows.
    pub(super) fn of(framing: Framing, head_bytes: u64) -> Option<Self> {
        match framing {
            Framing::Length(bytes) if bytes > 0 => Some(Self::Length(bytes)),
            Framing::Chunked => Some(Self::Chunked(Box::new(Chunks::new(head_bytes)))),
            Framing::UntilClose => Some(Self::UntilClose),
            _ => None,
        }
    }

    /// Takes at least one of `bytes`, and tells `broken` each rule that the framing breaks.
    pub(super) fn take(&mut self, bytes: &[u8], start: Mark, broken: &mut impl FnMut(Fault<'_>)) -> Taken {
        match self {
            Self::Length(left) => {
                let taken = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(taken as u64);
                Taken { bytes: taken, data: taken, done: *left == 0 }
            }
            Self::Chunked(chunks) => {
                let step = chunks.step(bytes, start, broken);
                Taken { bytes: step.taken, data: step.data, done: chunks.done() }
            }
            Self::UntilClose => Taken { bytes: bytes.len(), data: bytes.len(), done: false },
        }
    }

    /// Skips bytes that the capture does not hold. Says whether the message is complete with them; none where
    /// its end may lie within them.
    pub(super) fn skip(&mut self, len: u64) -> Option<bool> {
        match self {
            Self::Length(left) => {
                *left = left.checked_sub(len)?;
                Some(*left == 0)
            }
            Self::Chunked(chunks) => chunks.skip(len).then_some(false),
            Self::UntilClose => Some(false),
        }
    }

    /// True where no byte of it says that it is complete: the sender's close does, or nothing since its framing was
    /// lost.
    pub(super) fn is_endless(&self) -> bool {
        matches!(self, Self::UntilClose) || self.lost()
    }

    /// True where chunk framing was lost: what follows cannot be told.
    pub(super) fn lost(&self) -> bool {
        matches!(self, Self::Chunked(chunks) if chunks.broken())
    }
}
