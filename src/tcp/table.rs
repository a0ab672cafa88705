//! All connections that are open at one time.

use std::collections::VecDeque;

use super::application::{Application, Records};
use super::connection::Connection;
use super::flow::{FlowKey, Flows, destination, source};
use super::gone::Gone;
use super::knock::Knock;
use super::memory::{self, MaxMemory};
use super::roles::Roles;
use super::spare::Beginning;
use super::stage::{Stage, Stages};
use super::watch::{Looks, Seen, Watch};
use crate::timeline::{Endpoint, PacketRef, Time, Unreachable};
use crate::wire::{IcmpError, Segment};

/// How long a closed connection is kept for its stragglers: late retransmissions, resets, requests that crossed
/// the close. Its ends wait as long (Linux; RFC 9293 section 3.10.8 has twice the life of a segment).
const LINGER_NS: i64 = 60_000_000_000;

/// Closed connections that are kept at one time.
const LINGER_LIMIT: usize = 1024;

/// Connections that began with a SYN among which those that are only being opened are kept: a SYN flood holds no more.
pub(super) const HALF_OPEN_LIMIT: usize = 4096;

/// The connections of a capture while it is read.
pub struct Table<A> {
    pub(super) slots: Vec<Option<Slot<A>>>,
    free: Vec<u32>,
    flows: Flows,
    last: Option<(FlowKey, u32)>,
    closed: VecDeque<Queued>,
    /// No closed connection is given up before this time, but where there are too many.
    lingers_until: Time,
    /// Slot and index of all that began with a SYN, oldest first.
    begun: VecDeque<(u32, u32)>,
    gone: Gone,
    pub(super) stages: Stages<A>,
    next_index: u32,
    connections: u64,
    roles: Roles,
    memory: memory::Watch,
    pub(super) looks: Option<Looks>,
}

pub(super) struct Slot<A> {
    key: FlowKey,
    /// Number of the connection.
    pub(super) index: u32,
    /// It stands in the queue of closed ones.
    queued: bool,
    pub(super) seen: Seen,
    pub(super) stage: Stage<A>,
}

impl<A: Application> Slot<A> {
    /// Puts the connection among the closed ones, once it is.
    #[inline]
    fn queue_closed(&mut self, slot: u32, now: Time, closed: &mut VecDeque<Queued>) {
        if self.queued || !self.stage.closed() {
            return;
        }
        self.queued = true;
        if let Stage::Open(connection) = &mut self.stage {
            connection.trim();
        }
        closed.push_back(Queued { slot, index: self.index, since: now });
    }
}

/// A slot in a queue, with the index of the connection that it held then: slots are used again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) slot: u32,
    pub(super) index: u32,
    pub(super) since: Time,
}

