//! Records (RFC 8446 section 5.1, RFC 5246 section 6.2.1): cuts the stream of one peer into records.

use crate::timeline::{CutRecord, Mark, PacketRef, Peer};

/// The stream of one peer, cut into records. A body is kept only where somebody reads it.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    state: State,
    /// The header that is being collected, or in `Search` the window that slides over the stream.
    header: [u8; HEADER_LEN],
    have: usize,
    begins: Mark,
    body: Vec<u8>,
    interest: Interest,
    /// The version of the last record: a header that is found again must have the same.
    version: Option<u16>,
    skipped: u64,
    /// A gap was met: what follows may be the rest of anything.
    torn: bool,
    /// Where something began that is no record, behind one.
    foreign: Option<Foreign>,
}

/// The first bytes of what is no record, where one was due.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Foreign {
    pub(super) at: Mark,
    pub(super) bytes: [u8; HEADER_LEN],
}

/// What the next bytes belong to.
#[derive(Clone, Debug, Default)]
enum State {
    /// The very first header of the stream.
    #[default]
    Start,
    /// A header, behind a record.
    Header,
    /// The body of a record.
    Body(Open),
    /// Anything, until it looks like a header.
    Search,
    /// Another protocol, whose first bytes are collected.
    Foreign,
    /// Another protocol, whose first bytes were told.
    Told,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    header: Header,
    left: u32,
    body: Body,
}

/// What is known of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) header: Header,
    /// The first byte of its header.
    pub(super) start: Mark,
    /// Its last byte.
    pub(super) end: Mark,
    pub(super) body: Body,
    /// Bytes before it that could not be understood, after a gap.
    pub(super) skipped: u64,
}

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) kind: ContentType,
    pub(super) version: u16,
    pub(super) len: u32,
}

/// `ContentType`, and the hello messages of SSL 2.0, which have a record format of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ContentType {
    ChangeCipherSpec,
    Alert,
    Handshake,
    ApplicationData,
    Heartbeat,
    Ssl2,
}

/// What became of a record's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// In the buffer.
    Kept,
    /// Of no interest.
    Skipped,
    /// The capture misses bytes of it.
    Damaged,
}

/// Which bodies somebody reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Interest {
    #[default]
    Everything,
    /// All but application data, which nobody can decrypt.
    NoApplicationData,
}

/// What the stream gave.
#[derive(Debug, PartialEq)]
pub(super) enum Found {
    Record(Record),
    /// The stream began with something else, whose first bytes are in the buffer.
    NotTls(Mark),
}

/// What a gap did to the stream.
#[derive(Debug, PartialEq)]
pub(super) struct Torn {
    /// What the gap completed.
    pub(super) found: Option<Found>,
    /// Bytes of unknown records that are missing.
    pub(super) lost: u64,
}

/// Bytes of a stream that were not taken yet.
pub(super) struct Input<'a> {
    bytes: &'a [u8],
    at: Mark,
}

impl<'a> Input<'a> {
    pub(super) fn new(bytes: &'a [u8], at: Mark) -> Self {
        Self { bytes, at }
    }

    fn take(&mut self, most: usize) -> &'a [u8] {
        let (taken, rest) = self.bytes.split_at(most.min(self.bytes.len()));
        self.bytes = rest;
        self.at.offset = self.at.offset.saturating_add(taken.len() as u64);
        taken
    }
}

impl Header {
    /// The header, where type, version and length are such that a record can begin so.
    pub(super) fn parse(bytes: [u8; HEADER_LEN]) -> Option<Self> {
        let [kind, major, minor, high, low] = bytes;
        let len = u16::from_be_bytes([high, low]);
        let plausible = major == 3 && minor <= 4 && len <= MAX_RECORD;
        let kind = ContentType::of(kind).filter(|_| plausible)?;
        Some(Self { kind, version: u16::from_be_bytes([major, minor]), len: u32::from(len) })
    }

    /// The header as it stands in the stream.
    pub(super) fn bytes(self) -> [u8; HEADER_LEN] {
        let [major, minor] = self.version.to_be_bytes();
        let [.., high, low] = self.len.to_be_bytes();
        [self.kind.number(), major, minor, high, low]
    }

