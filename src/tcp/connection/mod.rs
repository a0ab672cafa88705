//! The state of one connection while its packets come.

mod opening;

use super::application::Application;
use super::causal::Causal;
use super::early::Early;
use super::habits::Habits;
use super::history::History;
use super::reset::{self, Surroundings};
use super::sequence::{Analysis, Kind};
use super::stream::{Arrival, NEAR, Payload, Stream};
use super::vantage::vantage;
use crate::timeline::{
    ByPeer, Direction, Endpoint, Fin, Mark, PacketRef, Peer, RstSign, Start, Stuck, Timeline, Unreachable, Vantage,
};
use crate::wire::{Segment, SeqNumber};
use opening::Opening;

/// A segment this soon after another may have been overtaken by it.
const REORDER_NS: i64 = 3_000_000;

/// FIN, RST, SYN and SYN-ACK segments that one record keeps.
const KEPT_SEGMENTS: usize = 64;

/// What a connection takes that holds nothing, the state of the layers above it among it.
const CONNECTION_BYTES: u64 = 4 * 1024;

/// What the record of one exchange takes.
const EXCHANGE_BYTES: usize = 1024;

/// One connection: its record, its two streams, and the layers above.
#[derive(Clone, Debug)]
pub(super) struct Connection<A> {
    pub(super) line: Timeline,
    pub(super) above: Causal<A>,
    pub(super) stream: ByPeer<Stream>,
    pub(super) habits: ByPeer<Habits>,
    flight: ByPeer<Flight>,
    opening: Opening,
    pub(super) analysis: Analysis,
    pub(super) history: History,
    /// The initial sequence number of each side's SYN, or the number before its first one seen.
    initial: ByPeer<Option<SeqNumber>>,
    /// The last late copy of the edge's SYN.
    copied_syn: Option<PacketRef>,
    /// True until the first payload has settled who is the server, where the SYN is missing.
    roles_open: bool,
    /// True once the capture was found to begin after the connection, and the layers above know it.
    joined_late: bool,
    /// True once it was closed and what came counted from another number: of another connection, whose SYN is missing.
    superseded: bool,
    /// True while the next segment of each side can be foretold ([`super::prediction`]).
    pub(super) settled: bool,
}

/// A late copy of a SYN, which a host may answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct CopiedSyn {
    packet: PacketRef,
    seq: SeqNumber,
}

/// What is on its way from one side.
#[derive(Clone, Debug, Default)]
struct Flight {
    /// The segment that was sent while nothing else waited for an acknowledgment.
    first: Option<PacketRef>,
    /// End and length of a segment that is larger than any acknowledged one.
    larger: Option<(u64, u32)>,
    zero_window_since: Option<PacketRef>,
    /// What was known when its last RST came.
    reset: Option<AtReset>,
    /// The FIN that the first acknowledgment of one more than all its bytes tells of.
    acked_fin: Option<Fin>,
}

/// What a RST is measured by that others follow.
#[derive(Clone, Copy, Debug)]
struct AtReset {
    /// It says when it was made (RFC 7323).
    timed: bool,
    /// The end of the other stream.
    other_sent: i64,
}

impl<A: Application> Connection<A> {
    pub(super) fn new(line: Timeline, app: A, roles_open: bool) -> Self {
        Self {
            line,
            above: Causal::new(app),
            stream: ByPeer::default(),
            habits: ByPeer::default(),
            flight: ByPeer::default(),
            opening: Opening::default(),
            analysis: Analysis::default(),
            history: History::default(),
            initial: ByPeer::default(),
            copied_syn: None,
            roles_open,
            joined_late: false,
            superseded: false,
            settled: false,
        }
    }

    /// Forgets all but its record, which is another connection's from here on.
    pub(super) fn begin_again(&mut self, app: A, roles_open: bool) {
        let Self {
            line: _,
            above,
            stream,
            habits,
            flight,
            opening,
            analysis,
            history,
            initial,
            copied_syn,
            roles_open: open,
            joined_late,
            superseded,
            settled,
        } = self;
        *above = Causal::new(app);
        *stream = ByPeer::default();
        habits.edge.begin_again();
        habits.origin.begin_again();
        *flight = ByPeer::default();
        *opening = Opening::default();
        *analysis = Analysis::default();
        *history = History::default();
        *initial = ByPeer::default();
        *copied_syn = None;
        *open = roles_open;
        *joined_late = false;
        *superseded = false;
        *settled = false;
    }

    /// True where a SYN or SYN-ACK with this sequence number begins another connection on the same ports: its
    /// number is not this one's, or this one was reset or closed. A late copy does not, nor the only SYN that the capture
    /// holds of this one.
    pub(super) fn is_replaced_by(&self, from: Peer, packet: PacketRef, segment: &Segment<'_>) -> bool {
        if let Opening::Waiting(early) = &self.opening {
            // What waits may be of an earlier connection, which the other side still believes in (RFC 5961 section 4).
            return self.initial[from] != Some(segment.seq) && !early.belongs_to(segment);
        }
        let Some(initial) = self.initial[from] else { return false };
        if self.habits[from].is_syn_again(segment, packet) || self.is_own_syn(from, packet, segment) {
            return false;
        }
        let differs = initial != segment.seq;
        let known = !self.line.connect.syns.is_empty();
        if segment.flags.ack() {
            differs && !self.answers_anew(from, segment)
        } else {
            differs || known && (self.reset() || self.finished())
        }
    }

    /// True for a SYN-ACK that answers the SYN of a connection which is only being opened, with another number: the host
    /// has forgotten that it answered before (an ICMP error, or SYN cookies, RFC 4987), and the edge has heard neither.
    fn answers_anew(&self, from: Peer, segment: &Segment<'_>) -> bool {
        let asked = self.initial.edge.is_some_and(|syn| segment.ack == syn + 1);
        asked && from == Peer::Origin && self.half_open() && self.stream.origin.is_empty()
    }

    /// The late copy of this connection's SYN that a SYN-ACK answers, where a host took it for a SYN of its own.
    pub(super) fn syn_answered_by(&self, segment: &Segment<'_>) -> Option<CopiedSyn> {
        let (packet, seq) = (self.copied_syn?, self.initial.edge?);
        (segment.flags.ack() && segment.ack == seq + 1).then_some(CopiedSyn { packet, seq })
    }

