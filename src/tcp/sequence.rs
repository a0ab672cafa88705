//! What each segment is to its direction, told by sequence numbers and time alone.
//!
//! The rules are those that Wireshark's user guide gives for its TCP analysis, so that our counts can be laid beside
//! `tcp.analysis.*`. Everything here is about the capture as it stands: who lost what is the stream's matter.

use crate::timeline::{ByPeer, PacketRef, Peer, SegmentCounts};
use crate::wire::{Segment, SeqNumber};

/// A segment before the highest one that follows it within this time was overtaken, where the round-trip time is not
/// known.
const REORDER_NS: i64 = 3_000_000;

/// A segment this soon after a repeated acknowledgment of its first byte answers it (RFC 5681 section 3.2).
const FAST_NS: i64 = 20_000_000;

/// Repeated acknowledgments that ask for a fast retransmission; one more may be missing in the capture.
const FAST_ACKS: u32 = 2;

/// What one segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It takes the next place, or carries nothing.
    Ordinary,
    /// Sent again: by timeout, on repeated acknowledgments, or needlessly.
    Retransmission(Reason),
    /// Overtaken on its way.
    OutOfOrder,
    /// A keep-alive probe (RFC 9293 section 3.8.4).
    KeepAlive,
    /// One byte into a closed window (RFC 9293 section 3.8.6.1).
    WindowProbe,
}

/// Why a segment was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Neither of the others: the retransmission timer, as a rule.
    Timeout,
    /// Repeated acknowledgments asked for it.
    RepeatedAcks,
    /// All of it had been acknowledged already.
    Spurious,
}

/// Both directions of one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Analysis {
    side: ByPeer<Side>,
    last_syn: Option<PacketRef>,
    handshake_ns: Option<i64>,
}

/// What was seen of one sender.
#[derive(Clone, Debug, Default)]
struct Side {
    /// The number of its SYN, or the one before its first segment.
    initial: Option<SeqNumber>,
    /// The number behind the highest one seen, and when it was.
    next: Option<(SeqNumber, PacketRef)>,
    /// Its segments reach to here without a hole.
    whole: Option<SeqNumber>,
    /// Acknowledgment, window and time of its last segment.
    last: Option<(SeqNumber, u16, PacketRef)>,
    repeated_acks: u32,
    /// What its last segment was.
    kind: Option<Kind>,
}

impl Analysis {
    /// Says what `segment` is and counts it.
    pub(super) fn see(
        &mut self,
        from: Peer,
        packet: PacketRef,
        segment: &Segment<'_>,
        counts: &mut SegmentCounts,
    ) -> Kind {
        let flags = segment.flags;
        let (own, other) = match from {
            Peer::Edge => (&mut self.side.edge, &mut self.side.origin),
            Peer::Origin => (&mut self.side.origin, &mut self.side.edge),
        };
        // A SYN begins the numbers of its side (RFC 9293 section 3.4.1), whatever was injected before.
        let first = if flags.syn() { segment.seq } else { SeqNumber(segment.seq.0.wrapping_sub(1)) };
        if flags.syn() && own.initial.is_some_and(|initial| initial != first) {
            *own = Side::default();
        }
        own.initial.get_or_insert(first);
        let bare = !(flags.syn() || flags.fin() || flags.rst());
        let fills = segment.payload_len > 0 || flags.syn() || flags.fin();
        let mut kind = Kind::Ordinary;
        let probes = segment.payload_len == 1
            && own.is_next(segment.seq)
            && other.last.is_some_and(|(_, window, _)| window == 0);
        if probes {
            kind = Kind::WindowProbe;
            tally(&mut counts.window_probes, true);
        } else {
            tally(&mut counts.zero_windows, segment.window == 0 && bare);
            let beyond = own.next.is_some_and(|(next, _)| segment.seq.is_after(next));
            tally(&mut counts.after_hole, beyond && !flags.rst());
            if bare && segment.payload_len <= 1 && own.is_next(segment.seq + 1) {
                kind = Kind::KeepAlive;
                tally(&mut counts.keep_alive_probes, true);
            }
            if bare && segment.payload_len == 0 {
                own.repeat(segment, other.kind);
            }
        }
        if own.last.is_none_or(|(ack, _, _)| ack != segment.ack) {
            own.repeated_acks = 0;
        }
        if flags.ack() && other.whole.is_some_and(|whole| segment.ack.is_after(whole)) {
            tally(&mut counts.acked_unseen, true);
            // What is missing up to the highest byte seen is told once.
            other.whole = other.next.map(|(next, _)| next);
        }
        if fills && kind != Kind::KeepAlive {
            let placed = own.place(other, packet, segment, self.handshake_ns.unwrap_or(REORDER_NS));
            counts.count(placed);
            if placed != Kind::Ordinary {
                kind = placed;
            }
        }
        own.advance(packet, segment, kind);
        if flags.syn() && !flags.ack() {
            self.last_syn = Some(packet);
        } else if flags.ack() && !flags.syn() && self.handshake_ns.is_none() {
            self.handshake_ns = self.last_syn.map(|syn| packet.time.nanos_since(syn.time));
        }
        kind
    }

