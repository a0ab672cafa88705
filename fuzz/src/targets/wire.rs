//! One packet decoded.

use pcap520::capture::{LinkType, Packet};
use pcap520::timeline::Time;
use pcap520::wire::{Decoded, Decoder};

use super::super::bytes::Bytes;

/// Decodes packets: each is its link type (2 bytes, 0 for Ethernet), its length (2), bytes that were cut off (1), and its
/// data. One decoder sees them all, because it puts fragments together.
pub fn run(data: &[u8]) {
    let mut bytes = Bytes(data);
    let mut decoder = Decoder::new();
    let mut number = 0_u32;
    while !bytes.is_empty() {
        number += 1;
        let link = LinkType(bytes.u16().max(1));
        let len = usize::from(bytes.u16());
        let cut = u32::from(bytes.u8());
        let data = bytes.take(len);
        let wire_len = data.len() as u32 + cut;
        let time = Time(i64::from(number) * 1_000_000_000);
        match decoder.decode(&Packet { number: number.into(), time, link, wire_len, data }) {
            Decoded::Tcp(segment) => {
                assert!(segment.payload.len() <= segment.payload_len as usize);
                assert!(segment.options.iter().count() <= 40);
                assert!(segment.options.sack_blocks().count() <= 4);
                drop(format!("{} {:?}", segment.flags, segment.options.timestamps()));
            }
            Decoded::Icmp(error) => drop(format!("{error:?}")),
            Decoded::Other(reason) => drop(reason.to_string()),
        }
    }
}