    /// The connection was begun by this SYN, and these segments are its own, which were counted to an earlier one.
    pub(super) fn began_before(&mut self, syn: Option<CopiedSyn>, early: Option<Early>) {
        if let Some(syn) = syn {
            self.settled = false;
            self.initial.edge = Some(syn.seq);
            self.stream.edge.begin_at(syn.seq + 1);
            keep(&mut self.line.connect.syns, syn.packet);
        }
        for kept in early.into_iter().flat_map(Early::into_segments) {
            let segment = kept.segment();
            self.segment(self.sender(&segment), kept.packet, &segment);
        }
    }

    /// Gives back memory that a closed connection needs no more.
    pub(super) fn trim(&mut self) {
        self.line.exchanges.shrink_to_fit();
    }

    /// The peer that sends from `source`.
    #[inline]
    pub(super) fn peer_at(&self, source: Endpoint) -> Peer {
        if self.line.endpoint.edge == source { Peer::Edge } else { Peer::Origin }
    }

    /// True once a RST was seen, from whichever side.
    pub(super) fn reset(&self) -> bool {
        !self.line.direction.edge.rsts.is_empty() || !self.line.direction.origin.rsts.is_empty()
    }

    fn finished(&self) -> bool {
        !self.line.direction.edge.fins.is_empty() && !self.line.direction.origin.fins.is_empty()
    }

    /// True once nothing but stragglers can come.
    pub(super) fn closed(&self) -> bool {
        let finished = match &self.opening {
            Opening::Waiting(early) => early.finished(),
            _ => self.stream.edge.ended() && self.stream.origin.ended(),
        };
        finished || self.reset()
    }

    /// True while only SYNs and SYN-ACKs were seen.
    pub(super) fn half_open(&self) -> bool {
        let waits = matches!(self.opening, Opening::Waiting(_));
        self.line.connect.ack.is_none() && !self.reset() && self.line.direction.edge.first_data.is_none() && !waits
    }

    /// Bytes that it takes, as near as can be said.
    pub(super) fn memory(&self) -> u64 {
        let exchanges = self.line.exchanges.len().saturating_mul(EXCHANGE_BYTES);
        let held = self.stream.edge.held_bytes().saturating_add(self.stream.origin.held_bytes());
        let held = held.saturating_add(self.opening.held_bytes());
        let kept = exchanges.saturating_add(held).saturating_add(self.above.held_bytes());
        CONNECTION_BYTES.saturating_add(kept as u64)
    }

    #[inline(never)]
    fn take(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        self.line.last = packet;
        self.line.direction[from].last = Some(packet);
        if self.habits[from].seen_twice(segment, packet) {
            self.copy(from, packet, segment);
            return;
        }
        if segment.flags.syn() && self.is_own_syn(from, packet, segment) {
            if self.stream[from].is_empty() {
                self.count_from(from, segment);
            } else if self.missed_before_first(from, segment) {
                self.copy(from, packet, segment);
                return;
            }
        }
        let from = if segment.flags.syn() || segment.flags.rst() { from } else { self.join(from, segment) };
        let direction = &mut self.line.direction[from];
        direction.packets = direction.packets.saturating_add(1);
        let urgent = segment.flags.urg() && segment.urgent > 0;
        direction.urgent_segments = direction.urgent_segments.saturating_add(urgent.into());
        let kind = self.analysis.see(from, packet, segment, &mut direction.segments);
        self.history.note(&mut self.line, from, segment, kind);
        if segment.flags.rst() {
            self.reset_by(from, packet, segment);
            self.habits[from].learn_time(segment);
            return;
        }
        self.superseded |= self.is_of_the_next(from, segment);
        let later = !self.line.direction[from].rsts.is_empty()
            && !self.superseded
            && self.habits[from].is_later(segment)
            && self.is_behind_reset(from, segment);
        self.habits[from].learn(segment, packet);
        if segment.flags.syn() {
            self.synchronize(from, packet, segment);
        }
        if segment.flags.ack() {
            self.acknowledge(from, packet, segment);
        }
        self.window(from, packet, segment);
        if segment.payload_len > 0 {
            self.payload(from, packet, segment, kind);
        } else if !segment.flags.syn() {
            let reached = self.stream[from].offset_of(segment.seq).max(0) as u64;
            let direction = &mut self.line.direction[from];
            direction.reached = direction.reached.max(reached);
        }
        if segment.flags.fin() {
            self.fin(from, packet, segment);
        }
        if later {
            self.notice_carrying_on(from, packet);
        }
        self.settle(packet);
    }

    /// True where both sides are known and all that was seen of them is in order, so that their next segments can be
    /// foretold.
    fn is_settled(&self) -> bool {
        let line = &self.line;
        let is_open = |direction: &Direction, flight: &Flight| {
            direction.fins.is_empty() && direction.rsts.is_empty() && flight.zero_window_since.is_none()
        };
        let (Some(edge), Some(origin)) = (self.stream.edge.settled_at(), self.stream.origin.settled_at()) else {
            return false;
        };
        matches!(self.opening, Opening::Done)
            && line.connect.ack.is_some()
            && !self.roles_open
            && self.initial.edge.is_some()
            && self.initial.origin.is_some()
            && (self.joined_late
                || !line.connect.syns.is_empty()
                || (!line.connect.syn_acks.is_empty() && !self.unasked()))
            && is_open(&line.direction.edge, &self.flight.edge)
            && is_open(&line.direction.origin, &self.flight.origin)
            && self.analysis.is_settled(ByPeer { edge, origin })
            && self.above.is_settled()
    }

    /// A packet that the capture holds twice says nothing new.
    fn copy(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let copies = &mut self.line.copies;
        copies.packets = copies.packets.saturating_add(1);
        self.analysis.see(from, packet, segment, &mut copies.segments);
        if segment.flags.rst() {
            copies.keep_rst(from, packet);
        } else if segment.flags.syn() {
            copies.keep_syn(from, packet);
            self.copied_syn = if from == Peer::Edge { Some(packet) } else { self.copied_syn };
        }
    }

    pub(super) fn unreachable(&mut self, about: Peer, mut error: Unreachable) {
        error.about = about;
        self.line.last = error.packet;
        keep(&mut self.line.unreachable, error);
    }

