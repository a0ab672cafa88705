//! One direction's bytes, in any split, as frames. DATA is counted as it comes; other payloads are collected within
//! a bound; after a hole the next frame is searched for.

use super::frame::{DEFAULT_MAX_FRAME_SIZE, FrameHeader, HEADER_LEN, Kind, PREFACE};
use super::marked::{Input, MarkedBytes, Run};
use crate::timeline::Mark;

/// What a direction's bytes turn out to be.
pub(super) enum Event {
    /// A frame header is complete.
    Begins,
    /// This much of a DATA frame's data, without padding.
    Content { len: u64, first: Mark },
    /// The padding of a DATA frame is longer than the frame.
    PaddingTooLong,
    /// The frame is complete; its payload is in [`Reader::payload`] where its type is one that is collected.
    Ends,
    /// The first bytes are no HTTP/2. Nothing is read from here on.
    Foreign,
}

/// Takes one direction's stream apart.
#[derive(Clone)]
pub(super) struct Reader {
    state: State,
    /// The header of the frame that came last.
    pub(super) head: FrameHeader,
    /// First byte of that frame.
    pub(super) start: Mark,
    /// Latest byte read.
    pub(super) last: Mark,
    /// Its payload, as far as it is collected: PING and the like, and header blocks up to [`MAX_FIELDS`].
    pub(super) payload: MarkedBytes,
    /// How much of the payload that is.
    pub(super) kept: Kept,
    /// Bytes of the payload that are still to come.
    left: u64,
    /// Bytes among them that are data, not padding.
    content: u64,
    raw: [u8; HEADER_LEN],
    first_frame: bool,
}

/// How much of a payload was collected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// All of it.
    Whole,
    /// As much of its beginning as the bound allows.
    Beginning,
    /// The capture misses bytes of it.
    Holed,
}

#[derive(Clone)]
enum State {
    /// This many bytes of the preface have come.
    Preface(usize),
    /// This many bytes of a frame header have come.
    Header(usize),
    /// The Pad Length of DATA comes.
    PadLength,
    /// Data and then padding of DATA.
    Content,
    /// A payload that is collected.
    Collect,
    /// A payload that nobody needs.
    Skip,
    /// The frame is complete.
    Complete,
    /// Bytes are missing: where does a frame begin?
    Searching(MarkedBytes),
    /// Another protocol.
    Foreign,
}

impl Reader {
    /// The edge's stream: the preface comes first.
    pub(super) fn of_edge() -> Self {
        Self::begin(State::Preface(0))
    }

    /// The origin's stream.
    pub(super) fn of_origin() -> Self {
        Self::begin(State::Header(0))
    }

    fn begin(state: State) -> Self {
        Self {
            state,
            head: FrameHeader::parse([0; HEADER_LEN]),
            start: Mark::default(),
            last: Mark::default(),
            payload: MarkedBytes::default(),
            kept: Kept::Whole,
            left: 0,
            content: 0,
            raw: [0; HEADER_LEN],
            first_frame: true,
        }
    }

    /// The next thing in `input`; none once it is used up.
    pub(super) fn next(&mut self, input: &mut Input<'_>) -> Option<Event> {
        loop {
            let event = match self.state {
                State::Preface(seen) => self.preface(seen, input)?,
                State::Header(seen) => self.header(seen, input)?,
                State::PadLength => self.pad_length(input)?,
                State::Content => self.data(input)?,
                State::Collect | State::Skip => self.other(input)?,
                State::Complete => {
                    self.state = State::Header(0);
                    self.first_frame = false;
                    Some(Event::Ends)
                }
                State::Searching(_) | State::Foreign => return None,
            };
            if event.is_some() {
                return event;
            }
        }
    }

    /// True before the first byte.
    pub(super) fn untouched(&self) -> bool {
        matches!(self.state, State::Preface(0)) || (self.first_frame && matches!(self.state, State::Header(0)))
    }

    /// True while the beginning of a frame is searched for.
    pub(super) fn searching(&self) -> bool {
        matches!(self.state, State::Searching(_))
    }

    /// True where the stream is not HTTP/2.
    pub(super) fn foreign(&self) -> bool {
        matches!(self.state, State::Foreign)
    }

    /// True where the next `len` bytes all belong to the payload of the frame that has begun, so that missing
    /// them does not matter for what follows.
    pub(super) fn inside(&self, len: u64) -> bool {
        matches!(self.state, State::Content | State::Collect | State::Skip) && len <= self.left
    }

    /// A frame that has begun and is not complete, and the bytes of its header.
    pub(super) fn unfinished(&self) -> Option<&FrameHeader> {
        let begun = matches!(self.state, State::PadLength | State::Content | State::Collect | State::Skip);
        begun.then_some(&self.head)
    }

    /// The first bytes of the stream, where they are too few for a frame header and can become none.
    pub(super) fn foreign_beginning(&self) -> Option<&[u8]> {
        let State::Header(seen @ 1..) = self.state else { return None };
        let (seen, _) = self.raw.split_at_checked(seen)?;
        let mut least = [0; HEADER_LEN];
        least.iter_mut().zip(seen).for_each(|(byte, seen)| *byte = *seen);
        (self.first_frame && !FrameHeader::parse(least).may_begin_http2()).then_some(seen)
    }

