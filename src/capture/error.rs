//! What can be wrong with an input.

use std::io;
use std::path::PathBuf;

use super::LinkType;

/// Why packets cannot be read, or not filtered. Each message is one line: what, where, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// Nothing could be read before the damage.
    #[error("{}: {damage}; no packet could be read: capture again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        damage: Damage,
    },
    /// No byte at all.
    #[error("{}: the file is empty: a running tcpdump writes late, stop it first or start it with -U", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// libpcap refuses the expression.
    #[error("the filter '{expression}' is not valid: {reason}: see pcap-filter(7)")]
    Filter {
        /// The BPF expression.
        expression: String,
        /// What libpcap says.
        reason: String,
    },
    /// libpcap cannot filter packets of this link type, or not by this expression.
    #[error("the filter '{expression}' cannot be used on {link} packets: {reason}: leave the filter out")]
    FilterLink {
        /// The BPF expression.
        expression: String,
        /// The link type.
        link: LinkType,
        /// What libpcap says.
        reason: String,
    },
    /// An interface that is not there, or that this process may not take packets from.
    #[error("{name}: {reason}: `pcap520 live -D` lists the interfaces; taking packets needs root or CAP_NET_RAW")]
    Interface {
        /// The name that was given.
        name: String,
        /// What libpcap says.
        reason: String,
    },
    /// A folder that holds no capture.
    #[error("{}: no file in this folder is a capture (pcap or pcapng, also in gzip or zstd)", path.display())]
    NoCaptures {
        /// The folder.
        path: PathBuf,
    },
    /// A file of another kind.
    #[error("{}: not a capture (pcap or pcapng, also in gzip or zstd): {hint}", path.display())]
    NotACapture {
        /// The file.
        path: PathBuf,
        /// What it seems to be, and what to do.
        hint: &'static str,
    },
    /// No such file.
    #[error("{}: no such file or folder: check the name", path.display())]
    NotFound {
        /// The name that was given.
        path: PathBuf,
    },
    /// No input was named.
    #[error("no capture was named: give a file, a folder, or - for standard input")]
    NothingNamed,
    /// Standard input can be read once only.
    #[error("- (standard input) is named twice: name it once")]
    StandardInputTwice,
    /// The operating system refuses to open or to read it.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Where and why a capture cannot be read any further. What came before it is whole.
///
/// Offsets are in bytes from the start of the capture, unpacked where it is packed; packets count from 1 in their file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Damage {
    /// Not one byte.
    #[error("the file is empty")]
    Empty,
    /// The file header is incomplete.
    #[error("ends inside the file header ({len} bytes)")]
    EndsInsideHeader {
        /// Length of the file.
        len: u64,
    },
    /// The last packet is incomplete.
    #[error("ends inside packet {packet} (offset {offset})")]
    EndsInsidePacket {
        /// The packet.
        packet: u64,
        /// Where it begins.
        offset: u64,
    },
    /// The last pcapng block, one that is no packet, is incomplete.
    #[error("ends inside a block after packet {packets} (offset {offset})")]
    EndsInsideBlock {
        /// Packets before it.
        packets: u64,
        /// Where it begins.
        offset: u64,
    },
    /// A packet that claims more bytes than any link carries.
    #[error(
        "packet {packet} (offset {offset}) claims {len} bytes, more than the {} that a packet may have: damaged from there on",
        super::reader::MAX_PACKET_BYTES
    )]
    TooLong {
        /// The packet.
        packet: u64,
        /// Where it begins.
        offset: u64,
        /// What it claims.
        len: u64,
    },
    /// A pcapng block that breaks the format.
    #[error("the block after packet {packets} (offset {offset}) {reason}: damaged from there on")]
    BadBlock {
        /// Packets before it.
        packets: u64,
        /// Where it begins.
        offset: u64,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// Reading, or unpacking, failed.
    #[error("cannot be read beyond packet {packets} (offset {offset}): {reason}")]
    Unreadable {
        /// Packets before it.
        packets: u64,
        /// Bytes that could be read.
        offset: u64,
        /// What the operating system or the unpacker says.
        reason: String,
    },
}
