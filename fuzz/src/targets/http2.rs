//! HTTP/2: frames, HPACK, streams.

use pcap520::http::h2::Http2;
use pcap520::tcp::Application;
use pcap520::timeline::{Mark, Peer, Timeline};

use super::super::dialogue;
use super::http1::check;

/// Plays a dialogue to the wing of HTTP/2.
pub fn run(data: &[u8]) {
    check(&dialogue::play(data, &mut Wing(Http2::new())), data);
}

struct Wing(Http2);

impl Application for Wing {
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        self.0.data(line, from, bytes, start);
    }

    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark) {
        self.0.gap(line, from, len, start);
    }

    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, at: Mark) {
        self.0.end_of_stream(line, from, at);
    }

    fn finish(&mut self, line: &mut Timeline) {
        self.0.finish(line);
    }
}