    /// Bytes are missing and nobody knows where the next frame begins.
    pub(super) fn lose(&mut self) {
        if !self.foreign() {
            self.state = State::Searching(MarkedBytes::default());
            self.first_frame = false;
        }
    }

    /// Looks for a frame in `bytes` and what was held back before. Once [`RESYNC_FRAMES`] frame headers in a row
    /// look right, returns what is to be read from there on.
    pub(super) fn search(&mut self, bytes: &[u8], start: Mark) -> Option<MarkedBytes> {
        let State::Searching(held) = &mut self.state else { return None };
        held.push(bytes, start);
        let (at, chain) = first_chain(held.bytes());
        if at > 0 {
            held.drop_front(at);
        }
        if chain != Chain::Right {
            return None;
        }
        let found = std::mem::take(held);
        self.state = State::Header(0);
        Some(found)
    }

    fn preface(&mut self, seen: usize, input: &mut Input<'_>) -> Option<Option<Event>> {
        let left = PREFACE.get(seen..).unwrap_or_default();
        let run = input.take(left.len() as u64)?;
        self.last = run.last;
        self.state = match seen.saturating_add(run.bytes.len()) {
            _ if !left.starts_with(run.bytes) => State::Foreign,
            seen if seen < PREFACE.len() => State::Preface(seen),
            _ => State::Header(0),
        };
        Some(None)
    }

    fn header(&mut self, seen: usize, input: &mut Input<'_>) -> Option<Option<Event>> {
        let run = input.take(HEADER_LEN.saturating_sub(seen) as u64)?;
        if seen == 0 {
            self.start = run.first;
        }
        self.last = run.last;
        self.raw.iter_mut().skip(seen).zip(run.bytes).for_each(|(byte, came)| *byte = *came);
        let seen = seen.saturating_add(run.bytes.len());
        if seen < HEADER_LEN {
            self.state = State::Header(seen);
            return Some(None);
        }
        self.head = FrameHeader::parse(self.raw);
        if self.first_frame && !self.head.may_begin_http2() {
            self.state = State::Foreign;
            return Some(Some(Event::Foreign));
        }
        self.begin_payload();
        Some(Some(Event::Begins))
    }

    fn begin_payload(&mut self) {
        self.payload.clear();
        self.kept = Kept::Whole;
        self.left = u64::from(self.head.length);
        self.content = self.left;
        self.state = match self.head.kind {
            _ if self.left == 0 => State::Complete,
            Kind::DATA if self.head.has(FrameHeader::PADDED) => State::PadLength,
            Kind::DATA => State::Content,
            kind if kind.known() => State::Collect,
            _ => State::Skip,
        };
    }

    fn pad_length(&mut self, input: &mut Input<'_>) -> Option<Option<Event>> {
        let run = input.take(1)?;
        self.last = run.last;
        self.left = self.left.saturating_sub(1);
        let padding = u64::from(run.bytes.first().copied().unwrap_or_default());
        let content = self.left.checked_sub(padding);
        self.content = content.unwrap_or_default();
        self.state = if self.left == 0 { State::Complete } else { State::Content };
        Some(content.is_none().then_some(Event::PaddingTooLong))
    }

    fn data(&mut self, input: &mut Input<'_>) -> Option<Option<Event>> {
        let run = input.take(if self.content > 0 { self.content } else { self.left })?;
        self.advance(run.len, run.last);
        if self.content == 0 {
            return Some(None);
        }
        self.content = self.content.saturating_sub(run.len);
        Some(Some(Event::Content { len: run.len, first: run.first }))
    }

    fn other(&mut self, input: &mut Input<'_>) -> Option<Option<Event>> {
        let run = input.take(self.left)?;
        if matches!(self.state, State::Collect) {
            self.collect(&run);
        }
        self.advance(run.len, run.last);
        Some(None)
    }

    fn collect(&mut self, run: &Run<'_>) {
        let room = bound(self.head.kind).saturating_sub(self.payload.bytes().len());
        let fits = run.bytes.get(..room).unwrap_or(run.bytes);
        self.payload.push(fits, run.first);
        if run.bytes.is_empty() {
            self.kept = Kept::Holed;
        } else if fits.len() < run.bytes.len() && self.kept == Kept::Whole {
            self.kept = Kept::Beginning;
        }
    }

