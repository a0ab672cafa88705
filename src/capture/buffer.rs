//! The block of memory that a capture is read through.

use std::io;
use std::mem;
use std::ops::Range;

use super::ahead::HEADROOM;
use super::source::Source;

/// A window that moves over the bytes of a capture. Nothing is lost until it is consumed.
///
/// Ranges that [`Buffer::consume`] returns can be looked at in [`Buffer::block`] until the next call of
/// [`Buffer::fill`].
pub(super) struct Buffer {
    source: Source,
    block: Vec<u8>,
    /// First byte of `block` that was not consumed yet.
    start: usize,
    /// End of what was read into `block`.
    end: usize,
    /// Offset in the capture of the byte at `start`.
    offset: u64,
}

impl Buffer {
    pub(super) fn new(source: Source) -> Self {
        Self { source, block: vec![0; FIRST_BLOCK], start: 0, end: 0, offset: 0 }
    }

    /// Offset in the capture of the first byte that was not consumed.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Bytes that were read and not consumed.
    pub(super) fn available(&self) -> usize {
        self.end.saturating_sub(self.start)
    }

    /// Bytes taken from the file so far, as they are stored.
    pub(super) fn bytes_read(&self) -> u64 {
        self.source.bytes_read()
    }

    /// Makes `len` bytes available: true, or false where the capture ends before.
    ///
    /// Memory grows with what arrives, not with what is asked for.
    ///
    /// # Errors
    /// What the operating system or the unpacker says.
    #[inline]
    pub(super) fn fill(&mut self, len: usize) -> io::Result<bool> {
        if self.available() >= len { Ok(true) } else { self.refill(len) }
    }

    /// The next `N` bytes; none where fewer are available.
    #[inline]
    pub(super) fn peek<const N: usize>(&self) -> Option<&[u8; N]> {
        self.ahead().first_chunk()
    }

    /// All bytes that are available.
    #[inline]
    pub(super) fn ahead(&self) -> &[u8] {
        self.block.get(self.start..self.end).unwrap_or_default()
    }

    /// Passes over `len` available bytes and says where they are.
    #[inline]
    pub(super) fn consume(&mut self, len: usize) -> Range<usize> {
        let len = len.min(self.available());
        let from = self.start;
        self.start = self.start.saturating_add(len);
        self.offset = self.offset.saturating_add(len as u64);
        from..self.start
    }

    /// Passes over `len` bytes that need not be available: true, or false where the capture ends before.
    ///
    /// # Errors
    /// What the operating system or the unpacker says.
    pub(super) fn skip(&mut self, mut len: u64) -> io::Result<bool> {
        while len > 0 {
            if !self.fill(1)? {
                return Ok(false);
            }
            let passed = self.consume(usize::try_from(len).unwrap_or(usize::MAX)).len();
            len = len.saturating_sub(passed as u64);
        }
        Ok(true)
    }

    /// What the ranges count in, until the next call of `fill`.
    #[inline]
    pub(super) fn block(&self) -> &[u8] {
        &self.block
    }

    #[cold]
    fn refill(&mut self, len: usize) -> io::Result<bool> {
        while self.available() < len {
            if let Some(block) = self.source.next_block()? {
                if block.len() <= HEADROOM {
                    return Ok(false);
                }
                self.take_over(block);
                continue;
            }
            self.make_room();
            let room = self.block.get_mut(self.end..).unwrap_or_default();
            match self.source.read(room) {
                Ok(0) => return Ok(false),
                Ok(n) => self.end = self.end.saturating_add(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Goes on in a block that was read ahead: what is not consumed is put before its bytes.
    fn take_over(&mut self, mut block: Vec<u8>) {
        let left = self.available();
        if let Some(start) = HEADROOM.checked_sub(left)
            && let Some(room) = block.get_mut(start..HEADROOM)
        {
            room.copy_from_slice(self.ahead());
            (self.start, self.end) = (start, block.len());
            self.source.reuse(mem::replace(&mut self.block, block));
        } else {
            // A packet that is larger than the headroom goes on.
            self.block.truncate(self.end);
            self.block.drain(..self.start);
            self.block.extend_from_slice(block.get(HEADROOM..).unwrap_or_default());
            (self.start, self.end) = (0, self.block.len());
            self.source.reuse(block);
        }
    }

    /// Moves what is not consumed to the front, and enlarges the block where that fills it.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.block.copy_within(self.start..self.end, 0);
            self.end = self.available();
            self.start = 0;
        }
        if self.offset > 0 && self.block.len() < BLOCK {
            self.block.resize(BLOCK, 0);
        } else if self.end == self.block.len() {
            self.block.resize(self.block.len().saturating_mul(2), 0);
        }
    }
}

/// The first read: enough to look at a file's first packet.
const FIRST_BLOCK: usize = 16 * 1024;

/// Every read after the first: larger ones were measured not to be faster.
const BLOCK: usize = 256 * 1024;