    /// True where bytes that begin so can still become a header.
    pub(super) fn may_begin(bytes: &[u8]) -> bool {
        let mut whole = [HANDSHAKE, 3, 1, 0, 1];
        whole.iter_mut().zip(bytes).for_each(|(place, &byte)| *place = byte);
        Self::parse(whole).is_some()
    }

    /// The header of a hello in the record format of SSL 2.0 (RFC 5246 appendix E.2): two bytes of length with
    /// the highest bit set, the type of the message (1: client, 4: server), then the client's version or the
    /// server's "session id hit".
    pub(super) fn parse_ssl2(bytes: [u8; HEADER_LEN]) -> Option<Self> {
        let [high, low, kind, fourth, fifth] = bytes;
        let client = kind == 1 && matches!((fourth, fifth), (0, 2) | (3, 0..=4));
        let server = kind == 4 && fourth <= 1 && fifth <= 3;
        let len = u16::from_be_bytes([high & 0x7f, low]);
        let plausible = high & 0x80 != 0 && (client || server) && len >= SSL2_LEAST;
        plausible.then_some(Self { kind: ContentType::Ssl2, version: 2, len: u32::from(len) })
    }

    /// True where bytes of `from` that begin so can still become the header of such a hello.
    pub(super) fn may_begin_ssl2(from: Peer, bytes: &[u8]) -> bool {
        let kind = match from {
            Peer::Edge => 1,
            Peer::Origin => 4,
        };
        let mut bytes = bytes.iter();
        bytes.next().is_none_or(|high| high & 0x80 != 0) && bytes.nth(1).is_none_or(|&byte| byte == kind)
    }
}

impl ContentType {
    pub(super) fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            20 => Self::ChangeCipherSpec,
            21 => Self::Alert,
            HANDSHAKE => Self::Handshake,
            23 => Self::ApplicationData,
            24 => Self::Heartbeat,
            _ => return None,
        })
    }

    /// The number of the type; those that TLS gives no number have 0.
    fn number(self) -> u8 {
        match self {
            Self::Ssl2 => 0,
            Self::ChangeCipherSpec => 20,
            Self::Alert => 21,
            Self::Handshake => HANDSHAKE,
            Self::ApplicationData => 23,
            Self::Heartbeat => 24,
        }
    }
}

impl Records {
    /// Takes from `input` what belongs to the next record; none once `input` is used up.
    pub(super) fn next(&mut self, input: &mut Input<'_>) -> Option<Found> {
        loop {
            let found = match self.state {
                State::Start | State::Header => self.header(input)?,
                State::Body(open) => Some(Found::Record(self.body(open, input)?)),
                State::Search => self.search(input)?,
                State::Foreign => Some(self.foreign(input)?),
                State::Told => return None,
            };
            if found.is_some() {
                return found;
            }
        }
    }

    /// The body of the record that was found last, or the first bytes of what is no record.
    pub(super) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// True where the next body would need a new buffer.
    pub(super) fn needs_buffer(&self) -> bool {
        self.body.capacity() == 0
    }

    /// Lends an empty buffer for the next body.
    pub(super) fn lend(&mut self, buffer: Vec<u8>) {
        self.body = buffer;
    }

    /// The buffer, where no record is begun.
    pub(super) fn unused_buffer(&mut self) -> Option<Vec<u8>> {
        let unused = self.body.is_empty() && self.body.capacity() > 0;
        unused.then(|| std::mem::take(&mut self.body))
    }

    pub(super) fn set_interest(&mut self, interest: Interest) {
        self.interest = interest;
    }

    /// The capture does not hold the next `len` bytes.
    pub(super) fn gap(&mut self, len: u64, at: Mark) -> Torn {
        self.torn = true;
        match self.state {
            State::Body(open) => self.tear(open, len, at),
            State::Foreign => Torn { found: self.end(), lost: 0 },
            State::Told => Torn { found: None, lost: 0 },
            State::Start | State::Header | State::Search => {
                let dropped = self.have as u64;
                self.search_from_here();
                Torn { found: None, lost: len.saturating_add(dropped) }
            }
        }
    }