impl<A: Application> Table<A> {
    /// An empty table.
    #[must_use]
    pub fn new(roles: Roles, memory: MaxMemory) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            flows: Flows::default(),
            last: None,
            closed: VecDeque::new(),
            lingers_until: Time(i64::MIN),
            begun: VecDeque::with_capacity(HALF_OPEN_LIMIT + 1),
            gone: Gone::default(),
            stages: Stages::default(),
            next_index: 0,
            connections: 0,
            roles,
            memory: memory::Watch::new(memory),
            looks: None,
        }
    }

    /// An empty table that can be asked to [`Table::look`] at connections before their end.
    #[must_use]
    pub fn watching(roles: Roles, memory: MaxMemory, watch: Watch) -> Self {
        Self { looks: Some(Looks::new(watch)), ..Self::new(roles, memory) }
    }

    /// Connections that are kept at this time, those that were closed a moment ago included.
    #[must_use]
    pub fn open_connections(&self) -> u64 {
        self.slots.len().saturating_sub(self.free.len()) as u64
    }

    /// Connections seen so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Takes one segment. `app` makes the layers above a new connection; `records` receives every connection
    /// that is given up for good.
    #[inline(always)]
    pub fn segment(
        &mut self,
        packet: PacketRef,
        segment: &Segment<'_>,
        app: impl Fn() -> A,
        records: &mut impl Records,
    ) {
        self.retire(packet.time, &app, records);
        if self.memory.is_due() {
            self.bound_memory(&app, records);
        }
        let (source, destination) = (source(segment), destination(segment));
        let key = FlowKey::new(source, destination);
        let Some(slot) = self.find(key) else {
            if self.gone.holds(key, segment) {
                return;
            }
            return self.open(key, packet, segment, &app, records);
        };
        let Some(entry) = self.slots.get_mut(slot as usize).and_then(Option::as_mut) else { return };
        if !entry.stage.is_open() {
            let briefly = || self.looks.is_none() && !records.wants_all();
            if self.stages.take_early(&mut entry.stage, source, packet, segment, briefly) {
                return entry.queue_closed(slot, packet.time, &mut self.closed);
            }
            let _ = self.stages.open_in_place(&mut entry.stage, &app);
        }
        let Stage::Open(connection) = &mut entry.stage else { return };
        let from = connection.peer_at(source);
        if segment.flags.syn() && connection.is_replaced_by(from, packet, segment) {
            let begun_by = connection.syn_answered_by(segment);
            let early = connection.hand_over(segment);
            self.remove(slot, &app, records);
            self.open(key, packet, segment, &app, records);
            if begun_by.is_none() && early.is_none() {
                return;
            }
            let entry = self.find(key).and_then(|slot| self.slots.get_mut(slot as usize)?.as_mut());
            if let Some(connection) = entry.and_then(|entry| self.stages.open_in_place(&mut entry.stage, &app)) {
                connection.began_before(begun_by, early);
            }
            return;
        }
        connection.segment(from, packet, segment);
        entry.queue_closed(slot, packet.time, &mut self.closed);
        if self.looks.is_some() {
            self.notice(slot, packet.time);
        }
    }

    /// Takes an ICMP error that quotes a segment.
    pub fn icmp(&mut self, packet: PacketRef, error: &IcmpError, app: impl Fn() -> A) {
        let quoted = &error.quoted;
        let source = Endpoint { address: quoted.source, port: quoted.source_port };
        let destination = Endpoint { address: quoted.destination, port: quoted.destination_port };
        let Some(slot) = self.find(FlowKey::new(source, destination)) else { return };
        let entry = self.slots.get_mut(slot as usize).and_then(Option::as_mut);
        let Some(connection) = entry.and_then(|entry| self.stages.open_in_place(&mut entry.stage, app)) else {
            return;
        };
        let about = connection.peer_at(source);
        connection.unreachable(
            about,
            Unreachable {
                packet,
                from: error.ip.source,
                about,
                kind: error.kind,
                code: error.code,
                v6: error.v6,
                mtu: error.mtu,
            },
        );
        self.notice(slot, packet.time);
    }

    /// Ends every connection that is left, in order of their index.
    pub fn finish(&mut self, app: impl Fn() -> A, records: &mut impl Records) {
        let mut left: Vec<_> = std::mem::take(&mut self.slots).into_iter().flatten().collect();
        self.flows = Flows::default();
        self.free = Vec::new();
        self.last = None;
        left.sort_unstable_by_key(|slot| slot.index);
        for slot in left {
            self.end(slot, &app, records);
        }
    }

    #[inline]
    fn find(&mut self, key: FlowKey) -> Option<u32> {
        if let Some((last, slot)) = self.last
            && last == key
        {
            return Some(slot);
        }
        let slot = self.flows.find(&key, key_in(&self.slots))?;
        self.last = Some((key, slot));
        Some(slot)
    }

    /// Begins a connection with its first segment.
    fn open(
        &mut self,
        key: FlowKey,
        packet: PacketRef,
        segment: &Segment<'_>,
        app: &impl Fn() -> A,
        records: &mut impl Records,
    ) {
        let index = self.next_index;
        self.next_index = self.next_index.wrapping_add(1);
        self.connections = self.connections.saturating_add(1);
        let (stage, closed) = match Knock::of(index, packet, segment) {
            Some(knock) => (Stage::Knocking(Box::new(knock)), false),
            None => {
                let mut connection = self.connection(index, packet, segment, app());
                let from = connection.peer_at(source(segment));
                connection.segment(from, packet, segment);
                let closed = connection.closed();
                (Stage::Open(connection), closed)
            }
        };
        let slot = self.place(Slot { key, index, queued: closed, seen: Seen::default(), stage });
        if closed {
            self.closed.push_back(Queued { slot, index, since: packet.time });
        }
        if self.looks.is_some() {
            self.opened(Queued { slot, index, since: packet.time }, segment.flags.syn());
        }
        if segment.flags.syn() {
            self.begun.push_back((slot, index));
            self.bound_half_open(app, records);
        }
    }

    /// A connection that `segment` is the first one of, told nothing yet.
    fn connection(&mut self, index: u32, packet: PacketRef, segment: &Segment<'_>, app: A) -> Box<Connection<A>> {
        let (source, destination) = (source(segment), destination(segment));
        let syn = segment.flags.syn();
        let source_is_edge = match (syn, segment.flags.ack()) {
            (true, false) => true,
            (true, true) => false,
            _ => !self.roles.is_server(source, destination),
        };
        let (edge, origin) = if source_is_edge { (source, destination) } else { (destination, source) };
        let roles_open = !syn && !self.roles.names(edge) && !self.roles.names(origin);
        self.stages.spare.begin(&Beginning { index, edge, origin, first: packet, roles_open }, app)
    }

    fn place(&mut self, entry: Slot<A>) -> u32 {
        let key = entry.key;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len().saturating_sub(1) as u32
            }
        };
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Some(entry);
        }
        self.flows.insert(&key, slot, key_in(&self.slots));
        self.last = Some((key, slot));
        slot
    }

    /// Gives up the oldest connections that are only being opened, where there are too many.
    fn bound_half_open(&mut self, app: &impl Fn() -> A, records: &mut impl Records) {
        while self.begun.len() > HALF_OPEN_LIMIT {
            let Some((slot, index)) = self.begun.pop_front() else { return };
            let entry = self.slots.get(slot as usize).and_then(Option::as_ref);
            if entry.is_none_or(|entry| entry.index != index || !entry.stage.half_open()) {
                continue;
            }
            let Some(Slot { stage, .. }) = self.take(slot) else { continue };
            if let Stage::Knocking(knock) = &stage
                && records.given_up(&knock.half_open())
            {
                continue;
            }
            self.give_up(stage, app, records);
        }
    }

    /// Gives up the connections that have been silent for longest, where all take too much memory.
    fn bound_memory(&mut self, app: &impl Fn() -> A, records: &mut impl Records) {
        if !self.memory.is_exceeded(self.slots.iter().flatten().map(|entry| entry.stage.memory())) {
            return;
        }
        let open = self.slots.iter().enumerate().filter_map(|(slot, entry)| {
            let stage = &entry.as_ref()?.stage;
            Some((stage.last()?, slot as u32, stage.memory()))
        });
        let mut open: Vec<(u64, u32, u64)> = open.collect();
        open.sort_unstable();
        let excess = self.memory.excess(open.iter().map(|(.., bytes)| *bytes));
        for (_, slot, _) in open.into_iter().take(excess) {
            if let Some(Slot { stage, .. }) = self.take(slot) {
                self.give_up(stage, app, records);
            }
        }
    }

    fn give_up(&mut self, stage: Stage<A>, app: &impl Fn() -> A, records: &mut impl Records) {
        let mut connection = self.stages.open(stage, app);
        connection.line.given_up = true;
        self.hand_out(connection, records);
    }

    pub(super) fn held_by(&self, queued: Queued) -> Option<&Slot<A>> {
        self.slots.get(queued.slot as usize)?.as_ref().filter(|entry| entry.index == queued.index)
    }

    pub(super) fn held_by_mut(&mut self, queued: Queued) -> Option<&mut Slot<A>> {
        self.slots.get_mut(queued.slot as usize)?.as_mut().filter(|entry| entry.index == queued.index)
    }

    #[inline]
    pub(super) fn retire(&mut self, now: Time, app: &impl Fn() -> A, records: &mut impl Records) {
        if self.closed.len() > LINGER_LIMIT || now >= self.lingers_until {
            self.retire_closed(now, app, records);
        }
    }

    fn retire_closed(&mut self, now: Time, app: &impl Fn() -> A, records: &mut impl Records) {
        while let Some(&oldest) = self.closed.front() {
            if self.closed.len() <= LINGER_LIMIT && now.nanos_since(oldest.since) < LINGER_NS {
                self.lingers_until = Time(oldest.since.0.saturating_add(LINGER_NS));
                return;
            }
            self.closed.pop_front();
            if let Some(key) = self.held_by(oldest).map(|entry| entry.key) {
                self.remove(oldest.slot, app, records);
                self.gone.add(key);
            }
        }
        self.lingers_until = Time(i64::MIN);
    }

    pub(super) fn remove(&mut self, slot: u32, app: &impl Fn() -> A, records: &mut impl Records) {
        if let Some(entry) = self.take(slot) {
            self.end(entry, app, records);
        }
    }

    /// The connection has come to its end.
    fn end(&mut self, entry: Slot<A>, app: &impl Fn() -> A, records: &mut impl Records) {
        let Some(stage) = self.stages.end_ordinary(entry.stage, |line| records.ordinary(line)) else { return };
        let connection = self.stages.open(stage, app);
        self.hand_out(connection, records);
    }

    fn hand_out(&mut self, mut connection: Box<Connection<A>>, records: &mut impl Records) {
        connection.finish();
        records.ended(&mut connection.line);
        self.stages.spare.add(connection);
    }

    fn take(&mut self, slot: u32) -> Option<Slot<A>> {
        let entry = self.slots.get_mut(slot as usize).and_then(Option::take)?;
        self.flows.remove(&entry.key, slot);
        self.last = None;
        self.free.push(slot);
        Some(entry)
    }
}