    /// Adds to the record everything that can only be said at the end.
    pub(super) fn finish(&mut self) {
        let last = self.line.last;
        self.release();
        self.line.last = last;
        for from in [Peer::Edge, Peer::Origin] {
            let Self { line, above, stream, joined_late, .. } = self;
            let missed = stream[from].give_up_acked(last, &mut |piece| {
                announce_late_join(line, above, joined_late);
                above.hand_on(line, from, piece);
            });
            if missed > 0 {
                self.history.gap(&mut self.line, from);
            }
            self.tell_unseen_fin(from);
            let direction = &mut self.line.direction[from];
            direction.missed_by_capture = direction.missed_by_capture.saturating_add(missed);
            if let Some(since) = self.flight[from].zero_window_since {
                // It never opened again.
                let lasted = last.time.nanos_since(since.time);
                direction.longest_zero_window_ns = direction.longest_zero_window_ns.max(lasted);
            }
            let conflicting = self.stream[from].conflicting();
            self.line.conflicting_bytes = self.line.conflicting_bytes.saturating_add(conflicting);
        }
        self.above.flush(&mut self.line);
        let ttl = ByPeer { edge: self.habits.edge.ttl(), origin: self.habits.origin.ttl() };
        let forwarded = self.habits.edge.forwarded() || self.habits.origin.forwarded();
        self.line.vantage = if forwarded { Vantage::Between } else { vantage(ttl, &self.line) };
        self.doubt_lone_resets();
        self.line.direction.edge.ttl = ttl.edge;
        self.line.direction.origin.ttl = ttl.origin;
        self.line.start = start(&self.line);
        self.above.app.finish(&mut self.line);
    }

    /// On a router, a peer's packets are captured on their way in and on their way out. A RST that is there once was
    /// made by the router itself.
    fn doubt_lone_resets(&mut self) {
        let copies = &self.line.copies.rsts;
        for from in [Peer::Edge, Peer::Origin] {
            if self.habits[from].always_forwarded() && !copies.iter().any(|(of, _)| *of == from) {
                for rst in &mut self.line.direction[from].rsts {
                    rst.signs.push(RstSign::SeenOnce);
                    rst.sender = reset::sender(&rst.signs);
                }
            }
        }
    }

    fn synchronize(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        if segment.flags.ack() && self.answers_anew(from, segment) {
            self.initial[from] = None;
            self.stream[from] = Stream::default();
        }
        self.initial[from].get_or_insert(segment.seq);
        self.stream[from].begin_at(segment.seq + 1);
        let line = &mut self.line;
        line.direction[from].mss = segment.options.mss().or(line.direction[from].mss);
        line.direction[from].window_scale = segment.options.window_scale().or(line.direction[from].window_scale);
        let segments = match from {
            Peer::Edge => &mut line.connect.syns,
            Peer::Origin => &mut line.connect.syn_acks,
        };
        keep(segments, packet);
        if from == Peer::Edge {
            return;
        }
        // In an unanswered handshake the SYN-ACK repeats; the first pair tells the path.
        if let ([syn], [syn_ack]) = (line.connect.syns.as_slice(), line.connect.syn_acks.as_slice()) {
            line.rtt_ns = Some(syn_ack.time.nanos_since(syn.time));
        }
    }

    /// The first segment of a side whose SYN is not in the capture.
    fn join(&mut self, mut from: Peer, segment: &Segment<'_>) -> Peer {
        if self.roles_open && !segment.payload.is_empty() {
            self.roles_open = false;
            if A::likely_sender(segment.payload).is_some_and(|sender| sender != from) {
                self.swap_roles();
                from = from.other();
            }
        }
        if self.initial[from].is_none() {
            self.initial[from] = Some(SeqNumber(segment.seq.0.wrapping_sub(1)));
            self.stream[from].begin_at(segment.seq);
        }
        from
    }

    fn swap_roles(&mut self) {
        fn swap<T>(pair: &mut ByPeer<T>) {
            std::mem::swap(&mut pair.edge, &mut pair.origin);
        }
        swap(&mut self.line.endpoint);
        swap(&mut self.line.direction);
        swap(&mut self.stream);
        swap(&mut self.habits);
        swap(&mut self.flight);
        swap(&mut self.initial);
        self.above.swap();
        self.analysis.swap();
        self.history.swap(&mut self.line);
        self.line.copies.swap();
    }

    fn acknowledge(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let sender = from.other();
        let offset = self.stream[sender].offset_of(segment.ack);
        let connect = &mut self.line.connect;
        let opening = from == Peer::Origin && !connect.syns.is_empty() && connect.syn_acks.is_empty();
        if opening && offset > (self.stream[sender].high() as i64).saturating_add(NEAR) {
            // The origin means an earlier connection (RFC 5961 section 4).
            return;
        }
        // Late copies of an earlier connection's segments acknowledge what this one never sent.
        let of_this_one = (0..=(self.stream[sender].high() as i64).saturating_add(NEAR)).contains(&offset);
        if from == Peer::Edge && connect.ack.is_none() && !segment.flags.syn() && of_this_one {
            connect.ack = Some(packet);
            if let (Some(rtt), [syn_ack]) = (self.line.rtt_ns, connect.syn_acks.as_slice()) {
                self.line.rtt_ns = Some(rtt.saturating_add(packet.time.nanos_since(syn_ack.time)));
            }
        }
        if self.stream[sender].covers_fin(offset) {
            self.line.direction[sender].fin_acked.get_or_insert(packet);
        }
        if self.stream[sender].acknowledge(offset, packet) {
            self.note_acknowledged(sender, packet);
            if self.stream[sender].acked_beyond_all() {
                let acked = self.stream[from].offset_of(segment.seq).max(0) as u64;
                let fin = Fin { packet, offset: self.stream[sender].high(), acked, unseen: true };
                self.flight[sender].acked_fin = Some(fin);
            }
        }
    }

    /// A FIN counts as one byte, and none can follow it. Where the other side acknowledged one more than all bytes that
    /// ever came, the capture misses the FIN.
    fn tell_unseen_fin(&mut self, from: Peer) {
        let Some(fin) = self.flight[from].acked_fin else { return };
        let Self { line, above, stream, joined_late, .. } = self;
        let syns = match from {
            Peer::Edge => &line.connect.syns,
            Peer::Origin => &line.connect.syn_acks,
        };
        // A keep-alive probe counts from one byte before the next (RFC 9293 section 3.8.4).
        let placed = !syns.is_empty() || line.direction[from].bytes > 0;
        let stream = &mut stream[from];
        if !placed || !line.direction[from].fins.is_empty() || !stream.acked_beyond_all() || stream.high() != fin.offset
        {
            return;
        }
        announce_late_join(line, above, joined_late);
        let Fin { packet, offset, .. } = fin;
        let end = Payload { offset: offset as i64, bytes: &[], cut: 0, packet, until: 0 };
        stream.finish_at(&end, &mut |piece| above.hand_on(line, from, piece));
        keep(&mut line.direction[from].fins, fin);
        line.direction[from].fin_acked.get_or_insert(packet);
    }

