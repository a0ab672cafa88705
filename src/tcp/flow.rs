//! What finds a connection: its addresses and ports, the same in both directions.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

use hashbrown::HashTable;

use crate::timeline::Endpoint;
use crate::wire::{Flags, Ip, Segment, SeqNumber, TcpOptions};

/// Where a segment comes from.
#[inline]
pub(super) fn source(segment: &Segment<'_>) -> Endpoint {
    Endpoint { address: segment.ip.source, port: segment.source_port }
}

/// Where a segment goes to.
#[inline]
pub(super) fn destination(segment: &Segment<'_>) -> Endpoint {
    Endpoint { address: segment.ip.destination, port: segment.destination_port }
}

/// A segment with these addresses and ports that says nothing.
pub(super) fn between(source: Endpoint, destination: Endpoint) -> Segment<'static> {
    Segment {
        ip: Ip { source: source.address, destination: destination.address, ..Ip::default() },
        source_port: source.port,
        destination_port: destination.port,
        seq: SeqNumber::default(),
        ack: SeqNumber::default(),
        flags: Flags::default(),
        window: 0,
        urgent: 0,
        options: TcpOptions::default(),
        payload: &[],
        payload_len: 0,
    }
}

/// A connection's addresses and ports, the smaller endpoint first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowKey {
    /// Both addresses in pieces, the most significant first: as wider numbers they would stand on wider borders.
    addresses: [[u32; 4]; 2],
    ports: u32,
}

impl FlowKey {
    #[inline]
    pub(super) fn new(a: Endpoint, b: Endpoint) -> Self {
        if let (IpAddr::V4(from), IpAddr::V4(to)) = (a.address, b.address) {
            return Self::of_ipv4((from.to_bits(), a.port), (to.to_bits(), b.port));
        }
        let (a, b) = ((bits(a.address), a.port), (bits(b.address), b.port));
        let ((low, low_port), (high, high_port)) = if a <= b { (a, b) } else { (b, a) };
        Self { addresses: [pieces(low), pieces(high)], ports: u32::from(low_port) << 16 | u32::from(high_port) }
    }

    /// The same in fewer steps, for addresses in the mapped block.
    #[inline]
    fn of_ipv4(a: (u32, u16), b: (u32, u16)) -> Self {
        let number = |(address, port): (u32, u16)| u64::from(address) << 16 | u64::from(port);
        let (a, b) = (number(a), number(b));
        let (low, high) = (a.min(b), a.max(b));
        let mapped = |number: u64| [0, 0, 0xffff, (number >> 16) as u32];
        Self { addresses: [mapped(low), mapped(high)], ports: (low as u32) << 16 | u32::from(high as u16) }
    }
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [[a, b, c, d], [e, f, g, h]] = self.addresses;
        let pair = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        state.write_u64(pair(a, b) ^ pair(f, e));
        state.write_u64(pair(c, d));
        state.write_u64(pair(g, h));
        state.write_u32(self.ports);
    }
}

#[inline]
fn pieces(address: u128) -> [u32; 4] {
    [(address >> 96) as u32, (address >> 64) as u32, (address >> 32) as u32, address as u32]
}

/// IPv4 addresses lie in their mapped block (RFC 4291 section 2.5.5.2): none is equal to an IPv6 one on the wire.
#[inline]
fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().to_bits(),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// Places by flow. The keys stand in the places themselves: an entry is no more than a number, and thousands of
/// them fit into the processor's nearest cache.
#[derive(Default)]
pub(super) struct Flows {
    places: HashTable<u32>,
    /// Seeded at random: nobody can make keys that all fall into one bucket.
    seed: foldhash::fast::RandomState,
}

impl Flows {
    /// The place whose key `key_of` says to be `key`.
    #[inline]
    pub(super) fn find(&self, key: &FlowKey, key_of: impl Fn(u32) -> Option<FlowKey>) -> Option<u32> {
        let hash = self.seed.hash_one(key);
        self.places.find(hash, |&place| key_of(place).as_ref() == Some(key)).copied()
    }

    /// Adds a place whose key is not there yet.
    pub(super) fn insert(&mut self, key: &FlowKey, place: u32, key_of: impl Fn(u32) -> Option<FlowKey>) {
        let seed = &self.seed;
        let rehash = |&place: &u32| key_of(place).map_or(0, |key| seed.hash_one(key));
        self.places.insert_unique(seed.hash_one(key), place, rehash);
    }

    pub(super) fn remove(&mut self, key: &FlowKey, place: u32) {
        if let Ok(entry) = self.places.find_entry(self.seed.hash_one(key), |&other| other == place) {
            entry.remove();
        }
    }
}
