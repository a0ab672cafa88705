//! Capture readers: pcap, pcapng, gzip, zstd.

use pcap520::capture::{Input, Item, Writer};

use super::scratch;

/// Reads a file to its end. Packets are counted, in their file, and no longer than they say; what is read can be written
/// and read again.
pub fn run(data: &[u8]) {
    scratch::with_file(data, |path| {
        let Ok(mut input) = Input::open(&[path.to_owned()]) else { return };
        let mut number = 0;
        let mut copy = Writer::new(Vec::new(), "fuzz", "").expect("a vector takes all");
        loop {
            let packet = match input.next_item() {
                Ok(Some(Item::Packet(packet))) => packet,
                Ok(Some(Item::Secrets(text))) => {
                    copy.secrets(text).expect("a vector takes all");
                    continue;
                }
                Ok(None) => break,
                Err(error) => return drop(error.to_string()),
            };
            assert!(packet.number > number, "numbers rise");
            number = packet.number;
            assert!(packet.wire_len as usize >= packet.data.len());
            let (time, wire_len, data) = (packet.time, packet.wire_len, packet.data.to_vec());
            let (_, interface) = input.interface().expect("a packet came from an interface");
            let id = copy.interface(interface, "").expect("a vector takes all");
            copy.packet(id, time, wire_len, &data, &[]).expect("a vector takes all");
        }
        for summary in input.summaries() {
            assert!(summary.packets <= number);
            drop(summary.problems());
        }
        assert_eq!(input.total_bytes(), Some(data.len() as u64));
        assert!(input.bytes_read() <= data.len() as u64);
    });
}
