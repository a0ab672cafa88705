//! HTTP/1 and what it is upgraded to.

use pcap520::http::Http;
use pcap520::http::h1::Http1;
use pcap520::timeline::Timeline;

use super::super::dialogue;

/// Plays a dialogue to the wing of HTTP/1 and to the room's own choice of a wing.
pub fn run(data: &[u8]) {
    check(&dialogue::play(data, &mut Http1::default()), data);
    check(&dialogue::play(data, &mut Http::new()), data);
}

/// Exchanges are counted from 1 and bounded by the bytes that they took.
pub fn check(line: &Timeline, data: &[u8]) {
    assert!(line.exchanges.len() as u64 + line.folded <= data.len() as u64, "an exchange has bytes");
}