    /// What came where a record was due, in a stream of which the capture misses nothing.
    pub(super) fn foreign_bytes(&self) -> Option<Foreign> {
        self.foreign
    }

    /// The record of application data that is begun and not complete, as long as the capture holds all of it.
    pub(super) fn open_record(&self) -> Option<CutRecord> {
        let State::Body(Open { header, left, body }) = self.state else { return None };
        let whole = header.kind == ContentType::ApplicationData && body != Body::Damaged && self.skipped == 0;
        let came = header.len.saturating_sub(left);
        whole.then_some(CutRecord { start: self.begins, announced: header.len, came })
    }

    /// Nothing follows: what began as another protocol is complete.
    pub(super) fn end(&mut self) -> Option<Found> {
        let begun = self.header.get(..self.have).unwrap_or_default();
        match self.state {
            State::Start if !begun.is_empty() && !Header::may_begin(begun) => self.body = begun.to_vec(),
            State::Foreign => {}
            _ => return None,
        }
        self.state = State::Told;
        Some(Found::NotTls(self.begins))
    }

    /// Outer none: the input is used up. Inner none: the state has changed.
    fn header(&mut self, input: &mut Input<'_>) -> Option<Option<Found>> {
        if self.have == 0 {
            self.begins = input.at;
        }
        for &byte in input.take(HEADER_LEN.saturating_sub(self.have)) {
            self.push_header(byte);
        }
        if self.have < HEADER_LEN {
            return None;
        }
        let first = matches!(self.state, State::Start);
        if let Some(header) = Header::parse(self.header) {
            return Some(self.open(header, input));
        }
        if let Some(header) = Header::parse_ssl2(self.header).filter(|_| first) {
            return Some(self.open_ssl2(header));
        }
        if first {
            self.body = self.header.to_vec();
            self.state = State::Foreign;
        } else {
            let foreign = Foreign { at: self.begins, bytes: self.header };
            self.foreign = self.foreign.or((!self.torn).then_some(foreign));
            self.state = State::Search;
        }
        Some(None)
    }

    fn push_header(&mut self, byte: u8) {
        if let Some(place) = self.header.get_mut(self.have) {
            *place = byte;
            self.have = self.have.saturating_add(1);
        }
    }

    fn open(&mut self, header: Header, input: &Input<'_>) -> Option<Found> {
        let unread = self.interest == Interest::NoApplicationData && header.kind == ContentType::ApplicationData;
        let body = if unread { Body::Skipped } else { Body::Kept };
        self.version = Some(header.version);
        self.body.clear();
        let open = Open { header, left: header.len, body };
        if header.len == 0 {
            let last = Mark { packet: input.at.packet, offset: input.at.offset.saturating_sub(1) };
            return Some(Found::Record(self.close(open, last)));
        }
        self.state = State::Body(open);
        None
    }

    /// Three of the five bytes collected belong to the body already.
    fn open_ssl2(&mut self, header: Header) -> Option<Found> {
        self.body = self.header.get(SSL2_HEADER_LEN..).unwrap_or_default().to_vec();
        let left = header.len.saturating_sub(self.body.len() as u32);
        self.state = State::Body(Open { header, left, body: Body::Kept });
        None
    }

    fn body(&mut self, mut open: Open, input: &mut Input<'_>) -> Option<Record> {
        let bytes = input.take(open.left as usize);
        open.left = open.left.saturating_sub(bytes.len() as u32);
        if open.body == Body::Kept {
            self.body.extend_from_slice(bytes);
        }
        if open.left > 0 {
            self.state = State::Body(open);
            return None;
        }
        let last = Mark { packet: input.at.packet, offset: input.at.offset.saturating_sub(1) };
        Some(self.close(open, last))
    }

    fn close(&mut self, open: Open, end: Mark) -> Record {
        self.state = State::Header;
        self.have = 0;
        let skipped = std::mem::take(&mut self.skipped);
        Record { header: open.header, start: self.begins, end, body: open.body, skipped }
    }