    /// `packet` acknowledged bytes of `sender` that no other did before.
    #[inline]
    pub(super) fn note_acknowledged(&mut self, sender: Peer, packet: PacketRef) {
        let acked = self.stream[sender].acked();
        let high = self.stream[sender].high();
        let direction = &mut self.line.direction[sender];
        direction.acked = acked;
        direction.acked_at = Some(packet);
        if direction.stuck.is_some_and(|stuck| acked > stuck.offset) {
            direction.stuck = None;
        }
        let flight = &mut self.flight[sender];
        flight.first = (acked < high).then_some(packet);
        if let Some((_, len)) = flight.larger.take_if(|(end, _)| *end <= acked) {
            direction.largest_acked = direction.largest_acked.max(len);
        }
    }

    fn window(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        if segment.flags.syn() || segment.flags.fin() {
            return;
        }
        let direction = &mut self.line.direction[from];
        let since = &mut self.flight[from].zero_window_since;
        if segment.window == 0 {
            direction.first_zero_window.get_or_insert(packet);
            since.get_or_insert(packet);
        } else if let Some(since) = since.take() {
            let lasted = packet.time.nanos_since(since.time);
            direction.longest_zero_window_ns = direction.longest_zero_window_ns.max(lasted);
        }
    }

    /// True while nothing was heard of either side, and the SYN, which may have brought a question (RFC 7413), is not in
    /// the capture.
    fn unasked(&self) -> bool {
        let line = &self.line;
        let silent = self.above.told(Peer::Edge) == 0 && self.above.told(Peer::Origin) == 0;
        silent
            && line.direction.edge.fins.is_empty()
            && line.connect.syns.is_empty()
            && !line.connect.syn_acks.is_empty()
    }

    fn payload(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>, kind: Kind) {
        // The payload of a SYN stands behind the SYN in sequence space (RFC 9293 section 3.4).
        let sequence = if segment.flags.syn() { segment.seq + 1 } else { segment.seq };
        let offset = self.stream[from].offset_of(sequence);
        let cut = u64::from(segment.payload_len).saturating_sub(segment.payload.len() as u64);
        let until = self.read_until(from, segment);
        let unasked = self.unasked();
        let Self { line, above, stream, flight, joined_late, .. } = self;
        announce_late_join(line, above, joined_late);
        if unasked && from == Peer::Origin && until == 0 {
            // What this answers was not sent behind the SYN.
            above.app.gap(line, Peer::Edge, 0, Mark { packet, offset: 0 });
        }
        line.direction[from].recent.push(packet.number, stream[from.other()].acked());
        let stream = &mut stream[from];
        let before = stream.high();
        let payload = Payload { offset, bytes: segment.payload, cut, packet, until };
        let arrival = stream.accept(payload, &mut |piece| above.hand_on(line, from, piece));
        let direction = &mut line.direction[from];
        direction.sent = stream.high();
        direction.reached = direction.reached.max(stream.high());
        direction.first_data.get_or_insert(packet);
        match arrival {
            Arrival::New => self.note_new(from, packet, segment.payload_len, before),
            Arrival::Fills => {
                let again = matches!(kind, Kind::Retransmission(_));
                direction.lost = direction.lost.saturating_add(again.into());
            }
            Arrival::Repeats => {
                let unacknowledged = offset >= stream.acked() as i64;
                direction.lost = direction.lost.saturating_add(unacknowledged.into());
                if unacknowledged && offset == stream.acked() as i64 {
                    let first = flight[from].first.unwrap_or(packet);
                    repeat(direction, offset as u64, segment.payload_len, first, packet);
                }
            }
            Arrival::Probe => {}
        }
    }

    /// `packet` brought bytes of `from` up to the highest offset seen, which was `before`.
    #[inline]
    pub(super) fn note_new(&mut self, from: Peer, packet: PacketRef, len: u32, before: u64) {
        let (direction, flight) = (&mut self.line.direction[from], &mut self.flight[from]);
        let stream = &self.stream[from];
        direction.last_data = Some(packet);
        let awaited = flight.larger.map_or(direction.largest_acked, |(_, len)| len);
        if len > awaited {
            flight.larger = Some((stream.high(), len));
        }
        if stream.acked() >= before {
            flight.first = Some(packet);
        }
    }

    fn fin(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let end = segment.seq + segment.payload_len;
        let offset = self.stream[from].offset_of(end);
        let acked = self.stream[from.other()].offset_of(segment.ack).max(0) as u64;
        let until = self.read_until(from, segment);
        let unasked = self.unasked() && from == Peer::Edge;
        let Self { line, above, stream, joined_late, .. } = self;
        announce_late_join(line, above, joined_late);
        if unasked {
            // What the SYN may have brought was all that it asked.
            above.app.gap(line, Peer::Edge, 0, Mark { packet, offset: 0 });
        }
        let fin = Payload { offset, bytes: &[], cut: 0, packet, until };
        stream[from].finish_at(&fin, &mut |piece| above.hand_on(line, from, piece));
        let fin = Fin { packet, offset: offset.max(0) as u64, acked, unseen: false };
        keep(&mut self.line.direction[from].fins, fin);
        self.line.direction[from].sent = self.stream[from].high();
    }

    fn reset_by(&mut self, from: Peer, packet: PacketRef, segment: &Segment<'_>) {
        let connecting = from == Peer::Origin
            && self.line.connect.syn_acks.is_empty()
            && self.line.direction.origin.packets <= 1
            && !self.line.connect.syns.is_empty();
        let acked = segment.flags.ack().then(|| self.stream[from.other()].offset_of(segment.ack));
        let offset = self.stream[from].offset_of(segment.seq);
        if self.is_of_an_earlier_connection(from, offset) {
            self.line.copies.keep_rst(from, packet);
            return;
        }
        let judged = reset::judge(
            packet,
            segment,
            &Surroundings {
                habits: &self.habits[from],
                offset,
                sent: self.stream[from].high(),
                acked,
                other_sent: self.stream[from.other()].high(),
                other_data: self.line.direction[from.other()].last_data,
                path_ns: self.path_ns(from),
                connecting,
            },
        );
        let other_sent = (self.stream[from.other()].high() as i64).max(acked.unwrap_or(0));
        self.flight[from].reset = Some(AtReset { timed: segment.options.timestamps().is_some(), other_sent });
        keep(&mut self.line.direction[from].rsts, judged);
    }

    /// A RST whose sequence number lies before the SYN, or where only the SYN was sent and it lies behind it, is not of
    /// this connection (RFC 9293 section 3.5.3): another one had the same ports before.
    fn is_of_an_earlier_connection(&self, from: Peer, offset: i64) -> bool {
        let (direction, connect) = (&self.line.direction[from], &self.line.connect);
        let began = match from {
            Peer::Edge => !connect.syns.is_empty(),
            Peer::Origin => !connect.syn_acks.is_empty(),
        };
        began
            && (offset < -1 || (direction.sent == 0 && offset > (self.stream[from].high() as i64).saturating_add(NEAR)))
    }

