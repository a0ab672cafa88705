//! Packets made by code, for this room's tests.

use std::fs;
use std::path::PathBuf;

use etherparse::{PacketBuilder, PacketBuilderStep, TcpHeader};

use super::{Decoded, Decoder, Reason, Segment};
use crate::capture::{LinkType, Packet};
use crate::timeline::Time;

pub(super) const CLIENT: [u8; 4] = [192, 0, 2, 1];
pub(super) const SERVER: [u8; 4] = [198, 51, 100, 2];
pub(super) const CLIENT_6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
pub(super) const SERVER_6: [u8; 16] = [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];

/// An IPv4 packet with a segment from port 40000 to port 443 that has this payload.
pub(super) fn tcp4(payload: &[u8]) -> Vec<u8> {
    written(PacketBuilder::ipv4(CLIENT, SERVER, 61).tcp(40_000, 443, 1_000, 512), payload)
}

/// The same in IPv6.
pub(super) fn tcp6(payload: &[u8]) -> Vec<u8> {
    written(PacketBuilder::ipv6(CLIENT_6, SERVER_6, 61).tcp(40_000, 443, 1_000, 512), payload)
}

pub(super) fn written(builder: PacketBuilderStep<TcpHeader>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).expect("a vector takes all");
    bytes
}

/// An IPv4 packet of this protocol.
pub(super) fn ip4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let total = (20 + payload.len()) as u16;
    let [high, low] = total.to_be_bytes();
    let head = [0x45, 0, high, low, 0, 7, 0x40, 0, 61, protocol, 0, 0];
    [&head[..], &CLIENT, &SERVER, payload].concat()
}

/// A UDP datagram in IPv4 to this port.
pub(super) fn udp4(port: u16, payload: &[u8]) -> Vec<u8> {
    let ports = [50_000_u16.to_be_bytes(), port.to_be_bytes(), ((8 + payload.len()) as u16).to_be_bytes(), [0, 0]];
    ip4(17, &[ports.as_flattened(), payload].concat())
}

/// An Ethernet frame of this EtherType.
pub(super) fn ethernet(ether_type: u16, payload: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &ether_type.to_be_bytes(), payload].concat()
}

pub(super) fn packet(link: LinkType, data: &[u8]) -> Packet<'_> {
    Packet { number: 1, time: Time(0), link, wire_len: data.len() as u32, data }
}

/// The payload of the segment that the packet holds.
pub(super) fn payload(link: LinkType, data: &[u8]) -> Result<Vec<u8>, Reason> {
    segment(&packet(link, data), |segment| segment.payload.to_vec())
}

/// Looks at the segment that the packet holds.
pub(super) fn segment<T>(packet: &Packet<'_>, look: impl FnOnce(Segment<'_>) -> T) -> Result<T, Reason> {
    match Decoder::new().decode(packet) {
        Decoded::Tcp(segment) => Ok(look(segment)),
        Decoded::Icmp(error) => panic!("an ICMP error: {error:?}"),
        Decoded::Other(reason) => Err(reason),
    }
}

/// A capture of this room's test data.
pub(super) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/wire").join(name)
}

/// All captures of this room's test data.
pub(super) fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir(file("")).expect("the folder is part of the repository");
    let mut paths: Vec<_> = entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "pcap"));
    paths.sort();
    paths
}

/// Numbers without a pattern, the same in every run.
pub(super) struct Noise(pub(super) u64);

impl Noise {
    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() >> 11) as usize % bound
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}
