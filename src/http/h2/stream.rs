//! The streams that are open, and what is remembered of the others (RFC 9113 section 5.1).

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use super::flow::Window;
use crate::timeline::{ByPeer, Deviation, Peer};

/// A stream that the edge opened and that is not closed.
#[derive(Clone)]
pub(super) struct Stream {
    /// The edge has sent END_STREAM.
    pub(super) request_ended: bool,
    pub(super) method: Method,
    pub(super) response: Phase,
    pub(super) content: Content,
    /// What the origin may send on it.
    pub(super) window: Window,
}

impl Stream {
    /// A stream that the edge has just opened.
    pub(super) fn new(method: Method, request_ended: bool) -> Self {
        Self { request_ended, method, response: Phase::Head, content: Content::Any, window: Window::default() }
    }

    pub(super) fn response_ended(&self) -> bool {
        self.response == Phase::Ended
    }
}

impl Method {
    /// The method with this name; unknown where that is empty.
    pub(super) fn of(name: &str) -> Self {
        match name {
            "" => Self::Unknown,
            "HEAD" => Self::Head,
            "CONNECT" => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What a request's method says about the content of its response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// HEAD: no content.
    Head,
    /// CONNECT: a tunnel.
    Connect,
    /// Any other.
    Other,
    /// Not seen.
    Unknown,
}

/// How far the origin has come with a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The final response's HEADERS are to come.
    Head,
    /// DATA or trailers are to come.
    Body,
    /// END_STREAM was sent.
    Ended,
    /// Not known, because the capture misses bytes.
    Unclear,
}

/// What DATA a response may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// As much as its content-length says.
    Length(u64),
    /// Nothing.
    None,
    /// Anything, or it is not known.
    Any,
}

/// Where a stream stands when a frame of the origin names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// The edge opened it.
    Open,
    /// The origin may not send anything on it any more: it ended or reset it.
    Finished,
    /// Closed by the edge, promised by the origin, or forgotten: nothing to judge.
    Indifferent,
    /// Never opened by the edge, never promised by the origin.
    Idle,
}

/// Why a stream is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// By END_STREAM of both, or RST_STREAM of the origin.
    Finished,
    /// By RST_STREAM of the edge: frames of the origin may have been on their way.
    ResetByEdge,
}

/// All streams of a connection.
#[derive(Clone)]
pub(super) struct Streams {
    open: BTreeMap<u32, Stream>,
    closed: VecDeque<(u32, Closed)>,
    /// Highest stream that the edge opened.
    pub(super) highest: u32,
    /// Highest stream that the origin promised.
    pub(super) promised: u32,
    /// False where the capture may have missed that the peer opened or promised a stream.
    pub(super) all_seen: ByPeer<bool>,
    /// Frames of the origin on streams that the edge has not opened yet. A capture can show an answer before its
    /// question, so these are judged at the end.
    pub(super) early: Vec<(u32, Deviation)>,
}

impl Streams {
    pub(super) fn new() -> Self {
        Self {
            open: BTreeMap::new(),
            closed: VecDeque::new(),
            highest: 0,
            promised: 0,
            all_seen: ByPeer { edge: true, origin: true },
            early: Vec::new(),
        }
    }

    pub(super) fn standing(&self, id: u32) -> Standing {
        if self.is_open(id) {
            return Standing::Open;
        }
        let (last, all_seen) = match id.is_multiple_of(2) {
            true => (self.promised, self.all_seen.origin),
            false => (self.highest, self.all_seen.edge),
        };
        match self.closed.iter().find(|(closed, _)| *closed == id) {
            Some((_, Closed::Finished)) => Standing::Finished,
            None if id > last && all_seen => Standing::Idle,
            _ => Standing::Indifferent,
        }
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    /// True where the stream is open.
    pub(super) fn is_open(&self, id: u32) -> bool {
        self.open.contains_key(&id)
    }

    /// The open streams, the oldest first.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.open.keys().copied()
    }

    /// True where the edge may open this stream: it is new.
    pub(super) fn is_new(&self, id: u32) -> bool {
        id % 2 == 1 && id > self.highest
    }