    /// Time from here to `peer` and back: the half of the handshake that lies on its side.
    fn path_ns(&self, peer: Peer) -> Option<i64> {
        let connect = &self.line.connect;
        let ([syn], [syn_ack]) = (connect.syns.as_slice(), connect.syn_acks.as_slice()) else { return None };
        match peer {
            Peer::Origin => Some(syn_ack.time.nanos_since(syn.time)),
            // One that brings data was sent when there was something to say.
            Peer::Edge => {
                let ack = connect.ack.filter(|ack| self.line.direction.edge.first_data != Some(*ack));
                ack.map(|ack| ack.time.nanos_since(syn_ack.time))
            }
        }
    }

    /// True where the segment cannot have been made before the last RST: it says so itself, reaches beyond the RST's
    /// number, or acknowledges what was sent since. Others may have been captured late.
    fn is_behind_reset(&mut self, from: Peer, segment: &Segment<'_>) -> bool {
        let (Some(at), Some(rst)) = (self.flight[from].reset, self.line.direction[from].rsts.last()) else {
            return false;
        };
        let end = self.stream[from].offset_of(segment.seq + segment.sequence_len());
        let acks = segment.flags.ack() && self.stream[from.other()].offset_of(segment.ack) > at.other_sent;
        at.timed || acks || end > rst.offset
    }

    /// A peer that goes on after "its" RST did not send it.
    fn notice_carrying_on(&mut self, from: Peer, packet: PacketRef) {
        let Some(rst) = self.line.direction[from].rsts.last_mut() else { return };
        let overtaken = packet.time.nanos_since(rst.packet.time) < REORDER_NS;
        let known = rst.signs.iter().any(|sign| matches!(sign, RstSign::SenderCarriesOn { .. }));
        if !known && !overtaken {
            rst.signs.push(RstSign::SenderCarriesOn { packet });
            rst.sender = reset::sender(&rst.signs);
        }
    }

    /// How far the sender of a segment had read the other stream: bytes that the capture may hold later. One more
    /// may be a FIN.
    fn read_until(&mut self, from: Peer, segment: &Segment<'_>) -> u64 {
        let other = &mut self.stream[from.other()];
        if !segment.flags.ack() || !other.has_begun() {
            return 0;
        }
        let acked = u64::try_from(other.offset_of(segment.ack)).unwrap_or(0);
        let unseen = acked > other.next().saturating_add(1);
        if unseen && acked <= other.high().saturating_add(NEAR.unsigned_abs()) { acked } else { 0 }
    }

    /// Hands on that acknowledged bytes are missing; whose they are has to be known.
    fn settle(&mut self, packet: PacketRef) {
        if self.roles_open {
            return;
        }
        for from in [Peer::Edge, Peer::Origin] {
            let Self { line, above, stream, joined_late, .. } = self;
            let missed = stream[from].settle(packet, &mut |piece| {
                announce_late_join(line, above, joined_late);
                above.hand_on(line, from, piece);
            });
            if missed > 0 {
                line.direction[from].missed_by_capture = line.direction[from].missed_by_capture.saturating_add(missed);
                self.history.gap(line, from);
            }
        }
    }
}

/// Tells the layers above, before anything else, that the capture began after the connection: a gap of length 0.
fn announce_late_join<A: Application>(line: &mut Timeline, above: &mut Causal<A>, joined_late: &mut bool) {
    if *joined_late || !line.connect.syns.is_empty() || !line.connect.syn_acks.is_empty() {
        return;
    }
    *joined_late = true;
    let start = Mark { packet: line.first, offset: 0 };
    above.app.gap(line, Peer::Edge, 0, start);
    above.app.gap(line, Peer::Origin, 0, start);
}

/// Adds to what one record keeps of a kind: as a rule it stays the only one.
fn keep<T>(kept: &mut Vec<T>, segment: T) {
    if kept.is_empty() {
        kept.reserve_exact(1);
    }
    if kept.len() < KEPT_SEGMENTS {
        kept.push(segment);
    }
}

fn repeat(direction: &mut Direction, offset: u64, len: u32, first: PacketRef, packet: PacketRef) {
    match &mut direction.stuck {
        Some(stuck) if stuck.offset == offset => {
            stuck.sends = stuck.sends.saturating_add(1);
            stuck.len = stuck.len.max(len);
            stuck.last = packet;
        }
        stuck => *stuck = Some(Stuck { offset, len, sends: 2, first, last: packet }),
    }
}

