//! Facts of an HTTP/2 connection (RFC 9113) that belong to no single exchange.

use std::fmt;

use super::{ByPeer, Deviation, Mark, PacketRef, Peer, Spoken};

/// What happened on an HTTP/2 connection as a whole.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct H2 {
    /// Frames that began, by their type (RFC 9113 section 6): DATA is 0, CONTINUATION 9.
    pub frames: ByPeer<[u64; 10]>,
    /// GOAWAY frames (RFC 9113 section 6.8).
    pub goaways: Vec<GoAway>,
    /// RST_STREAM frames (RFC 9113 section 6.4).
    pub resets: Vec<StreamReset>,
    /// Connection errors that the origin committed: rules broken outside of one response.
    pub deviations: Vec<Deviation>,
    /// The origin's first bytes where they are not HTTP/2.
    pub spoken_instead: Option<NotH2>,
    /// The capture began inside the connection: HPACK's table is not known.
    pub joined_late: bool,
    /// Observed flood patterns: RST_STREAM by the edge before any response, empty frames, SETTINGS, PING.
    pub flood: Option<String>,
    /// Exchanges that failed or were cancelled and are no longer kept, because there were too many of them.
    pub given_up: u64,
}

/// The origin's first bytes on a connection on which HTTP/2 was due.
#[derive(Clone, Debug, PartialEq)]
pub struct NotH2 {
    /// The first byte.
    pub at: Mark,
    /// What they look like.
    pub spoken: Spoken,
    /// The first bytes, at most 64.
    pub preview: Vec<u8>,
}

/// A GOAWAY frame.
#[derive(Clone, Debug, PartialEq)]
pub struct GoAway {
    /// The packet.
    pub packet: PacketRef,
    /// Who sent it.
    pub from: Peer,
    /// Highest stream that the sender will still process.
    pub last_stream: u32,
    /// Why.
    pub error: H2Error,
    /// Debug data, cut at 64 bytes.
    pub debug: String,
}

/// A RST_STREAM frame.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamReset {
    /// The packet.
    pub packet: PacketRef,
    /// Who sent it.
    pub from: Peer,
    /// The stream.
    pub stream: u32,
    /// Why.
    pub error: H2Error,
    /// True where the response was complete before.
    pub after_response: bool,
}

/// An HTTP/2 error code (RFC 9113 section 7); unknown ones keep their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct H2Error(pub u32);

impl H2Error {
    /// No error: a graceful end.
    pub const NO_ERROR: Self = Self(0x0);
    /// The stream is no longer wanted.
    pub const CANCEL: Self = Self(0x8);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// A frame came on a stream that had ended (section 5.1).
    pub const STREAM_CLOSED: Self = Self(0x5);

    /// Name as in RFC 9113 section 7.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0x0 => "NO_ERROR",
            0x1 => "PROTOCOL_ERROR",
            0x2 => "INTERNAL_ERROR",
            0x3 => "FLOW_CONTROL_ERROR",
            0x4 => "SETTINGS_TIMEOUT",
            0x5 => "STREAM_CLOSED",
            0x6 => "FRAME_SIZE_ERROR",
            0x7 => "REFUSED_STREAM",
            0x8 => "CANCEL",
            0x9 => "COMPRESSION_ERROR",
            0xa => "CONNECT_ERROR",
            0xb => "ENHANCE_YOUR_CALM",
            0xc => "INADEQUATE_SECURITY",
            0xd => "HTTP_1_1_REQUIRED",
            _ => "unknown error",
        }
    }

    /// True for the codes by which a peer says that the other one broke the protocol.
    #[must_use]
    pub fn blames_peer(self) -> bool {
        matches!(self.0, 0x1 | 0x3 | 0x4 | 0x5 | 0x6 | 0x9)
    }
}

impl fmt::Display for H2Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:#x})", self.name(), self.0)
    }
}
