//! What finds a connection: its addresses and ports, the same in both directions.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

use hashbrown::HashTable;

use crate::timeline::Endpoint;
use crate::wire::Segment;

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

/// A connection's addresses and ports, the smaller endpoint first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FlowKey {
    /// Both addresses, each in two halves: as one number of 128 bits they would stand on wider borders.
    addresses: [u64; 4],
    ports: u32,
}

impl FlowKey {
    #[inline]
    pub(super) fn new(a: Endpoint, b: Endpoint) -> Self {
        let (a, b) = ((bits(a.address), a.port), (bits(b.address), b.port));
        let ((low, low_port), (high, high_port)) = if a <= b { (a, b) } else { (b, a) };
        Self {
            addresses: [(low >> 64) as u64, low as u64, (high >> 64) as u64, high as u64],
            ports: u32::from(low_port) << 16 | u32::from(high_port),
        }
    }
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [a, b, c, d] = self.addresses;
        state.write_u64(a ^ c.rotate_left(32));
        state.write_u64(b);
        state.write_u64(d);
        state.write_u32(self.ports);
    }
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