/// The key of the connection in a slot.
fn key_in<A>(slots: &[Option<Slot<A>>]) -> impl Fn(u32) -> Option<FlowKey> + '_ {
    |slot| Some(slots.get(slot as usize)?.as_ref()?.key)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::super::testing::Scribe;
    use super::*;
    use crate::timeline::{HalfOpen, Start, Timeline};
    use crate::wire::{Flags, Ip, SeqNumber, TcpOptions};

    /// Keeps all that it is handed; half-open connections as it is told to.
    #[derive(Default)]
    struct Kept {
        ended: Vec<Timeline>,
        given_up: Vec<HalfOpen>,
        wants_records: bool,
    }

    impl Records for Kept {
        fn ended(&mut self, line: &mut Timeline) {
            self.ended.push(line.take());
        }

        fn given_up(&mut self, half_open: &HalfOpen) -> bool {
            self.given_up.push(*half_open);
            !self.wants_records
        }
    }

    const SYN: u8 = 0x02;
    const ACK: u8 = 0x10;

    /// A segment of the client with this number.
    fn segment(nth: u32, flags: u8, seq: u32, ack: u32) -> Segment<'static> {
        let source = IpAddr::V4(Ipv4Addr::from_bits(0xac44_0000 + nth));
        let destination = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
        Segment {
            ip: Ip { source, destination, ttl: 60, id: Some(7), dont_fragment: true },
            source_port: 40_000,
            destination_port: 443,
            seq: SeqNumber(seq),
            ack: SeqNumber(ack),
            flags: Flags(flags),
            window: 500,
            urgent: 0,
            options: TcpOptions::new(&[2, 4, 5, 0xb4]),
            payload: &[],
            payload_len: 0,
        }
    }

    /// What the server sends to that client.
    fn answer(nth: u32, seq: u32, ack: u32) -> Segment<'static> {
        let sent = segment(nth, SYN | ACK, seq, ack);
        let ip = Ip { source: sent.ip.destination, destination: sent.ip.source, ..sent.ip };
        Segment { ip, source_port: 443, destination_port: 40_000, ..sent }
    }

    fn told(kept: &mut Kept, segments: impl IntoIterator<Item = Segment<'static>>) -> Table<Scribe> {
        let mut table = Table::new(Roles::default(), MaxMemory::default());
        for (nth, segment) in segments.into_iter().enumerate() {
            let packet = PacketRef { number: nth as u64 + 1, time: Time(nth as i64 * 1_000) };
            table.segment(packet, &segment, Scribe::default, kept);
        }
        table
    }

    #[test]
    fn a_flood_gives_up_its_oldest_and_keeps_the_connection_that_is_let_in() {
        let syns = HALF_OPEN_LIMIT as u32 + 10;
        let mut kept = Kept::default();
        let flood = (0..syns).map(|nth| segment(nth, SYN, nth, 0));
        let real = [answer(syns - 1, 900, syns), segment(syns - 1, ACK, syns, 901)];
        let mut table = told(&mut kept, flood.chain(real));
        assert_eq!(table.connections(), u64::from(syns));
        assert_eq!(kept.given_up.len(), 10);
        assert_eq!((kept.given_up[0].syn.number, kept.given_up[0].packets), (1, 1));
        table.finish(Scribe::default, &mut kept);
        let real = kept.ended.last().expect("the real one");
        assert_eq!((kept.ended.len(), real.index, real.start), (HALF_OPEN_LIMIT, syns - 1, Start::Handshake));
        let numbers = |packets: &[PacketRef]| packets.iter().map(|packet| packet.number).collect::<Vec<_>>();
        assert_eq!(numbers(&real.connect.syns), [u64::from(syns)]);
        assert_eq!(numbers(&real.connect.syn_acks), [u64::from(syns) + 1]);
        assert_eq!((real.rtt_ns, real.direction.edge.mss), (Some(2_000), Some(1_460)));
    }

    #[test]
    fn a_record_of_what_is_given_up_is_there_for_who_wants_it() {
        let mut kept = Kept { wants_records: true, ..Kept::default() };
        let flood = (0..=HALF_OPEN_LIMIT as u32).flat_map(|nth| [segment(nth, SYN, nth, 0), answer(nth, 5, nth + 1)]);
        drop(told(&mut kept, flood));
        assert_eq!((kept.given_up[0].packets, kept.ended.len()), (2, 1));
        let line = &kept.ended[0];
        assert_eq!((line.index, line.start, line.given_up), (0, Start::Unanswered, true));
        assert_eq!((line.direction.edge.packets, line.direction.origin.packets), (1, 1));
    }

    #[test]
    fn where_all_take_too_much_the_most_silent_are_given_up() {
        let mut kept = Kept::default();
        let mut table = Table::new(Roles::default(), MaxMemory(20 * 1_024));
        let others = (0..10).map(|nth| segment(nth, ACK, 5, 7));
        let busy = (0..20_000).map(|nth| segment(77, ACK, nth, 7));
        for (nth, segment) in others.chain(busy).enumerate() {
            let packet = PacketRef { number: nth as u64 + 1, time: Time(nth as i64 * 1_000) };
            table.segment(packet, &segment, Scribe::default, &mut kept);
        }
        let given_up: Vec<_> = kept.ended.iter().map(|line| (line.index, line.given_up)).collect();
        assert_eq!(given_up, [(0, true), (1, true), (2, true), (3, true), (4, true), (5, true), (6, true), (7, true)]);
        table.finish(Scribe::default, &mut kept);
        assert_eq!(kept.ended.iter().skip(8).map(|line| line.index).collect::<Vec<_>>(), [8, 9, 10]);
    }

    #[test]
    fn a_syn_that_is_repeated_is_one_connection() {
        let mut kept = Kept::default();
        let again = Segment { ip: Ip { id: Some(8), ..segment(1, SYN, 5, 0).ip }, ..segment(1, SYN, 5, 0) };
        let mut table = told(&mut kept, [segment(1, SYN, 5, 0), again, segment(1, SYN, 77, 0)]);
        assert_eq!(table.connections(), 2, "another sequence number is another connection");
        table.finish(Scribe::default, &mut kept);
        assert_eq!(kept.ended.iter().map(|line| line.connect.syns.len()).collect::<Vec<_>>(), [2, 1]);
    }
}
