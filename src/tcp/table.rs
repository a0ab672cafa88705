//! All connections that are open at one time.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::application::Application;
use super::connection::Connection;
use super::roles::Roles;
use super::watch::{Looks, Seen, Watch};
use crate::timeline::{Endpoint, PacketRef, Peer, Time, Timeline, Unreachable};
use crate::wire::{IcmpError, Segment};

/// How long a closed connection is kept for its stragglers: late retransmissions, resets, requests that crossed
/// the close.
const LINGER_NS: i64 = 10_000_000_000;

/// Closed connections that are kept at one time.
const LINGER_LIMIT: usize = 1024;

/// Connections of which only SYNs and SYN-ACKs were seen that are kept at one time: a SYN flood holds no more.
const HALF_OPEN_LIMIT: usize = 4096;

/// A connection's addresses and ports, the smaller endpoint first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FlowKey {
    low: (u128, u16),
    high: (u128, u16),
}

impl FlowKey {
    fn new(a: Endpoint, b: Endpoint) -> Self {
        let (a, b) = ((bits(a.address), a.port), (bits(b.address), b.port));
        if a <= b { Self { low: a, high: b } } else { Self { low: b, high: a } }
    }
}

/// IPv4 addresses lie in their mapped block (RFC 4291 section 2.5.5.2): none is equal to an IPv6 one on the wire.
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The connections of a capture while it is read.
pub struct Table<A> {
    pub(super) slots: Vec<Option<Box<Slot<A>>>>,
    free: Vec<usize>,
    by_flow: HashMap<FlowKey, usize, foldhash::fast::RandomState>,
    last: Option<(FlowKey, usize)>,
    closed: VecDeque<Queued>,
    half_open: VecDeque<Queued>,
    next_index: u32,
    connections: u64,
    roles: Roles,
    pub(super) looks: Option<Looks>,
}

pub(super) struct Slot<A> {
    key: FlowKey,
    pub(super) connection: Connection<A>,
    queued: bool,
    pub(super) seen: Seen,
}

/// A slot in a queue, with the index of the connection that it held then: slots are used again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) slot: usize,
    pub(super) index: u32,
    pub(super) since: Time,
}

