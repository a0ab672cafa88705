//! One capture, read record by record.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::Path;

use super::buffer::Buffer;
use super::error::{CaptureError, Damage};
use super::interface::InterfaceDescription;
use super::link_type::LinkType;
use super::pcap::Pcap;
use super::pcapng::Pcapng;
use super::source::Source;
use crate::timeline::Time;

/// A capture file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The classic format of libpcap.
    Pcap,
    /// pcapng (draft-ietf-opsawg-pcapng).
    Pcapng,
}

impl Format {
    /// The stable lower-case word for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcap => "pcap",
            Self::Pcapng => "pcapng",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What comes next in a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// A packet.
    Packet(Header),
    /// TLS key log text.
    Secrets(Range<usize>),
    /// A record without packet data that Wireshark numbers as if it were a packet.
    Numbered,
    /// The regular end.
    End,
}

/// A packet's header, and where its bytes are until the next record is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) time: Time,
    pub(super) link: LinkType,
    pub(super) wire_len: u32,
    pub(super) data: Range<usize>,
}

/// An opened capture.
pub(super) struct Reader {
    buffer: Buffer,
    decoder: Decoder,
}

enum Decoder {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

impl Reader {
    /// Opens `path` (`-` is standard input) and reads its file header.
    ///
    /// # Errors
    /// The file is not there, cannot be read, is empty, or is no capture.
    pub(super) fn open(path: &Path) -> Result<Self, CaptureError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => CaptureError::NotFound { path: path.into() },
            _ => CaptureError::Unreadable { path: path.into(), source },
        };
        let mut buffer = Buffer::new(Source::open(path).map_err(failed)?);
        buffer.fill(HEADER_BYTES).map_err(failed)?;
        let decoder = match magic(&buffer) {
            _ if buffer.available() == 0 => return Err(CaptureError::Empty { path: path.into() }),
            Some(Format::Pcapng) => Decoder::Pcapng(Pcapng::new()),
            Some(Format::Pcap) => match Pcap::open(&mut buffer) {
                Ok(pcap) => Decoder::Pcap(pcap),
                Err(damage) => return Err(CaptureError::Damaged { path: path.into(), damage }),
            },
            None => return Err(CaptureError::NotACapture { path: path.into(), hint: hint(buffer.ahead()) }),
        };
        Ok(Self { buffer, decoder })
    }

    /// The next packet of a pcap file, where the block holds all of it.
    #[inline]
    pub(super) fn take(&mut self) -> Option<Header> {
        match &mut self.decoder {
            Decoder::Pcap(pcap) => pcap.take(&mut self.buffer),
            Decoder::Pcapng(_) => None,
        }
    }

    /// Adds the next packets of a pcap file to `headers`, as far as the block holds all of them, until there are `limit`.
    pub(super) fn take_many(&mut self, headers: &mut Vec<Header>, limit: usize) {
        if let Decoder::Pcap(pcap) = &mut self.decoder {
            pcap.take_many(&mut self.buffer, headers, limit);
        }
    }

    /// The next record.
    ///
    /// # Errors
    /// Why nothing more can be read; it is not to be called again then.
    pub(super) fn next(&mut self) -> Result<Record, Damage> {
        match &mut self.decoder {
            Decoder::Pcap(pcap) => pcap.next(&mut self.buffer),
            Decoder::Pcapng(pcapng) => pcapng.next(&mut self.buffer),
        }
    }

    /// What the places of records count in, until the next record is read.
    #[inline]
    pub(super) fn block(&self) -> &[u8] {
        self.buffer.block()
    }

    pub(super) fn format(&self) -> Format {
        match self.decoder {
            Decoder::Pcap(_) => Format::Pcap,
            Decoder::Pcapng(_) => Format::Pcapng,
        }
    }

    /// Link types that the file has declared so far.
    pub(super) fn link_types(&self) -> &[LinkType] {
        match &self.decoder {
            Decoder::Pcap(pcap) => pcap.link_types(),
            Decoder::Pcapng(pcapng) => pcapng.link_types(),
        }
    }

    /// The interface of the last packet, and its number in the file.
    pub(super) fn last_interface(&self) -> Option<(u32, &InterfaceDescription)> {
        match &self.decoder {
            Decoder::Pcap(pcap) => Some(pcap.last_interface()),
            Decoder::Pcapng(pcapng) => pcapng.last_interface(),
        }
    }

    /// Packets that the kernel or the capturing program dropped, as far as the file says so.
    pub(super) fn dropped(&self) -> u64 {
        match &self.decoder {
            Decoder::Pcap(_) => 0,
            Decoder::Pcapng(pcapng) => pcapng.dropped(),
        }
    }

    /// Bytes taken from the file so far, as they are stored.
    pub(super) fn bytes_read(&self) -> u64 {
        self.buffer.bytes_read()
    }
}

/// The format that the first bytes name.
fn magic(buffer: &Buffer) -> Option<Format> {
    let magic = *buffer.peek::<4>()?;
    if magic == [0x0a, 0x0d, 0x0d, 0x0a] {
        return Some(Format::Pcapng);
    }
    super::pcap::is_magic(magic).then_some(Format::Pcap)
}

/// What a file that is no capture seems to be, and what to do.
fn hint(bytes: &[u8]) -> &'static str {
    match bytes {
        [0xfd, b'7', b'z', b'X', b'Z', ..] => "it is packed with xz, unpack it first with unxz",
        [b'B', b'Z', b'h', ..] => "it is packed with bzip2, unpack it first with bunzip2",
        [0x04, 0x22, 0x4d, 0x18, ..] => "it is packed with lz4, unpack it first with unlz4",
        [b'P', b'K', 3, 4, ..] => "it is a zip archive, unpack it first",
        [b's', b'n', b'o', b'o', b'p', 0, ..] => "it is a snoop file, convert it with editcap -F pcapng",
        _ if bytes.iter().take(HEADER_BYTES).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace()) => {
            "it is text; give the file that tcpdump -w or Wireshark wrote"
        }
        _ => "if Wireshark can open it, convert it with editcap -F pcapng",
    }
}

/// No packet is longer: the largest that Linux hands out (BIG TCP) have 512 KiB, a USB transfer some MiB.
pub(super) const MAX_PACKET_BYTES: usize = 16 * 1024 * 1024;

/// Length of the longer file header, pcap's.
pub(super) const HEADER_BYTES: usize = 24;