    /// True where both sides go on with these numbers without a hole before them, and neither acknowledged more than
    /// was seen of the other, nor closed its window.
    pub(super) fn is_settled(&self, number: ByPeer<SeqNumber>) -> bool {
        let is_whole = |own: &Side, other: &Side, number: SeqNumber| {
            let heard = other.last.is_some_and(|(ack, window, _)| !ack.is_after(number) && window != 0);
            heard && own.is_next(number) && own.whole == Some(number)
        };
        (self.handshake_ns.is_some() || self.last_syn.is_none())
            && is_whole(&self.side.edge, &self.side.origin, number.edge)
            && is_whole(&self.side.origin, &self.side.edge, number.origin)
    }

    /// Sees the next segment of a settled side: it acknowledges nothing that was not seen, and there is nothing to count.
    #[inline]
    pub(super) fn see_next(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let (own, other) = match from {
            Peer::Edge => (&mut self.side.edge, &self.side.origin),
            Peer::Origin => (&mut self.side.origin, &self.side.edge),
        };
        if segment.payload_len == 0 {
            own.repeat(segment, other.kind);
        }
        if own.last.is_none_or(|(ack, _, _)| ack != segment.ack) {
            own.repeated_acks = 0;
        }
        own.advance(packet, segment, Kind::Ordinary);
    }

    /// The two sides change places: the roles were told wrong.
    pub(super) fn swap(&mut self) {
        std::mem::swap(&mut self.side.edge, &mut self.side.origin);
    }
}

impl Side {
    fn is_next(&self, sequence: SeqNumber) -> bool {
        self.next.is_some_and(|(next, _)| next == sequence)
    }

    /// Counts an acknowledgment that says nothing new.
    fn repeat(&mut self, segment: &Segment<'_>, answered: Option<Kind>) {
        let same = self.last.is_some_and(|(ack, window, _)| ack == segment.ack && window == segment.window);
        if same && segment.window != 0 && self.is_next(segment.seq) && answered != Some(Kind::KeepAlive) {
            self.repeated_acks = self.repeated_acks.saturating_add(1);
        }
    }

    /// Where a segment with payload, SYN or FIN stands among those that were seen.
    fn place(&self, other: &Self, packet: PacketRef, segment: &Segment<'_>, overtaken_ns: i64) -> Kind {
        let Some((next, next_at)) = self.next else { return Kind::Ordinary };
        let data_end = segment.seq + segment.payload_len;
        let end = segment.seq + segment.sequence_len();
        let acked = other.last.map(|(ack, _, at)| (ack, at)).filter(|(ack, _)| ack.0 != 0);
        if segment.payload_len > 0 && acked.is_some_and(|(ack, _)| !data_end.is_after(ack)) {
            return Kind::Retransmission(Reason::Spurious);
        }
        // One byte before the next, and more than one: a window probe is followed by all the bytes that it led.
        let leads = segment.payload_len > 1 && next == segment.seq + 1;
        if !segment.seq.is_before(next) || leads {
            return Kind::Ordinary;
        }
        let asked = acked.is_some_and(|(ack, at)| ack == segment.seq && packet.time.nanos_since(at.time) < FAST_NS);
        if asked && other.repeated_acks >= FAST_ACKS {
            return Kind::Retransmission(Reason::RepeatedAcks);
        }
        if packet.time.nanos_since(next_at.time) < overtaken_ns && next != end {
            return Kind::OutOfOrder;
        }
        Kind::Retransmission(Reason::Timeout)
    }

    #[inline]
    fn advance(&mut self, packet: PacketRef, segment: &Segment<'_>, kind: Kind) {
        let end = segment.seq + segment.sequence_len();
        if kind != Kind::WindowProbe {
            if self.next.is_none_or(|(next, _)| end.is_after(next)) {
                self.next = Some((end, packet));
            }
            if self.whole.is_none_or(|whole| whole == segment.seq) {
                self.whole = self.next.map(|(next, _)| next);
            }
        }
        self.last = Some((segment.ack, segment.window, packet));
        self.kind = Some(kind);
    }
}

impl SegmentCounts {
    fn count(&mut self, kind: Kind) {
        match kind {
            Kind::Retransmission(reason) => {
                tally(&mut self.retransmitted, true);
                tally(&mut self.fast_retransmitted, reason == Reason::RepeatedAcks);
                tally(&mut self.spurious, reason == Reason::Spurious);
            }
            Kind::OutOfOrder => tally(&mut self.out_of_order, true),
            Kind::Ordinary | Kind::KeepAlive | Kind::WindowProbe => {}
        }
    }
}

fn tally(count: &mut u64, happened: bool) {
    *count = count.saturating_add(happened.into());
}