impl<A: Application> Table<A> {
    /// An empty table.
    #[must_use]
    pub fn new(roles: Roles) -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_flow: HashMap::default(),
            last: None,
            closed: VecDeque::new(),
            half_open: VecDeque::new(),
            next_index: 0,
            connections: 0,
            roles,
            looks: None,
        }
    }

    /// An empty table that can be asked to [`Table::look`] at connections before their end.
    #[must_use]
    pub fn watching(roles: Roles, watch: Watch) -> Self {
        Self { looks: Some(Looks::new(watch)), ..Self::new(roles) }
    }

    /// Connections that are open at this time, those that were closed a moment ago included.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.by_flow.len() as u64
    }

    /// Connections seen so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// Takes one segment. `app` makes the layers above a new connection; `ended` receives every connection
    /// that is given up for good.
    pub fn segment(
        &mut self,
        packet: PacketRef,
        segment: &Segment<'_>,
        app: impl FnOnce() -> A,
        ended: &mut impl FnMut(Timeline),
    ) {
        self.retire(packet.time, ended);
        let source = Endpoint { address: segment.ip.source, port: segment.source_port };
        let destination = Endpoint { address: segment.ip.destination, port: segment.destination_port };
        let key = FlowKey::new(source, destination);
        let mut slot = self.find(key);
        if let Some(found) = slot
            && segment.flags.syn()
            && self.slot(found).is_some_and(|s| s.connection.is_replaced_by(sender(&s.connection, source), segment))
        {
            self.remove(found, ended);
            slot = None;
        }
        let slot = match slot {
            Some(slot) => slot,
            None => self.open_connection(key, packet, source, destination, segment, app, ended),
        };
        let Some(entry) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let from = sender(&entry.connection, source);
        entry.connection.segment(from, packet, segment);
        if !entry.queued && entry.connection.closed() {
            entry.queued = true;
            self.closed.push_back(Queued { slot, index: entry.connection.line.index, since: packet.time });
        }
        if self.looks.is_some() {
            self.notice(slot, packet.time);
        }
    }

    /// Takes an ICMP error that quotes a segment.
    pub fn icmp(&mut self, packet: PacketRef, error: &IcmpError) {
        let quoted = &error.quoted;
        let source = Endpoint { address: quoted.source, port: quoted.source_port };
        let destination = Endpoint { address: quoted.destination, port: quoted.destination_port };
        let Some(slot) = self.find(FlowKey::new(source, destination)) else { return };
        let Some(entry) = self.slots.get_mut(slot).and_then(Option::as_mut) else { return };
        let about = sender(&entry.connection, source);
        entry.connection.unreachable(
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
    pub fn finish(&mut self, ended: &mut impl FnMut(Timeline)) {
        let mut left: Vec<_> = self.slots.drain(..).flatten().collect();
        self.by_flow.clear();
        self.free.clear();
        self.last = None;
        left.sort_by_key(|slot| slot.connection.line.index);
        for slot in left {
            ended(slot.connection.finish());
        }
    }

    fn slot(&self, slot: usize) -> Option<&Slot<A>> {
        self.slots.get(slot)?.as_deref()
    }

    fn find(&mut self, key: FlowKey) -> Option<usize> {
        if let Some((last, slot)) = self.last
            && last == key
        {
            return Some(slot);
        }
        let slot = *self.by_flow.get(&key)?;
        self.last = Some((key, slot));
        Some(slot)
    }

    #[expect(clippy::too_many_arguments, reason = "one call, at the place where all of them are known")]
    fn open_connection(
        &mut self,
        key: FlowKey,
        packet: PacketRef,
        source: Endpoint,
        destination: Endpoint,
        segment: &Segment<'_>,
        app: impl FnOnce() -> A,
        ended: &mut impl FnMut(Timeline),
    ) -> usize {
        let syn = segment.flags.syn();
        let source_is_edge = match (syn, segment.flags.ack()) {
            (true, false) => true,
            (true, true) => false,
            _ => !self.roles.is_server(source, destination),
        };
        let (edge, origin) = if source_is_edge { (source, destination) } else { (destination, source) };
        let roles_open = !syn && !self.roles.names(edge) && !self.roles.names(origin);
        let line = Timeline::new(self.next_index, edge, origin, packet);
        self.next_index = self.next_index.wrapping_add(1);
        self.connections += 1;
        let index = line.index;
        let entry = Box::new(Slot {
            key,
            connection: Connection::new(line, app(), roles_open),
            queued: false,
            seen: Seen::default(),
        });
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(None);
                self.slots.len() - 1
            }
        };
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some(entry);
        }
        self.by_flow.insert(key, slot);
        self.last = Some((key, slot));
        if let Some(looks) = &mut self.looks {
            looks.opened(Queued { slot, index, since: packet.time }, syn);
        }
        if syn {
            self.half_open.push_back(Queued { slot, index, since: packet.time });
            self.bound_half_open(ended);
        }
        slot
    }

    fn bound_half_open(&mut self, ended: &mut impl FnMut(Timeline)) {
        while self.half_open.len() > HALF_OPEN_LIMIT {
            let Some(oldest) = self.half_open.pop_front() else { return };
            let half_open = |entry: &Slot<A>| entry.connection.half_open();
            if self.held_by(oldest).is_some_and(half_open) {
                if let Some(entry) = self.slots.get_mut(oldest.slot).and_then(Option::as_mut) {
                    entry.connection.line.given_up = true;
                }
                self.remove(oldest.slot, ended);
            }
        }
    }

    fn held_by(&self, queued: Queued) -> Option<&Slot<A>> {
        self.slot(queued.slot).filter(|entry| entry.connection.line.index == queued.index)
    }

    pub(super) fn held_by_mut(&mut self, queued: Queued) -> Option<&mut Slot<A>> {
        let entry = self.slots.get_mut(queued.slot)?.as_deref_mut()?;
        (entry.connection.line.index == queued.index).then_some(entry)
    }

    pub(super) fn retire(&mut self, now: Time, ended: &mut impl FnMut(Timeline)) {
        while let Some(&oldest) = self.closed.front() {
            if self.closed.len() <= LINGER_LIMIT && now.nanos_since(oldest.since) < LINGER_NS {
                return;
            }
            self.closed.pop_front();
            if self.held_by(oldest).is_some() {
                self.remove(oldest.slot, ended);
            }
        }
    }

    pub(super) fn remove(&mut self, slot: usize, ended: &mut impl FnMut(Timeline)) {
        let Some(entry) = self.slots.get_mut(slot).and_then(Option::take) else { return };
        self.by_flow.remove(&entry.key);
        self.last = None;
        self.free.push(slot);
        ended(entry.connection.finish());
    }
}

fn sender<A>(connection: &Connection<A>, source: Endpoint) -> Peer {
    if connection.line.endpoint.edge == source { Peer::Edge } else { Peer::Origin }
}
