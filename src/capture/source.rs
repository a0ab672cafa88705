//! Where a capture's bytes come from: a file or standard input, in clear or packed.

use std::fs::File;
use std::io::{self, BufReader, Read, Stdin};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use super::ahead::Ahead;
use super::unpack::Zstd;

/// The name that stands for standard input.
pub(super) const STANDARD_INPUT: &str = "-";

/// An opened capture: reads its bytes, unpacked.
pub(super) struct Source {
    bytes: Bytes,
    /// Bytes taken from the file so far.
    taken: Arc<AtomicU64>,
}

enum Bytes {
    /// A pipe: its writer works beside the analysis already.
    Direct(Raw),
    Ahead(Ahead),
}

impl Source {
    /// Opens `path`, or standard input for `-`, and looks at its first bytes to tell whether it is packed.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (handle, is_pipe) = if path == Path::new(STANDARD_INPUT) {
            (Handle::StandardInput(io::stdin()), true)
        } else {
            let file = File::open(path)?;
            let is_pipe = !file.metadata()?.is_file();
            (Handle::File(file), is_pipe)
        };
        let raw = Raw::peek(handle)?;
        let taken = Arc::clone(&raw.taken);
        let bytes = match raw.peeked {
            [0x1f, 0x8b, ..] => Bytes::Ahead(Ahead::new(MultiGzDecoder::new(packed(raw)))),
            ZSTD_MAGIC | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Bytes::Ahead(Ahead::new(Zstd::new(packed(raw)))),
            _ if is_pipe => Bytes::Direct(raw),
            _ => Bytes::Ahead(Ahead::new(raw)),
        };
        Ok(Self { bytes, taken })
    }

    /// The next bytes, where they are read ahead ([`Ahead::next_block`]); none where they have to be read.
    ///
    /// # Errors
    /// What the operating system or the unpacker says.
    pub(super) fn next_block(&mut self) -> io::Result<Option<Vec<u8>>> {
        match &mut self.bytes {
            Bytes::Direct(_) => Ok(None),
            Bytes::Ahead(ahead) => ahead.next_block(),
        }
    }

    /// Gives the memory of a block back.
    pub(super) fn reuse(&mut self, block: Vec<u8>) {
        if let Bytes::Ahead(ahead) = &mut self.bytes {
            ahead.reuse(block);
        }
    }

    /// Reads into `room`.
    ///
    /// # Errors
    /// What the operating system or the unpacker says.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::Direct(raw) => raw.read(room),
            Bytes::Ahead(ahead) => ahead.read(room),
        }
    }

    /// Bytes taken from the file so far, as they are stored.
    pub(super) fn bytes_read(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }
}

/// Stored bytes, of which the first few have been looked at and are handed out again.
pub(super) struct Raw {
    handle: Handle,
    peeked: [u8; 4],
    /// The part of `peeked` that is still to be handed out.
    pending: std::ops::Range<usize>,
    taken: Arc<AtomicU64>,
}

impl Raw {
    fn peek(mut handle: Handle) -> io::Result<Self> {
        let mut peeked = [0; 4];
        let mut len = 0;
        while let Some(rest) = peeked.get_mut(len..).filter(|rest| !rest.is_empty()) {
            match handle.read(rest) {
                Ok(0) => break,
                Ok(n) => len = len.saturating_add(n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { handle, peeked, pending: 0..len, taken: Arc::new(AtomicU64::new(len as u64)) })
    }
}

impl Read for Raw {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.pending.is_empty() {
            let n = self.peeked.get(self.pending.clone()).unwrap_or_default().read(buffer)?;
            self.pending.start = self.pending.start.saturating_add(n);
            return Ok(n);
        }
        let n = self.handle.read(buffer)?;
        self.taken.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

enum Handle {
    File(File),
    StandardInput(Stdin),
}

impl Read for Handle {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::StandardInput(stdin) => stdin.read(buffer),
        }
    }
}

fn packed(raw: Raw) -> BufReader<Raw> {
    BufReader::with_capacity(PACKED_BLOCK, raw)
}

const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Packed bytes are read in blocks of this size.
const PACKED_BLOCK: usize = 128 * 1024;