    fn advance(&mut self, len: u64, last: Mark) {
        self.last = last;
        self.left = self.left.saturating_sub(len);
        if self.left == 0 {
            self.state = State::Complete;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chain {
    Right,
    Wrong,
    TooShort,
}

/// Where the first chain of frame headers begins that is right, or that more bytes may make right.
fn first_chain(bytes: &[u8]) -> (usize, Chain) {
    for at in 0..bytes.len() {
        let chain = chain(bytes.get(at..).unwrap_or_default());
        if chain != Chain::Wrong {
            return (at, chain);
        }
    }
    (bytes.len(), Chain::TooShort)
}

fn chain(mut bytes: &[u8]) -> Chain {
    for _ in 0..RESYNC_FRAMES {
        let Some((raw, rest)) = bytes.split_first_chunk() else { return Chain::TooShort };
        let head = FrameHeader::parse(*raw);
        if !head.looks_right() {
            return Chain::Wrong;
        }
        bytes = rest.get(head.length as usize..).unwrap_or_default();
    }
    Chain::Right
}

/// Bytes of payload that are kept.
fn bound(kind: Kind) -> usize {
    match kind {
        _ if kind.carries_fields() => MAX_FIELDS,
        Kind::SETTINGS => DEFAULT_MAX_FRAME_SIZE as usize,
        _ => MAX_CONTROL,
    }
}

/// Bytes of a header block that are kept: twice the header section that any edge takes.
pub(super) const MAX_FIELDS: usize = 256 * 1024;

/// Bytes of a control frame's payload that are kept: GOAWAY with some of its debug data.
const MAX_CONTROL: usize = 128;

/// Frame headers in a row that must look right before a direction is read again after a hole.
const RESYNC_FRAMES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    /// The events of `bytes` in pieces of `size`, as words.
    fn read(reader: &mut Reader, bytes: &[u8], size: usize) -> String {
        let mut words = Vec::new();
        for (nth, piece) in bytes.chunks(size).enumerate() {
            let start = Mark { offset: (nth * size) as u64, ..Mark::default() };
            let mut input = Input::new(piece, start);
            while let Some(event) = reader.next(&mut input) {
                match event {
                    Event::Begins => words.push(format!("{}@{}", reader.head.kind.0, reader.start.offset)),
                    Event::Content { .. } => {}
                    Event::PaddingTooLong => words.push("padding".into()),
                    Event::Ends => words.push(format!("{:?}-{}", reader.payload.bytes(), reader.last.offset)),
                    Event::Foreign => words.push("foreign".into()),
                }
            }
        }
        words.join(" ")
    }

    #[test]
    fn frames_are_the_same_in_any_split() {
        let bytes = b"\0\0\x00\x04\0\0\0\0\0\0\0\x04\x08\0\0\0\0\0\0\0\0\x09\0\0\x05\x00\x08\0\0\0\x01\x02ab\0\0\0\0\x02\xfa\0\0\0\0\x01zz";
        let expected = "4@0 []-8 8@9 [0, 0, 0, 9]-21 0@22 []-35 250@36 []-46";
        for size in 1..=bytes.len() {
            assert_eq!(read(&mut Reader::of_origin(), bytes, size), expected, "pieces of {size}");
        }
    }

    #[test]
    fn padding_is_no_content() {
        let mut reader = Reader::of_origin();
        let mut input = Input::new(b"\0\0\x05\x00\x08\0\0\0\x01\x02ab\0\0", Mark::default());
        let mut content = 0;
        while let Some(event) = reader.next(&mut input) {
            if let Event::Content { len, .. } = event {
                content += len;
            }
        }
        assert_eq!(content, 2);
        assert!(read(&mut Reader::of_origin(), b"\0\0\x02\x00\x08\0\0\0\x01\x02a", 3).contains("padding"));
    }

    #[test]
    fn the_preface_comes_before_the_edges_frames() {
        let hello = [PREFACE.as_slice(), b"\0\0\0\x04\0\0\0\0\0"].concat();
        assert_eq!(read(&mut Reader::of_edge(), &hello, 5), "4@24 []-32");
        let mut reader = Reader::of_edge();
        assert_eq!(read(&mut reader, b"GET / HTTP/1.1\r\n", 5), "");
        assert!(reader.foreign());
    }

    #[test]
    fn too_few_bytes_can_be_told_from_http2() {
        for (bytes, foreign) in [(&b"HTTP"[..], true), (b"\x15\x03\x03\0\x02\x02\x28", true), (b"\0\0\x12", false)] {
            let mut reader = Reader::of_origin();
            assert_eq!(read(&mut reader, bytes, 3), "");
            assert_eq!(reader.foreign_beginning(), foreign.then_some(bytes));
        }
    }

    #[test]
    fn after_a_hole_three_frames_in_a_row_are_trusted() {
        let ping = b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0";
        let mut bytes = b"rest of something\0\0\x04\x08\0\0\0\0\0".to_vec();
        let begin = bytes.len();
        bytes.extend(ping.repeat(3));
        for size in 1..bytes.len() {
            let mut reader = Reader::of_origin();
            reader.lose();
            let mut found = None;
            for (nth, piece) in bytes.chunks(size).enumerate() {
                let start = Mark { offset: (nth * size) as u64, ..Mark::default() };
                found = found.or_else(|| reader.search(piece, start));
            }
            assert_eq!(found.map(|held| held.mark(0).offset), Some(begin as u64), "pieces of {size}");
        }
    }
}