    /// A gap inside a body: the record's length is known, its contents are not.
    fn tear(&mut self, mut open: Open, len: u64, at: Mark) -> Torn {
        if len == 0 {
            return Torn { found: None, lost: 0 };
        }
        open.body = Body::Damaged;
        self.body.clear();
        let left = u64::from(open.left);
        if let Some(rest) = left.checked_sub(len).filter(|&rest| rest > 0) {
            open.left = u32::try_from(rest).unwrap_or(open.left);
            self.state = State::Body(open);
            return Torn { found: None, lost: 0 };
        }
        let end = Mark { packet: at.packet, offset: at.offset.saturating_add(left).saturating_sub(1) };
        let record = self.close(open, end);
        let lost = len.saturating_sub(left);
        if lost > 0 {
            self.search_from_here();
        }
        Torn { found: Some(Found::Record(record)), lost }
    }

    fn search_from_here(&mut self) {
        self.state = State::Search;
        self.have = 0;
    }

    /// Slides a window over the stream until it holds a header.
    fn search(&mut self, input: &mut Input<'_>) -> Option<Option<Found>> {
        loop {
            if self.have == HEADER_LEN {
                if let Some(header) = self.known_again() {
                    let back = HEADER_LEN as u64;
                    self.begins = Mark { packet: input.at.packet, offset: input.at.offset.saturating_sub(back) };
                    return Some(self.open(header, input));
                }
                self.header.rotate_left(1);
                self.have = HEADER_LEN.saturating_sub(1);
                self.skipped = self.skipped.saturating_add(1);
            }
            let &byte = input.take(1).first()?;
            self.push_header(byte);
        }
    }

    fn known_again(&self) -> Option<Header> {
        let header = Header::parse(self.header)?;
        let same = self.version.is_none_or(|version| version == header.version);
        let kept = header.kind != ContentType::Heartbeat && header.len > 0;
        (same && kept).then_some(header)
    }

    fn foreign(&mut self, input: &mut Input<'_>) -> Option<Found> {
        self.body.extend_from_slice(input.take(PREVIEW_LEN.saturating_sub(self.body.len())));
        if self.body.len() < PREVIEW_LEN {
            return None;
        }
        self.state = State::Told;
        Some(Found::NotTls(self.begins))
    }
}

/// The packet that completed a record.
impl Record {
    pub(super) fn packet(&self) -> PacketRef {
        self.end.packet
    }
}