fn start(line: &Timeline) -> Start {
    // The data of a SYN proves no handshake, and a refusal acknowledges it (RFC 7413; RFC 9293 section 3.10.7.1).
    let edge = &line.direction.edge;
    let in_syn = edge.last_data.is_some_and(|data| line.connect.syns.contains(&data));
    let syn_bytes = if in_syn { edge.sent as i64 } else { 0 };
    let data = (edge.first_data.is_some() && !in_syn) || line.direction.origin.first_data.is_some();
    let syn = !line.connect.syns.is_empty();
    let syn_ack = !line.connect.syn_acks.is_empty();
    let answered_later = line.direction.origin.rsts.iter().any(|rst| rst.acked.is_some_and(|acked| acked > syn_bytes));
    match (syn, syn_ack) {
        (false, false) => Start::MidStream,
        // The ACK of a SYN-ACK tells of one, in the capture or not; so does a reset that acknowledges more than the SYN.
        _ if data || answered_later || line.connect.established() => Start::Handshake,
        (true, false) if !line.direction.origin.rsts.is_empty() => Start::Refused,
        (_, true) if line.closes().next().is_some() => Start::Handshake,
        (true, _) => Start::Unanswered,
        (false, true) => Start::Handshake,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Conversation;
    use super::*;
    use crate::timeline::{End, RstLook, RstSender};
    use Peer::{Edge, Origin};

    #[test]
    fn that_the_capture_began_late_is_heard_before_what_it_missed() {
        let late = Conversation::new().handshake().unseen().unseen().unseen();
        let talk = late.ack(Edge).ack(Origin).says(Origin, b"lost").unseen().ack(Edge).ack(Edge).says(Edge, b"x");
        let (_, heard) = talk.fin(Edge).hear();
        assert_eq!(heard, "E<0> O<0> O<4> E(x) E.");
    }

    #[test]
    fn a_healthy_connection_is_heard_in_full() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").says(Origin, b"200").fin(Origin).fin(Edge);
        let (lines, heard) = talk.ack(Origin).hear();
        assert_eq!(heard, "E(GET) O(200) O. E.");
        let line = &lines[0];
        assert_eq!((line.start, line.end()), (Start::Handshake, End::ClosedByOrigin));
        assert_eq!((line.direction.edge.bytes, line.direction.origin.bytes), (3, 3));
        assert_eq!(line.direction.edge.acked, 3);
        assert_eq!(line.rtt_ns, Some(20_000_000));
        assert_eq!(line.vantage, Vantage::Origin);
        assert_eq!((line.history.as_str(), line.completeness), ("ShADdfFa", 31));
    }

    #[test]
    fn an_answer_that_the_capture_holds_before_its_question_waits_for_it() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").says(Origin, b"200").swapped();
        let (_, heard) = talk.fin(Origin).hear();
        assert_eq!(heard, "E(GET) O(200) O.");
    }

    #[test]
    fn an_answer_whose_question_the_capture_missed_waits_no_longer_than_it_must() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").unseen().says(Origin, b"200").ack(Edge);
        let (lines, heard) = talk.fin(Origin).hear();
        assert_eq!(heard, "E<3> O(200) O.");
        assert_eq!(lines[0].direction.edge.missed_by_capture, 3);
    }

    #[test]
    fn a_late_packet_of_a_closed_connection_opens_no_other() {
        let talk = Conversation::new().handshake().says(Edge, b"a").fin(Edge).fin(Origin).ack(Edge);
        let talk = talk.fin(Origin).but(|fin| fin.after_ms = 64_000).fin(Origin).but(|fin| fin.after_ms = 64_000);
        assert_eq!(talk.hear().0.len(), 1);
    }

    #[test]
    fn a_late_copy_of_what_was_sent_before_the_reset_is_no_carrying_on() {
        let talk = Conversation::new().handshake().says(Origin, b"once").ack(Edge).says(Origin, b"more").rst(Origin);
        let talk = talk.says(Origin, b"").but(|copy| {
            copy.id -= 2;
            copy.after_ms = 600;
        });
        assert_eq!(talk.line().direction.origin.rsts[0].sender, RstSender::Claimed);
    }

    #[test]
    fn a_window_that_never_opens_again_is_measured_to_the_end() {
        let talk = Conversation::new().handshake().says(Edge, b"POST").ack(Origin).but(|ack| ack.window = 0);
        let line = talk.ack(Edge).but(|probe| probe.after_ms = 3_000).line();
        assert_eq!(line.direction.origin.longest_zero_window_ns, 3_000_000_000);
    }

    #[test]
    fn a_late_copy_of_a_syn_opens_no_other_connection() {
        let talk = Conversation::new().syn(Edge).but(|syn| syn.after_ms = 0).syn(Origin).ack(Edge).says(Edge, b"GET");
        let talk = talk.says(Origin, b"200").fin(Origin).fin(Edge).ack(Origin);
        let copy = Conversation::new().syn(Edge).but(|syn| syn.after_ms = 700);
        let (lines, heard) = talk.followed_by(copy).hear();
        assert_eq!((lines.len(), lines[0].copies.packets), (1, 1));
        assert_eq!(heard, "E(GET) O(200) O. E.");
    }

    #[test]
    fn a_copied_syn_that_a_host_answers_opens_one() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").fin(Edge).fin(Origin).ack(Edge);
        let copy = Conversation::new().syn(Edge).syn(Origin).but(|syn_ack| syn_ack.seq = 77_000);
        let (lines, _) = talk.followed_by(copy).hear();
        assert_eq!(lines.len(), 2);
        assert_eq!((lines[1].connect.syns.len(), lines[1].connect.syn_acks.len()), (1, 1));
        assert_eq!(lines[1].endpoint.origin.port, 80);
    }

    #[test]
    fn an_answer_behind_a_hole_waits_for_its_question_too() {
        let talk = Conversation::new().handshake().says(Edge, b"one").says(Origin, b"1").says(Edge, b"two");
        let talk = talk.says(Origin, b"2").moved(6, 4);
        let (_, heard) = talk.hear();
        assert_eq!(heard, "E(one) O(1) E(two) O(2)");
    }

    #[test]
    fn what_was_made_before_the_reset_is_no_carrying_on_however_late_it_is_captured() {
        let talk = Conversation::new().handshake().says(Origin, b"once").ack(Edge).says(Origin, b"more").rst(Origin);
        let older = |copy: &mut super::super::testing::Told| {
            copy.after_ms = 600;
            copy.id -= 4;
        };
        let newer = |copy: &mut super::super::testing::Told| {
            copy.after_ms = 600;
            copy.id -= 3;
        };
        let talk = talk.says(Origin, b"").but(older).says(Origin, b"").but(newer);
        assert_eq!(talk.line().direction.origin.rsts[0].sender, RstSender::Claimed);
    }

    /// The TTL of the last segment after one more router.
    fn forwarded(copy: &mut super::super::testing::Told) {
        copy.ttl -= 1;
        copy.after_ms = 0;
    }

    #[test]
    fn on_a_router_a_reset_that_was_captured_once_is_the_routers_own() {
        let mut talk = Conversation::new().syn(Edge).again().but(forwarded).syn(Origin).again().but(forwarded);
        for _ in 0..3 {
            talk = talk.says(Edge, b"GET").again().but(forwarded).says(Origin, b"200").again().but(forwarded);
        }
        let rst = |talk: Conversation| talk.line().direction.origin.rsts[0].sender;
        let line = talk.clone().line();
        assert_eq!((line.vantage, line.copies.packets), (Vantage::Between, 8));
        assert_eq!(rst(talk.clone().rst(Origin).again().but(forwarded)), RstSender::Claimed);
        assert_eq!(rst(talk.clone().rst(Origin)), RstSender::Middlebox);
        let behind = talk.clone().rst(Origin).but(forwarded).again().but(|first| first.ttl += 1);
        assert_eq!(rst(behind), RstSender::Claimed, "the copies may stand the other way round");
        let lossy = talk.says(Origin, b"once").rst(Origin);
        assert_eq!(rst(lossy), RstSender::Claimed, "the capture lost another packet's copy, too");
    }

    #[test]
    fn a_fin_says_which_bytes_its_sender_had() {
        let talk = Conversation::new().handshake().says(Edge, b"one").says(Origin, b"1").fin(Origin);
        let line = talk.says(Edge, b"two").rst(Origin).line();
        assert_eq!(line.direction.origin.fins[0].acked, 3, "the second request is not acknowledged");
        assert_eq!(line.direction.edge.sent, 6);
    }

    #[test]
    fn a_port_that_is_used_again_is_another_connection() {
        let talk = Conversation::new().handshake().says(Edge, b"a").fin(Edge).fin(Origin).ack(Edge).handshake();
        let (lines, heard) = talk.says(Edge, b"b").hear();
        assert_eq!(lines.iter().map(|line| line.index).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(heard, "E(a) E. O. E(b)");
    }

    #[test]
    fn a_fin_that_only_its_acknowledgment_shows_ends_the_stream() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").says(Origin, b"200").fin(Origin).unseen();
        let (lines, heard) = talk.ack(Edge).says(Edge, b"late").hear();
        assert_eq!((heard.as_str(), lines[0].end()), ("E(GET) O(200) E(late) O.", End::ClosedByOrigin));
        let fin = lines[0].direction.origin.fins[0];
        assert_eq!((fin.unseen, fin.packet.number, fin.offset, fin.acked), (true, 6, 3, 3));
        assert!(lines[0].has_holes());
    }

    #[test]
    fn a_byte_that_was_acknowledged_before_it_was_captured_is_no_fin() {
        let talk = Conversation::new().handshake().says(Origin, b"2").ack(Edge).swapped().ack(Edge);
        assert_eq!(talk.line().end(), End::Open);
        let probe = Conversation::new().ack(Origin).but(|probe| probe.seq = probe.seq.wrapping_sub(1)).ack(Edge);
        assert_eq!(probe.line().end(), End::Open, "a keep-alive probe stands one byte before the next");
    }

    #[test]
    fn a_capture_that_begins_with_a_fin_waits_until_it_is_known_whose_it_is() {
        let (lines, heard) = Conversation::new().fin(Edge).ack(Origin).says(Origin, b"E: asks").hear();
        assert_eq!((heard.as_str(), lines[0].end()), ("E<0> O<0> O. E(E: asks)", End::ClosedByOrigin));
        let (lines, heard) = Conversation::new().fin(Edge).ack(Origin).says(Origin, b"200").hear();
        assert_eq!((heard.as_str(), lines[0].end()), ("E<0> O<0> E. O(200)", End::ClosedByEdge));
    }

    #[test]
    fn what_overtakes_the_syns_waits_for_them() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").says(Origin, b"200").says(Origin, b" OK");
        let (lines, heard) = talk.clone().moved(3, 0).moved(4, 0).hear();
        assert_eq!(heard, "E(GET) O(200) O( OK)");
        assert_eq!((lines.len(), lines[0].start, lines[0].connect.syns.len()), (1, Start::Handshake, 1));
        let (lines, heard) = talk.moved(4, 1).hear();
        assert_eq!((lines.len(), heard.as_str()), (1, "E(GET) O(200) O( OK)"), "the SYN-ACK alone was overtaken");
    }

    #[test]
    fn a_syn_that_was_overtaken_tells_who_is_the_client() {
        let talk = Conversation::new().syn(Origin).but(|syn| syn.flags = 0x02).says(Origin, b"GET").swapped();
        let lines = talk.but(|syn| syn.after_ms = 0).hear().0;
        assert_eq!((lines.len(), lines[0].endpoint.edge.port), (1, 80));
    }

    #[test]
    fn a_late_copy_of_a_syn_whose_first_was_missed_begins_no_other_connection() {
        let talk = Conversation::new().handshake().says(Edge, b"lost").unseen().says(Origin, b"200");
        let (syn, rest) = talk.says(Edge, b"GET").split(1);
        let late = syn.but(|syn| syn.after_ms = 500);
        let (lines, heard) = rest.skip(2).followed_by(late).hear();
        assert_eq!((lines.len(), heard.as_str()), (1, "E<0> O<0> O(200) E(GET)"));
        assert_eq!(lines[0].direction.edge.missed_by_capture, 4, "the SYN says that bytes came before");
    }

    #[test]
    fn what_overtakes_the_syn_of_the_next_connection_is_not_the_closed_ones() {
        let closed = Conversation::new().handshake().says(Edge, b"a").rst(Edge);
        let next = |told: &mut super::super::testing::Told| told.seq += 500_000;
        let talk = closed.clone().syn(Edge).but(next).ack(Edge).but(next).swapped().but(|syn| syn.after_ms = 0);
        let (lines, _) = talk.hear();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].direction.edge.rsts[0].sender, RstSender::Claimed);
        assert!(lines[1].connect.established());
        let unseen = closed.ack(Edge).but(next).ack(Edge).but(next).says(Edge, b"b").but(next).line();
        assert_eq!(unseen.direction.edge.rsts[0].sender, RstSender::Claimed, "the next SYN was missed");
    }

    #[test]
    fn what_may_have_been_made_before_the_reset_is_no_carrying_on() {
        let talk = Conversation::new().handshake().says(Edge, b"a").says(Origin, b"b").fin(Origin).unseen();
        let reset = talk.ack(Edge).rst(Origin).but(|rst| (rst.flags, rst.id) = (0x04, 0));
        let fin = |fin: &mut super::super::testing::Told| (fin.seq, fin.after_ms) = (fin.seq.wrapping_sub(1), 50);
        let line = reset.fin(Origin).but(fin).line();
        assert_eq!(line.direction.origin.rsts[0].sender, RstSender::Claimed);
    }

    #[test]
    fn a_repeated_syn_begins_nothing() {
        let line = Conversation::new().syn(Edge).again().but(|syn| syn.after_ms = 1_000).line();
        assert_eq!(line.connect.syns.len(), 2);
        assert_eq!(line.start, Start::Unanswered);
    }

    #[test]
    fn a_host_that_answers_a_syn_anew_has_forgotten_its_first_answer() {
        let knock = Conversation::new().syn(Edge).syn(Origin);
        let again = knock.clone().each(|told| (told.after_ms, told.id) = (1_000, told.id + 7));
        let anew = again.but(|syn_ack| syn_ack.seq = 77_000);
        let open = knock.clone().followed_by(anew.clone()).line();
        assert_eq!((open.start, open.connect.syns.len(), open.connect.syn_acks.len()), (Start::Unanswered, 2, 2));
        let number = |told: &mut super::super::testing::Told| told.ack = 77_001;
        let talk = knock.followed_by(anew).ack(Edge).but(number).says(Edge, b"GET").but(number);
        let (lines, heard) = talk.says(Origin, b"200").but(|answer| answer.seq = 77_001).hear();
        assert_eq!((lines.len(), heard.as_str(), lines[0].start), (1, "E(GET) O(200)", Start::Handshake));
    }

    #[test]
    fn a_syn_that_meets_an_earlier_connection_and_comes_again_is_one_connection() {
        let earlier = |told: &mut super::super::testing::Told| {
            (told.seq, told.ack) = (told.seq.wrapping_add(900_000), told.ack + 90_000_000)
        };
        let knock = Conversation::new().syn(Edge).ack(Origin).but(earlier);
        let again = knock.clone().each(|told| (told.after_ms, told.id) = (1_000, told.id + 9));
        let line = knock.followed_by(again).line();
        assert_eq!((line.start, line.connect.syns.len(), line.direction.origin.packets), (Start::Unanswered, 2, 2));
        assert_eq!((line.direction.edge.acked, line.direction.edge.missed_by_capture), (0, 0));
    }

    #[test]
    fn a_syn_answered_by_a_reset_is_refused() {
        let line = Conversation::new().syn(Edge).rst(Origin).line();
        assert_eq!((line.start, line.end()), (Start::Refused, End::Refused));
        assert_eq!(line.direction.origin.rsts[0].look, RstLook::Refusal);
    }

    #[test]
    fn what_a_syn_brings_is_the_first_of_its_stream() {
        let open = Conversation::new().syn_says(b"GET").syn(Origin).ack(Edge).says(Origin, b"200").ack(Edge);
        let talk = open.says(Edge, b"GET2").says(Origin, b"200").fin(Origin).each(|told| told.after_ms = 0);
        let heard = "E(GET) O(200) E(GET2) O(200) O.";
        assert_eq!(talk.clone().hear().1, heard);
        for place in 1..5 {
            let (lines, late) = talk.clone().moved(0, place).hear();
            assert_eq!((lines.len(), late.as_str()), (1, heard), "the SYN at place {place}");
            assert_eq!((lines[0].start, lines[0].direction.edge.missed_by_capture), (Start::Handshake, 0));
            assert_eq!((lines[0].direction.edge.sent, lines[0].direction.edge.acked), (7, 7));
        }
        let last = Conversation::new().syn_says(b"GET").syn(Origin).fin(Edge).says(Origin, b"200").fin(Origin);
        assert_eq!(last.skip(1).hear().1, "E<0> E. O(200) O.", "the edge sends no more");
        let (_, unseen) = talk.skip(1).hear();
        assert_eq!(unseen, "E<0> O(200) E(GET2) O(200) O.", "a question in a SYN that the capture does not hold");
    }

    #[test]
    fn what_a_syn_brings_and_nobody_takes_comes_again() {
        let talk = Conversation::new().syn_says(b"GET").syn(Origin).but(|syn_ack| syn_ack.ack -= 3);
        let again = talk.says(Edge, b"GET").but(|again| again.seq -= 3);
        let (lines, heard) = again.says(Origin, b"200").but(|answer| answer.ack -= 3).hear();
        assert_eq!((heard.as_str(), lines[0].direction.edge.bytes), ("E(GET) O(200)", 3));
    }

    #[test]
    fn a_syn_with_data_is_refused_and_unanswered_as_any_other() {
        let asked = Conversation::new().syn_says(b"GET");
        let refused = asked.clone().rst(Origin).line();
        assert_eq!((refused.start, refused.end()), (Start::Refused, End::Refused));
        assert_eq!(refused.direction.origin.rsts[0].look, RstLook::Refusal);
        let repeated = asked.again().but(|syn| (syn.after_ms, syn.payload) = (1_000, b""));
        assert_eq!(repeated.line().start, Start::Unanswered);
    }

    #[test]
    fn a_reset_that_acknowledges_data_is_no_answer_to_the_syn() {
        let talk = Conversation::new().syn(Edge).syn(Origin).unseen().ack(Edge).unseen();
        let line = talk.says(Edge, b"GET").unseen().rst(Origin).line();
        assert_eq!((line.start, line.connect.syns.len()), (Start::Handshake, 1));
    }

    #[test]
    fn a_capture_that_begins_late_tells_the_roles_by_the_port() {
        let (lines, heard) = Conversation::new().says(Origin, b"tail").says(Edge, b"next").hear();
        assert_eq!((lines[0].start, lines[0].endpoint.origin.port), (Start::MidStream, 80));
        assert_eq!(heard, "E<0> O<0> O(tail) E(next)");
    }

    #[test]
    fn bytes_that_were_acknowledged_but_never_seen_are_the_captures_loss() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").says(Origin, b"lost").unseen();
        let (lines, heard) = talk.says(Origin, b"tail").ack(Edge).ack(Edge).but(|ack| ack.after_ms = 50).hear();
        assert_eq!(heard, "E(GET) O<4> O(tail)");
        assert_eq!(lines[0].direction.origin.missed_by_capture, 4);
        assert_eq!(lines[0].direction.origin.lost, 0);
    }

    #[test]
    fn a_packet_captured_twice_is_no_retransmission() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").again().but(|twin| twin.after_ms = 0);
        let line = talk.line();
        assert_eq!((line.copies.packets, line.direction.edge.segments.retransmitted), (1, 0));
    }

    #[test]
    fn bytes_sent_again_and_again_are_stuck() {
        let later = |copy: &mut super::super::testing::Told| {
            copy.after_ms = 300;
            copy.id += 1;
        };
        let talk = Conversation::new().handshake().says(Edge, b"GET").again().but(later).again().but(later);
        let stuck = talk.line().direction.edge.stuck.expect("never acknowledged");
        assert_eq!((stuck.sends, stuck.len, stuck.first.number), (3, 3, 4));
    }

    #[test]
    fn a_reset_with_the_senders_own_ttl_is_the_senders() {
        let line = Conversation::new().handshake().says(Edge, b"GET").ack(Origin).rst(Origin).line();
        let rst = &line.direction.origin.rsts[0];
        assert_eq!((rst.sender, rst.look), (RstSender::Claimed, RstLook::Abort));
    }

    #[test]
    fn a_reset_with_a_foreign_ttl_is_forged() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").ack(Origin);
        let line = talk.rst(Origin).but(|rst| rst.ttl = 243).line();
        assert_eq!(line.direction.origin.rsts[0].sender, RstSender::Middlebox);
    }

    #[test]
    fn a_sender_that_carries_on_did_not_send_its_reset() {
        let talk = Conversation::new().handshake().says(Edge, b"GET").rst(Origin).says(Origin, b"200 OK");
        let rst = &talk.line().direction.origin.rsts[0];
        assert_eq!(rst.sender, RstSender::Middlebox);
        assert!(matches!(rst.signs.last(), Some(RstSign::SenderCarriesOn { packet }) if packet.number == 6));
    }
}
