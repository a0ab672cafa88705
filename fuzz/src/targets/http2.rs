//! HTTP/2: frames, HPACK, streams.

use pcap520::http::h2::Http2;

use super::super::dialogue;
use super::http1::check;

/// Plays a dialogue to the wing of HTTP/2.
pub fn run(data: &[u8]) {
    check(&dialogue::play(data, &mut Http2::new()), data);
}
