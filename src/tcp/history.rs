//! Marks by which other tools know a connection: Zeek's `history` and Wireshark's `tcp.completeness`.
//!
//! Zeek's `C` is never written: checksums are not looked at, for network cards fill them in after the capture.

use super::sequence::Kind;
use crate::timeline::{ByPeer, Peer, Timeline};
use crate::wire::Segment;

/// Letters that one history keeps.
const LETTERS: usize = 64;

/// What has been written of both sides.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    side: ByPeer<Written>,
}

#[derive(Clone, Debug, Default)]
struct Written {
    /// A bit for each of the letters that are written once.
    once: u8,
    /// Sequence numbers of the last SYN, FIN and RST: the same one is not written again.
    numbers: [Option<u32>; 3],
    retransmitted: u64,
    zero_windows: u64,
    gaps: u64,
}

const ACK: u8 = 1;
const DATA: u8 = 2;
const TWO_FLAGS: u8 = 4;
const FIN_AND_RST: u8 = 8;

impl History {
    /// Notes one segment.
    pub(super) fn note(&mut self, line: &mut Timeline, from: Peer, segment: &Segment<'_>, kind: Kind) {
        line.completeness = completeness(line.completeness, segment);
        let flags = segment.flags;
        let side = &mut self.side[from];
        if matches!(kind, Kind::Retransmission(_)) && segment.payload_len > 0 {
            side.retransmitted = side.retransmitted.saturating_add(1);
            write_at_powers(line, from, 't', side.retransmitted);
        }
        if segment.window == 0 && !flags.rst() && !flags.syn() {
            side.zero_windows = side.zero_windows.saturating_add(1);
            write_at_powers(line, from, 'w', side.zero_windows);
        }
        let end = segment.seq.0.wrapping_add(segment.payload_len);
        match (flags.syn(), flags.fin(), flags.rst()) {
            (false, false, false) if segment.payload_len > 0 => side.write_once(line, from, 'd', DATA),
            (false, false, false) => side.write_once(line, from, 'a', ACK),
            (true, false, false) => {
                side.write_number(line, from, if flags.ack() { 'h' } else { 's' }, 0, segment.seq.0);
            }
            (false, true, false) => side.write_number(line, from, 'f', 1, end),
            (false, false, true) => side.write_number(line, from, 'r', 2, segment.seq.0),
            (false, true, true) => side.write_once(line, from, 'i', FIN_AND_RST),
            (true, _, _) => side.write_once(line, from, 'q', TWO_FLAGS),
        }
    }

    /// Notes a segment that has ACK set, and SYN, FIN and RST not, and is no retransmission.
    #[inline]
    pub(super) fn note_next(&mut self, line: &mut Timeline, from: Peer, segment: &Segment<'_>) {
        line.completeness = completeness(line.completeness, segment);
        let (letter, bit) = if segment.payload_len > 0 { ('d', DATA) } else { ('a', ACK) };
        self.side[from].write_once(line, from, letter, bit);
    }

    /// The capture misses bytes of `from`.
    pub(super) fn gap(&mut self, line: &mut Timeline, from: Peer) {
        let side = &mut self.side[from];
        side.gaps = side.gaps.saturating_add(1);
        write_at_powers(line, from, 'g', side.gaps);
    }

    /// The two sides change places: the roles were told wrong.
    pub(super) fn swap(&mut self, line: &mut Timeline) {
        std::mem::swap(&mut self.side.edge, &mut self.side.origin);
        let swapped = |letter: char| {
            if letter.is_ascii_uppercase() { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
        };
        line.history = line.history.chars().map(swapped).chain(['^']).collect();
    }
}

impl Written {
    #[inline]
    fn write_once(&mut self, line: &mut Timeline, from: Peer, letter: char, bit: u8) {
        if self.once & bit == 0 {
            self.once |= bit;
            write(line, from, letter);
        }
    }

    fn write_number(&mut self, line: &mut Timeline, from: Peer, letter: char, place: usize, number: u32) {
        let Some(last) = self.numbers.get_mut(place) else { return };
        if *last != Some(number) {
            *last = Some(number);
            write(line, from, letter);
        }
    }
}

/// The first, the tenth, the hundredth time.
fn write_at_powers(line: &mut Timeline, from: Peer, letter: char, count: u64) {
    if count == 10_u64.pow(count.ilog10()) {
        write(line, from, letter);
    }
}

#[cold]
fn write(line: &mut Timeline, from: Peer, letter: char) {
    if line.history.len() < LETTERS {
        line.history.push(if from == Peer::Edge { letter.to_ascii_uppercase() } else { letter });
    }
}

/// SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, RST 32. The data of a SYN-ACK does not count, nor a FIN without ACK.
fn completeness(before: u8, segment: &Segment<'_>) -> u8 {
    let flags = segment.flags;
    let data = u8::from(segment.payload_len > 0) << 3;
    let now = match (flags.syn(), flags.ack()) {
        (true, false) => 1 | data,
        (true, true) => 2,
        (false, true) => 4 | data | u8::from(flags.fin()) << 4 | u8::from(flags.rst()) << 5,
        (false, false) => data | u8::from(flags.rst()) << 5,
    };
    before | now
}

#[cfg(test)]
mod tests {
    use super::super::testing::Conversation;
    use crate::timeline::Peer::{Edge, Origin};

    #[test]
    fn each_kind_of_segment_has_its_letter() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").says(Origin, b"200").ack(Edge);
        assert_eq!(talk.clone().line().history, "ShADd");
        assert_eq!(talk.clone().fin(Origin).fin(Edge).line().history, "ShADdfF");
        assert_eq!(talk.clone().rst(Origin).line().history, "ShADdr");
        let shut = talk.clone().ack(Edge).but(|ack| ack.window = 0);
        assert_eq!(shut.line().history, "ShADdW");
        let late = |again: &mut super::super::testing::Told| (again.id, again.after_ms) = (9_000, 400);
        assert_eq!(talk.says(Origin, b"more").again().but(late).line().history, "ShADdt");
    }

    #[test]
    fn a_hole_of_the_capture_is_written() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").says(Origin, b"lost").unseen();
        let talk = talk.says(Origin, b"tail").ack(Edge).ack(Edge);
        assert_eq!(talk.line().history, "ShADdg");
    }

    #[test]
    fn roles_that_were_told_wrong_at_first_are_written() {
        let talk = Conversation::new().ack(Edge).says(Origin, b"E: said by the client").says(Edge, b"200");
        let line = talk.line();
        assert_eq!((line.history.as_str(), line.endpoint.origin.port), ("a^Dd", 40_001));
    }
}
