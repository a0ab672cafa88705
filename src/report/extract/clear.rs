//! The clear text of one connection: each segment at its place in its stream, and from that what is secret in it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::secrets::Reader;
use crate::timeline::{ByPeer, Peer};
use crate::wire::{Segment, SeqNumber};

/// What is secret in the payloads of one connection, found out while its packets go by.
#[derive(Debug)]
pub(super) struct Clear {
    stream: ByPeer<Stream>,
    /// Packets whose payload contradicts what stood at its place, or has none: all of it is secret.
    doubtful: BTreeSet<u64>,
}

/// A segment's payload in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    from: Peer,
    at: u64,
    len: u32,
}

/// What may be seen of a packet's payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Visible {
    /// Nothing.
    Nothing,
    /// All but these bytes of it.
    AllBut(Vec<Range<u32>>),
}

#[derive(Debug)]
struct Stream {
    reader: Reader,
    /// Sequence number of the first byte.
    first: Option<SeqNumber>,
    /// Bytes that the reader has.
    next: u64,
    /// The latest of them.
    latest: Vec<u8>,
    /// What came before its turn: by its place and packet.
    early: BTreeMap<(u64, u64), Vec<u8>>,
    early_bytes: usize,
}

impl Clear {
    pub(super) fn new() -> Self {
        let stream = ByPeer { edge: Stream::new(Peer::Edge), origin: Stream::new(Peer::Origin) };
        Self { stream, doubtful: BTreeSet::new() }
    }

    /// The next packet of the connection; none where there is nothing to place.
    pub(super) fn packet(&mut self, number: u64, from: Peer, segment: &Segment<'_>) -> Option<Place> {
        let stream = &mut self.stream[from];
        let seq = if segment.flags.syn() { segment.seq + 1 } else { segment.seq };
        if segment.flags.syn() && stream.next == 0 {
            stream.first = Some(seq);
        }
        let first = *stream.first.get_or_insert(seq);
        let len = u32::try_from(segment.payload.len()).ok().filter(|&len| len > 0)?;
        // The text of a reset stands in no stream (RFC 9293 section 3.5.3), and nobody takes what lies before the first byte.
        let near = i64::from(seq.since(first + stream.next as u32));
        let at = i64::try_from(stream.next)
            .ok()
            .and_then(|next| next.checked_add(near).and_then(|at| u64::try_from(at).ok()));
        match at.filter(|_| !segment.flags.rst()) {
            Some(at) => {
                stream.arrive(number, at, segment.payload, &mut self.doubtful);
                Some(Place { from, at, len })
            }
            None => {
                self.doubtful.insert(number);
                Some(Place { from, at: 0, len })
            }
        }
    }

    /// Once all packets went by: what may be seen of each of those in `places`.
    pub(super) fn finish(self, places: BTreeMap<u64, Place>) -> impl Iterator<Item = (u64, Visible)> {
        let Self { stream, mut doubtful } = self;
        let h2 = stream.edge.reader.is_h2() || stream.origin.reader.is_h2();
        let secret = ByPeer { edge: stream.edge.finish(&mut doubtful), origin: stream.origin.finish(&mut doubtful) };
        places.into_iter().map(move |(number, place)| {
            let visible = match (h2, doubtful.contains(&number)) {
                (true, _) => Visible::Nothing,
                (_, true) => Visible::AllBut(std::iter::once(0..place.len).collect()),
                _ => Visible::AllBut(place.within(&secret[place.from])),
            };
            (number, visible)
        })
    }
}

impl Place {
    /// Those of these ranges of the stream that lie in the payload, as ranges of it.
    fn within(self, secret: &[Range<u64>]) -> Vec<Range<u32>> {
        let end = self.at.saturating_add(self.len.into());
        let begin = secret.partition_point(|range| range.end <= self.at);
        let own = secret.iter().skip(begin).take_while(|range| range.start < end);
        own.map(|range| {
            let part = |at: u64| at.clamp(self.at, end).saturating_sub(self.at) as u32;
            part(range.start)..part(range.end)
        })
        .collect()
    }
}

impl Stream {
    fn new(from: Peer) -> Self {
        let reader = Reader::new(from);
        Self { reader, first: None, next: 0, latest: Vec::new(), early: BTreeMap::new(), early_bytes: 0 }
    }

    fn arrive(&mut self, number: u64, at: u64, data: &[u8], doubtful: &mut BTreeSet<u64>) {
        if at > self.next {
            self.early_bytes = self.early_bytes.saturating_add(data.len());
            self.early.insert((at, number), data.to_vec());
            if self.early_bytes > MAX_EARLY {
                self.pass_hole(doubtful);
            }
            return;
        }
        self.take(number, at, data, doubtful);
        self.take_early(doubtful);
    }

    /// Reads what is new in `data`, which begins no later than what is read next; the rest must be as it was.
    fn take(&mut self, number: u64, at: u64, data: &[u8], doubtful: &mut BTreeSet<u64>) {
        let known = usize::try_from(self.next.saturating_sub(at)).unwrap_or(usize::MAX);
        let (again, new) = data.split_at(known.min(data.len()));
        let before = self.latest.len().checked_sub(known);
        let same = before.and_then(|start| self.latest.get(start..)).is_some_and(|latest| latest.starts_with(again));
        // A keep-alive probe repeats one byte, whatever its value (RFC 9293 section 3.8.4).
        if !same && again.len() > 1 {
            doubtful.insert(number);
        }
        if new.is_empty() {
            return;
        }
        self.reader.read(new);
        self.next = self.next.saturating_add(new.len() as u64);
        self.latest.extend_from_slice(new);
        if self.latest.len() > 2 * MAX_LATEST {
            self.latest.drain(..self.latest.len().saturating_sub(MAX_LATEST));
        }
    }

