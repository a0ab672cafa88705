//! Frames (RFC 9113 sections 4.1 and 6): the header, what its type demands of it, and the payloads that matter.

/// Bytes of a frame header.
pub(super) const HEADER_LEN: usize = 9;

/// What the edge sends first (section 3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// SETTINGS_MAX_FRAME_SIZE before any SETTINGS (section 6.5.2).
pub(super) const DEFAULT_MAX_FRAME_SIZE: u32 = 16_384;

/// A frame type; unknown ones keep their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind(pub(super) u8);

impl Kind {
    pub(super) const DATA: Self = Self(0x0);
    pub(super) const HEADERS: Self = Self(0x1);
    pub(super) const PRIORITY: Self = Self(0x2);
    pub(super) const RST_STREAM: Self = Self(0x3);
    pub(super) const SETTINGS: Self = Self(0x4);
    pub(super) const PUSH_PROMISE: Self = Self(0x5);
    pub(super) const PING: Self = Self(0x6);
    pub(super) const GOAWAY: Self = Self(0x7);
    pub(super) const WINDOW_UPDATE: Self = Self(0x8);
    pub(super) const CONTINUATION: Self = Self(0x9);

    /// True for the types of RFC 9113.
    pub(super) fn known(self) -> bool {
        self.0 <= Self::CONTINUATION.0
    }

    /// True for the types that a registered extension defines (ALTSVC, ORIGIN, PRIORITY_UPDATE).
    fn extension(self) -> bool {
        matches!(self.0, 0xa | 0xc | 0x10)
    }

    /// True where the frame carries a part of a header block.
    pub(super) fn carries_fields(self) -> bool {
        matches!(self, Self::HEADERS | Self::PUSH_PROMISE | Self::CONTINUATION)
    }

    /// True for the types that are about the whole connection: their stream is 0.
    fn of_connection(self) -> bool {
        matches!(self, Self::SETTINGS | Self::PING | Self::GOAWAY)
    }

    /// True for the types that are about one stream: theirs is not 0.
    fn of_stream(self) -> bool {
        self.known() && !self.of_connection() && self != Self::WINDOW_UPDATE
    }
}

/// The first nine bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    /// As on the wire.
    pub(super) raw: [u8; HEADER_LEN],
    /// Bytes of payload.
    pub(super) length: u32,
    pub(super) kind: Kind,
    pub(super) flags: u8,
    /// The stream, without the reserved bit.
    pub(super) stream: u32,
}

impl FrameHeader {
    pub(super) const ACK: u8 = 0x1;
    pub(super) const END_STREAM: u8 = 0x1;
    pub(super) const END_HEADERS: u8 = 0x4;
    pub(super) const PADDED: u8 = 0x8;
    pub(super) const PRIORITY: u8 = 0x20;

    pub(super) fn parse(raw: [u8; HEADER_LEN]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = raw;
        Self {
            raw,
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind: Kind(kind),
            flags,
            stream: u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]),
        }
    }

    pub(super) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// True where the frame is the last of its stream; only DATA and HEADERS can say so.
    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, Kind::DATA | Kind::HEADERS) && self.has(Self::END_STREAM)
    }

    /// True where the type does not allow the length, whatever SETTINGS_MAX_FRAME_SIZE is.
    pub(super) fn has_wrong_size(&self) -> bool {
        match self.kind {
            Kind::PRIORITY => self.length != 5,
            Kind::RST_STREAM | Kind::WINDOW_UPDATE => self.length != 4,
            Kind::SETTINGS if self.has(Self::ACK) => self.length != 0,
            Kind::SETTINGS => !self.length.is_multiple_of(6),
            Kind::PING => self.length != 8,
            Kind::GOAWAY => self.length < 8,
            Kind::DATA => self.length < self.pad_field(),
            Kind::HEADERS => {
                self.length < self.pad_field().saturating_add(if self.has(Self::PRIORITY) { 5 } else { 0 })
            }
            Kind::PUSH_PROMISE => self.length < self.pad_field().saturating_add(4),
            _ => false,
        }
    }

    /// True where a frame of this type may not be on this stream, whatever the stream's state is.
    pub(super) fn on_wrong_stream(&self) -> bool {
        if self.stream == 0 { self.kind.of_stream() } else { self.kind.of_connection() }
    }

    /// True where this can be the first frame of a server that speaks HTTP/2, be it a wrong one.
    pub(super) fn may_begin_http2(&self) -> bool {
        self.length <= DEFAULT_MAX_FRAME_SIZE && (self.kind.known() || self.kind.extension())
    }

    /// True where nothing in the header is unusual: to find the beginning of a frame in the middle of a stream.
    pub(super) fn looks_right(&self) -> bool {
        let flags = match self.kind {
            Kind::DATA => Self::END_STREAM | Self::PADDED,
            Kind::HEADERS => Self::END_STREAM | Self::END_HEADERS | Self::PADDED | Self::PRIORITY,
            Kind::SETTINGS | Kind::PING => Self::ACK,
            Kind::PUSH_PROMISE => Self::END_HEADERS | Self::PADDED,
            Kind::CONTINUATION => Self::END_HEADERS,
            _ => 0,
        };
        let [.., reserved, _, _, _] = self.raw;
        let empty_data = self.kind == Kind::DATA && self.length == 0 && self.flags == 0;
        self.kind.known()
            && self.length <= DEFAULT_MAX_FRAME_SIZE
            && self.flags & !flags == 0
            && reserved & 0x80 == 0
            && !empty_data
            && !self.has_wrong_size()
            && !self.on_wrong_stream()
    }

    fn pad_field(&self) -> u32 {
        u32::from(self.has(Self::PADDED))
    }
}