/// Bytes of a record's header.
pub(super) const HEADER_LEN: usize = 5;
/// Most bytes of a record's body: 2^14 and the expansion that TLS 1.2 allows (RFC 5246 section 6.2.3).
pub(super) const MAX_RECORD: u16 = 16_384 + 2_048;
/// Bytes kept of a stream that is no TLS.
pub(super) const PREVIEW_LEN: usize = 64;
const HANDSHAKE: u8 = 22;
const SSL2_HEADER_LEN: usize = 2;
/// Bytes of an SSL 2.0 hello before its variable parts.
const SSL2_LEAST: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::Time;

    fn mark(packet: u64, offset: u64) -> Mark {
        Mark { packet: PacketRef { number: packet, time: Time(0) }, offset }
    }

    fn all(records: &mut Records, bytes: &[u8], at: Mark) -> Vec<(Found, Vec<u8>)> {
        let mut input = Input::new(bytes, at);
        let mut found = Vec::new();
        while let Some(one) = records.next(&mut input) {
            found.push((one, records.take_body()));
        }
        found
    }

    fn kinds(found: &[(Found, Vec<u8>)]) -> Vec<(ContentType, u64, usize)> {
        let record = |(found, body): &(Found, Vec<u8>)| match found {
            Found::Record(record) => Some((record.header.kind, record.start.offset, body.len())),
            Found::NotTls(_) => None,
        };
        found.iter().filter_map(record).collect()
    }

    const TWO: [u8; 15] = [22, 3, 1, 0, 3, 1, 2, 3, 21, 3, 3, 0, 2, 2, 40];

    #[test]
    fn records_are_found_whole_and_byte_by_byte() {
        let whole = all(&mut Records::default(), &TWO, mark(1, 0));
        assert_eq!(kinds(&whole), [(ContentType::Handshake, 0, 3), (ContentType::Alert, 8, 2)]);
        let mut records = Records::default();
        let mut single = Vec::new();
        for (offset, byte) in TWO.iter().enumerate() {
            single.extend(all(&mut records, &[*byte], mark(1, offset as u64)));
        }
        assert_eq!(single, whole);
    }

    #[test]
    fn a_record_carries_the_packets_of_its_first_and_last_byte() {
        let mut records = Records::default();
        assert!(all(&mut records, &TWO[..6], mark(4, 100)).is_empty());
        let found = all(&mut records, &TWO[6..], mark(5, 106));
        let Some((Found::Record(record), _)) = found.first() else { panic!("no record") };
        assert_eq!((record.start, record.end), (mark(4, 100), mark(5, 107)));
    }

    #[test]
    fn a_body_of_no_interest_is_not_kept() {
        let mut records = Records::default();
        records.set_interest(Interest::NoApplicationData);
        let found = all(&mut records, &[23, 3, 3, 0, 2, 9, 9, 21, 3, 3, 0, 2, 1, 0], mark(1, 0));
        assert_eq!(kinds(&found), [(ContentType::ApplicationData, 0, 0), (ContentType::Alert, 7, 2)]);
    }

    #[test]
    fn a_first_byte_of_another_protocol_is_told_with_its_preview() {
        let text = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\nmore";
        let found = all(&mut Records::default(), text, mark(1, 0));
        assert_eq!(found, [(Found::NotTls(mark(1, 0)), text[..PREVIEW_LEN].to_vec())]);
    }

    #[test]
    fn a_short_stream_of_another_protocol_is_told_at_its_end() {
        let mut records = Records::default();
        assert!(all(&mut records, b"no", mark(7, 0)).is_empty());
        assert_eq!(records.end(), Some(Found::NotTls(mark(7, 0))));
        assert_eq!(records.take_body(), b"no");
        assert_eq!(records.end(), None);
    }

    #[test]
    fn a_cut_header_is_not_another_protocol() {
        let mut records = Records::default();
        assert!(all(&mut records, &[22, 3], mark(1, 0)).is_empty());
        assert_eq!(records.end(), None);
    }

    #[test]
    fn a_gap_inside_a_body_damages_one_record_only() {
        let mut records = Records::default();
        assert!(all(&mut records, &[23, 3, 3, 0, 10, 1, 2], mark(1, 0)).is_empty());
        assert_eq!(records.gap(5, mark(2, 7)), Torn { found: None, lost: 0 });
        let found = all(&mut records, &[8, 9, 10, 21, 3, 3, 0, 2, 1, 0], mark(3, 12));
        let bodies: Vec<Body> = found
            .iter()
            .filter_map(|(found, _)| if let Found::Record(record) = found { Some(record.body) } else { None })
            .collect();
        assert_eq!(bodies, [Body::Damaged, Body::Kept]);
    }

    #[test]
    fn a_gap_beyond_a_body_is_followed_by_a_search() {
        let mut records = Records::default();
        assert!(all(&mut records, &[23, 3, 3, 0, 10, 1, 2], mark(1, 0)).is_empty());
        let torn = records.gap(100, mark(2, 7));
        assert!(matches!(torn, Torn { found: Some(Found::Record(Record { body: Body::Damaged, .. })), lost: 92 }));
        let found = all(&mut records, &[0, 23, 3, 1, 0, 2, 23, 3, 3, 0, 1, 7], mark(3, 107));
        let Some((Found::Record(record), _)) = found.first() else { panic!("no record") };
        assert_eq!((record.start.offset, record.skipped), (113, 6));
    }

    #[test]
    fn an_impossible_length_is_no_header() {
        assert!(Header::parse([23, 3, 3, 0x48, 0]).is_some());
        assert!(Header::parse([23, 3, 3, 0x48, 1]).is_none());
    }

    #[test]
    fn a_hello_of_ssl_2_is_one_record() {
        let mut hello = vec![0x80, 0x0c, 1, 3, 1, 0, 3, 0, 0, 0, 0, 0, 0, 5];
        hello.extend(TWO);
        let found = all(&mut Records::default(), &hello, mark(1, 0));
        assert_eq!(kinds(&found)[0], (ContentType::Ssl2, 0, 12));
        assert_eq!(kinds(&found)[1].0, ContentType::Handshake);
    }
}
