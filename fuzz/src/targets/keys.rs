//! What the user gives beside the capture, and a pcapng file may hold: key logs and certificates.

use pcap520::tls::{KeyLog, TrustAnchors};

pub fn run(data: &[u8]) {
    let keys = KeyLog::new();
    keys.add(data);
    let lines = data.split(|byte| *byte == b'\n').count() as u64;
    assert!(keys.len() as u64 + keys.bad_lines() + keys.given_up() <= lines, "a secret takes a line");
    let none = TrustAnchors::bundled();
    if let Ok(more) = none.with_pem(data) {
        assert!(more.len() >= none.len());
    }
}
