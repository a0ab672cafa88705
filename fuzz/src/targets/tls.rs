//! TLS with keys, and HTTP inside it.

use std::cell::OnceCell;

use pcap520::http::Http;
use pcap520::tcp::Application;
use pcap520::timeline::{Mark, Peer, Timeline};
use pcap520::tls::{KeyLog, Session, TrustAnchors};

use super::super::dialogue;
use super::super::seeds;

/// Plays a dialogue to a TLS session that has the keys of all captures in `testdata`.
pub fn run(data: &[u8]) {
    thread_local! {
        static KNOWN: OnceCell<(KeyLog, TrustAnchors)> = const { OnceCell::new() };
    }
    KNOWN.with(|known| {
        let (keys, trust) = known.get_or_init(|| {
            let keys = KeyLog::new();
            seeds::key_logs().iter().for_each(|text| keys.add(text));
            (keys, TrustAnchors::bundled())
        });
        let mut layers = Layers { tls: Session::new(keys.clone(), trust.clone()), http: Http::new() };
        let line = dialogue::play(data, &mut layers);
        let alerts = line.tls.as_ref().map_or(0, |tls| tls.alerts.len());
        assert!(alerts <= data.len(), "an alert has bytes");
    });
}

struct Layers {
    tls: Session,
    http: Http,
}

impl Application for Layers {
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        self.tls.data(line, from, bytes, start, &mut self.http);
    }

    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark) {
        self.tls.gap(line, from, len, start, &mut self.http);
    }

    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, at: Mark) {
        self.tls.end_of_stream(line, from, at, &mut self.http);
        self.http.end_of_stream(line, from, at);
    }

    fn finish(&mut self, line: &mut Timeline) {
        self.tls.finish(line, &mut self.http);
        self.http.finish(line);
    }
}