    fn take_early(&mut self, doubtful: &mut BTreeSet<u64>) {
        while let Some(entry) = self.early.first_entry()
            && entry.key().0 <= self.next
        {
            let ((at, number), data) = entry.remove_entry();
            self.early_bytes = self.early_bytes.saturating_sub(data.len());
            self.take(number, at, &data, doubtful);
        }
    }

    /// Goes on behind what is missing.
    fn pass_hole(&mut self, doubtful: &mut BTreeSet<u64>) {
        let Some((&(at, _), _)) = self.early.first_key_value() else { return };
        self.reader.hole(at.saturating_sub(self.next));
        self.next = at;
        self.latest.clear();
        self.take_early(doubtful);
    }

    fn finish(mut self, doubtful: &mut BTreeSet<u64>) -> Vec<Range<u64>> {
        while !self.early.is_empty() {
            self.pass_hole(doubtful);
        }
        self.reader.finish()
    }
}

/// Bytes of one stream that wait for others before them; beyond that these count as not captured.
const MAX_EARLY: usize = 256 * 1024;

/// Bytes of one stream that what is sent again is compared with.
const MAX_LATEST: usize = 64 * 1024;

#[cfg(test)]
pub(super) mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;
    use crate::wire::{Flags, Ip, TcpOptions};

    const FIN_ACK: u8 = 0x11;

    /// What is visible of the payloads that the origin sends: each with its sequence number and its flags.
    fn seen(segments: &[(u32, u8, &str)]) -> Vec<String> {
        let mut clear = Clear::new();
        let mut places = BTreeMap::new();
        for (&(seq, flags, payload), number) in segments.iter().zip(1..) {
            let segment = segment(seq, flags, payload.as_bytes());
            places.extend(clear.packet(number, Peer::Origin, &segment).map(|place| (number, place)));
        }
        let shown = clear.finish(places).map(|(number, visible)| {
            let mut text = segments[number as usize - 1].2.as_bytes().to_vec();
            match visible {
                Visible::Nothing => text.clear(),
                Visible::AllBut(ranges) => {
                    ranges.iter().for_each(|range| text[range.start as usize..range.end as usize].fill(b'x'));
                }
            }
            String::from_utf8(text).expect("text")
        });
        shown.collect()
    }

    pub(in super::super) fn segment(seq: u32, flags: u8, payload: &[u8]) -> Segment<'_> {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Segment {
            ip: Ip { source: address, destination: address, ..Ip::default() },
            source_port: 80,
            destination_port: 40_000,
            seq: SeqNumber(seq),
            ack: SeqNumber(0),
            flags: Flags(flags),
            window: 1_000,
            urgent: 0,
            options: TcpOptions::default(),
            payload,
            payload_len: payload.len() as u32,
        }
    }

    #[test]
    fn a_secret_is_hidden_however_it_is_cut_and_however_often_it_is_sent() {
        let head = "HTTP/1.1 200 OK\r\nSet-Coo";
        let rest = "kie: sid=1\r\nAge: 1\r\n\r\n";
        let at = u32::MAX - 5;
        let next = at.wrapping_add(head.len() as u32);
        let shown = "kie: xxxxx\r\nAge: 1\r\n\r\n";
        assert_eq!(seen(&[(at, 16, head), (next, 16, rest), (next, FIN_ACK, rest)]), [head, shown, shown]);
        assert_eq!(seen(&[(at.wrapping_sub(1), 0x12, ""), (next, 16, rest), (at, 16, head)]), [shown, head]);
        assert_eq!(seen(&[(at, 16, head), (next, 16, &rest[..8]), (next, 16, rest)]), [head, "kie: xxx", shown]);
    }

    #[test]
    fn what_contradicts_the_first_copy_is_hidden_as_a_whole() {
        let copies = [(1, 16, "HTTP/1.1 200 OK\r\n"), (1, 16, "HTTP/1.1 404 No\r\n"), (0, 16, "\0")];
        assert_eq!(seen(&copies), ["HTTP/1.1 200 OK\r\n", "xxxxxxxxxxxxxxxxx", "x"]);
    }

    #[test]
    fn the_text_of_a_reset_is_hidden() {
        assert_eq!(seen(&[(1, 16, "HTTP/1.1 200 OK\r\n"), (18, 4, "Age: 1")]), ["HTTP/1.1 200 OK\r\n", "xxxxxx"]);
    }

    #[test]
    fn behind_a_hole_all_is_hidden_until_a_message_begins() {
        let segments = [(1, 16, "HTTP/1.1 200 OK\r\n"), (90, 16, "secret"), (99, 16, "HTTP/1.1 200 OK\r\n")];
        assert_eq!(seen(&segments), ["HTTP/1.1 200 OK\r\n", "xxxxxx", "HTTP/1.1 200 OK\r\n"]);
    }
}