/// The part of a HEADERS, PUSH_PROMISE or CONTINUATION payload that belongs to the header block, as a range of the
/// payload; none where the padding is longer than the frame. A promised stream stands before it.
pub(super) fn block_fragment(head: &FrameHeader, payload: &[u8]) -> Option<std::ops::Range<usize>> {
    if head.kind == Kind::CONTINUATION {
        return Some(0..payload.len());
    }
    let padded = head.has(FrameHeader::PADDED);
    let padding = if padded { usize::from(*payload.first()?) } else { 0 };
    let fixed = match head.kind {
        Kind::PUSH_PROMISE => 4,
        _ if head.has(FrameHeader::PRIORITY) => 5,
        _ => 0,
    };
    let start = usize::from(padded).saturating_add(fixed);
    let end = (head.length as usize).checked_sub(padding)?;
    (start <= end).then_some(start..end.min(payload.len()))
}

/// The stream that a PUSH_PROMISE promises.
pub(super) fn promised_stream(head: &FrameHeader, payload: &[u8]) -> Option<u32> {
    word(payload, usize::from(head.has(FrameHeader::PADDED))).map(|stream| stream & 0x7fff_ffff)
}

/// The 32-bit number at `at`: an error code, a window increment, a stream.
pub(super) fn word(payload: &[u8], at: usize) -> Option<u32> {
    payload.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(length: u32, kind: Kind, flags: u8, stream: u32) -> FrameHeader {
        let [_, l0, l1, l2] = length.to_be_bytes();
        let [s0, s1, s2, s3] = stream.to_be_bytes();
        FrameHeader::parse([l0, l1, l2, kind.0, flags, s0, s1, s2, s3])
    }

    #[test]
    fn the_reserved_bit_is_no_part_of_the_stream() {
        assert_eq!(header(5, Kind::DATA, 0, 0x8000_0003).stream, 3);
    }

    #[test]
    fn sizes_that_a_type_forbids() {
        let wrong = [
            (4, Kind::PRIORITY, 0),
            (5, Kind::RST_STREAM, 0),
            (3, Kind::WINDOW_UPDATE, 0),
            (5, Kind::SETTINGS, 0),
            (6, Kind::SETTINGS, FrameHeader::ACK),
            (9, Kind::PING, 0),
            (7, Kind::GOAWAY, 0),
            (0, Kind::DATA, FrameHeader::PADDED),
            (5, Kind::HEADERS, FrameHeader::PADDED | FrameHeader::PRIORITY),
            (3, Kind::PUSH_PROMISE, 0),
        ];
        for (length, kind, flags) in wrong {
            assert!(header(length, kind, flags, 1).has_wrong_size(), "{kind:?} of {length}");
        }
        let right =
            [(0, Kind::SETTINGS, 0), (12, Kind::SETTINGS, 0), (80, Kind::GOAWAY, 0), (0, Kind::CONTINUATION, 0)];
        for (length, kind, flags) in right {
            assert!(!header(length, kind, flags, 1).has_wrong_size(), "{kind:?} of {length}");
        }
    }

    #[test]
    fn padding_and_priority_are_no_part_of_the_block() {
        let padded = header(10, Kind::HEADERS, FrameHeader::PADDED | FrameHeader::PRIORITY, 1);
        assert_eq!(block_fragment(&padded, &[2, 0, 0, 0, 0, 9, 0x88, 0x88, 0, 0]), Some(6..8));
        assert_eq!(block_fragment(&padded, &[4, 0, 0, 0, 0, 9, 0, 0, 0, 0]), Some(6..6));
        assert_eq!(block_fragment(&padded, &[5, 0, 0, 0, 0, 9, 0, 0, 0, 0]), None);
        let promise = header(6, Kind::PUSH_PROMISE, 0, 1);
        assert_eq!(block_fragment(&promise, &[0x80, 0, 0, 2, 0x82, 0x84]), Some(4..6));
        assert_eq!(promised_stream(&promise, &[0x80, 0, 0, 2, 0x82, 0x84]), Some(2));
    }

    #[test]
    fn other_protocols_do_not_look_like_frames() {
        for bytes in [b"HTTP/1.1 ", b"SSH-2.0-O", b"\x15\x03\x03\x00\x02\x02\x28\0\0", b"\x4a\0\0\0\x0a5.7."] {
            assert!(!FrameHeader::parse(*bytes).may_begin_http2(), "{}", bytes.escape_ascii());
        }
        assert!(header(6, Kind::SETTINGS, 0, 0).may_begin_http2());
        assert!(header(8, Kind::GOAWAY, 0, 0).may_begin_http2());
    }
}