    /// The edge opens a stream. Returns the one that has to be forgotten, where too many are open.
    pub(super) fn open(&mut self, id: u32, stream: Stream) -> Option<u32> {
        self.highest = self.highest.max(id);
        self.open.insert(id, stream);
        if self.open.len() <= MAX_STREAMS {
            return None;
        }
        self.open.pop_first().map(|(oldest, _)| oldest)
    }

    /// The stream is over.
    pub(super) fn close(&mut self, id: u32, how: Closed) -> Option<Stream> {
        let stream = self.open.remove(&id)?;
        if self.closed.len() == MAX_CLOSED {
            self.closed.pop_front();
        }
        self.closed.push_back((id, how));
        Some(stream)
    }

    /// Every open stream, which are closed with that.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = (u32, Stream)> + use<> {
        std::mem::take(&mut self.open).into_iter()
    }

    /// Bytes of `from` were missed, and with them perhaps the beginning or the end of streams.
    pub(super) fn lose(&mut self, from: Peer) {
        self.all_seen[from] = false;
        if from == Peer::Origin {
            self.doubt_after(0).for_each(drop);
        }
    }

    /// Frames of the origin may have been missed on the open streams above `id`: the streams.
    pub(super) fn doubt_after(&mut self, id: u32) -> impl Iterator<Item = u32> {
        let above = (Bound::Excluded(id), Bound::Unbounded);
        self.open.range_mut(above).map(|(&id, stream)| {
            stream.response = Phase::Unclear;
            stream.content = Content::Any;
            id
        })
    }

    /// Remembers a frame on a stream that is not open yet.
    pub(super) fn remember_early(&mut self, id: u32, deviation: Deviation) {
        if self.early.len() < MAX_EARLY {
            self.early.push((id, deviation));
        }
    }

    /// The edge opens the stream after all: true where a frame of the origin had come before.
    pub(super) fn forgive_early(&mut self, id: u32) -> bool {
        let before = self.early.len();
        self.early.retain(|(early, _)| *early != id);
        self.early.len() < before
    }
}

/// Streams that are followed at one time; beyond it, the oldest is forgotten. Servers allow 100 to 256.
const MAX_STREAMS: usize = 1_024;

/// Closed streams that are remembered with the reason.
const MAX_CLOSED: usize = 128;

/// Early frames that are remembered.
const MAX_EARLY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn stream() -> Stream {
        Stream::new(Method::Other, true)
    }

    #[test]
    fn a_streams_standing_follows_its_life() {
        let mut streams = Streams::new();
        assert_eq!(streams.standing(1), Standing::Idle);
        streams.open(1, stream());
        streams.open(3, stream());
        assert_eq!(streams.standing(1), Standing::Open);
        streams.close(1, Closed::Finished);
        streams.close(3, Closed::ResetByEdge);
        assert_eq!((streams.standing(1), streams.standing(3)), (Standing::Finished, Standing::Indifferent));
        assert_eq!((streams.standing(5), streams.standing(2)), (Standing::Idle, Standing::Idle));
        streams.promised = 2;
        assert_eq!(streams.standing(2), Standing::Indifferent);
        assert_eq!(streams.standing(4), Standing::Idle);
        streams.lose(Peer::Edge);
        assert_eq!((streams.standing(5), streams.standing(4)), (Standing::Indifferent, Standing::Idle));
    }

    #[test]
    fn a_flood_of_streams_stays_within_its_bound() {
        let mut streams = Streams::new();
        let forgotten = (0..5_000).filter_map(|nth| streams.open(nth * 2 + 1, stream())).count();
        assert_eq!(streams.ids().count(), MAX_STREAMS);
        assert_eq!(forgotten, 5_000 - MAX_STREAMS);
        (0..5_000).for_each(|nth| drop(streams.close(nth * 2 + 1, Closed::Finished)));
        assert_eq!(streams.closed.len(), MAX_CLOSED);
        assert_eq!(streams.standing(1), Standing::Indifferent);
    }
}
