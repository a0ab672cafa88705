//! A header block on its way: HEADERS or PUSH_PROMISE and the CONTINUATION frames after it (RFC 9113 section 4.3).

use super::frame::{FrameHeader, Kind, block_fragment};
use super::marked::MarkedBytes;
use super::reader::{Kept, MAX_FIELDS, Reader};
use crate::timeline::Mark;

/// The header block of one direction.
#[derive(Clone)]
pub(super) struct HeaderBlock {
    open: Option<Opening>,
    bytes: MarkedBytes,
    /// True after a hole: the CONTINUATION frames of a block that was missed may come.
    pub(super) missed: bool,
}

/// What the first frame of a block says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Opening {
    pub(super) kind: Kind,
    pub(super) stream: u32,
    pub(super) ends_stream: bool,
    /// First byte of the frame.
    pub(super) start: Mark,
    /// CONTINUATION frames so far.
    pub(super) continuations: u32,
    /// How much of the block is there.
    pub(super) kept: Kept,
}

/// The padding of a frame is longer than the frame.
pub(super) struct PaddingTooLong;

impl HeaderBlock {
    pub(super) fn new() -> Self {
        Self { open: None, bytes: MarkedBytes::default(), missed: false }
    }

    /// The block that waits for CONTINUATION.
    pub(super) fn open(&self) -> Option<Opening> {
        self.open
    }

    /// The bytes of the block that is open, or was completed last.
    pub(super) fn bytes(&self) -> &MarkedBytes {
        &self.bytes
    }

    /// Takes the current frame of `reader`, which is HEADERS, PUSH_PROMISE, or CONTINUATION of the open block.
    /// Returns the block's opening once it is complete.
    pub(super) fn take(&mut self, reader: &Reader) -> Result<Option<Opening>, PaddingTooLong> {
        let head = &reader.head;
        let mut opening = match self.open.take() {
            Some(open) if head.kind == Kind::CONTINUATION => {
                Opening { continuations: open.continuations.saturating_add(1), ..open }
            }
            _ => self.begin(reader),
        };
        let range = block_fragment(head, reader.payload.bytes()).ok_or(PaddingTooLong)?;
        opening.kept = worse(opening.kept, reader.kept);
        let room = MAX_FIELDS.saturating_sub(self.bytes.bytes().len());
        if range.len() > room {
            opening.kept = worse(opening.kept, Kept::Beginning);
        }
        self.bytes.append(&reader.payload, range.start..range.end.min(range.start.saturating_add(room)));
        if head.has(FrameHeader::END_HEADERS) {
            return Ok(Some(opening));
        }
        self.open = Some(opening);
        Ok(None)
    }

    /// Gives up the open block.
    pub(super) fn abandon(&mut self) -> Option<Opening> {
        self.open.take()
    }

    fn begin(&mut self, reader: &Reader) -> Opening {
        self.bytes.clear();
        self.missed = false;
        Opening {
            kind: reader.head.kind,
            stream: reader.head.stream,
            ends_stream: reader.head.ends_stream(),
            start: reader.start,
            continuations: 0,
            kept: Kept::Whole,
        }
    }
}

fn worse(one: Kept, other: Kept) -> Kept {
    match (one, other) {
        (Kept::Holed, _) | (_, Kept::Holed) => Kept::Holed,
        (Kept::Beginning, _) | (_, Kept::Beginning) => Kept::Beginning,
        (Kept::Whole, Kept::Whole) => Kept::Whole,
    }
}
