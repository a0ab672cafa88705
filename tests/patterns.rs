//! Patterns: what the failed requests have in common and the others have not. Each trait is made alone, and none of
//! the other patterns may be told of it.

use std::path::Path;

use etherparse::PacketBuilder;
use pcap520::analysis::{Analysis, Options, Records};
use pcap520::capture::{LinkType, Packet};
use pcap520::timeline::{Peer, Time};

/// One connection with one request, or two.
#[derive(Clone)]
struct Talk {
    server: [u8; 4],
    target: String,
    /// Seconds since the beginning of a day.
    at_s: i64,
    body: usize,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Answered,
    /// The origin closes in the middle of the body.
    Cut,
    /// A stranger with this TTL resets in the origin's name, and the origin answers all the same.
    ForgedReset(u8),
    /// The edge asks again when the origin closes after a second of idleness.
    Raced,
}

impl Default for Talk {
    fn default() -> Self {
        Self { server: [10, 0, 0, 2], target: "/".to_owned(), at_s: 0, body: 500, fate: Fate::Answered }
    }
}

/// 40 requests over two servers, ten paths and eight hours; each is changed by its number.
fn crowd(change: impl Fn(usize, &mut Talk)) -> Vec<Talk> {
    let talk = |nth: usize| {
        let mut talk = Talk {
            server: [10, 0, 0, 2 + (nth % 2) as u8],
            target: format!("/p{}/{nth}", nth % 10),
            at_s: (nth % 8) as i64 * 3_600 + nth as i64,
            ..Talk::default()
        };
        change(nth, &mut talk);
        talk
    };
    (0..40).map(talk).collect()
}

/// Kind and sentence of each pattern.
fn patterns(talks: &[Talk]) -> Vec<(&'static str, String)> {
    let mut packets: Vec<(i64, Vec<u8>)> =
        talks.iter().zip(40_000..).flat_map(|(talk, port)| Connection::of(talk, port).packets).collect();
    packets.sort_by_key(|(time, _)| *time);
    let mut analysis = Analysis::new(Options { records: Records::OfIncidents, ..Options::default() });
    for (nth, (time, data)) in packets.iter().enumerate() {
        let (number, wire_len) = (nth as u64 + 1, data.len() as u32);
        analysis.packet(&Packet { number, time: Time(*time), link: LinkType::EN10MB, wire_len, data });
    }
    let failed = talks.iter().filter(|talk| talk.fate != Fate::Answered).count();
    let verdict = analysis.finish();
    assert_eq!(verdict.incidents.len(), failed, "each fault gives one incident");
    let causes: std::collections::BTreeSet<_> = verdict.incidents.iter().map(|it| it.finding.cause.0).collect();
    assert!(causes.len() <= 1, "{causes:?}: {}", verdict.incidents[0].finding.summary);
    verdict.patterns.into_iter().map(|pattern| (pattern.kind, pattern.summary)).collect()
}

/// The only pattern.
fn pattern(talks: &[Talk]) -> (&'static str, String) {
    let mut found = patterns(talks);
    assert_eq!(found.len(), 1, "{found:#?}");
    found.remove(0)
}

#[test]
fn failures_without_a_common_trait_have_no_pattern() {
    assert_eq!(
        patterns(&crowd(|nth, talk| if nth % 3 == 0 {
            talk.fate = Fate::Cut
        })),
        []
    );
}

#[test]
fn four_failures_are_no_pattern() {
    let talks = crowd(|nth, talk| {
        if nth < 4 {
            (talk.fate, talk.server, talk.target) = (Fate::Cut, [10, 0, 0, 9], "/one".to_owned());
        }
    });
    assert_eq!(patterns(&talks), []);
}

#[test]
fn one_server() {
    let talks = crowd(|nth, talk| {
        if nth % 4 == 1 {
            talk.fate = Fate::Cut
        }
    });
    let (kind, summary) = pattern(&talks);
    assert_eq!(kind, "one-server");
    assert_eq!(summary, "All 10 truncated-response incidents went to 10.0.0.3:80, which served 20 of 40 exchanges.");
}

#[test]
fn one_path() {
    let talks = crowd(|nth, talk| {
        if nth % 5 == 0 {
            (talk.fate, talk.target) = (Fate::Cut, format!("/api/cart/{nth}?token=abc"));
        }
    });
    let (kind, summary) = pattern(&talks);
    assert_eq!(kind, "one-path");
    assert!(summary.starts_with("All 8 truncated-response incidents are for /api/cart/…; 8 of 40"), "{summary}");
}

#[test]
fn large_responses() {
    let talks = crowd(|nth, talk| {
        if nth % 5 == 0 {
            (talk.fate, talk.body) = (Fate::Cut, 200_000)
        }
    });
    let (kind, summary) = pattern(&talks);
    assert_eq!(kind, "large-responses");
    assert!(summary.ends_with("had more than 64 KiB of response body; 8 of 40 exchanges have."), "{summary}");
}

#[test]
fn one_hour() {
    let talks = crowd(|nth, talk| {
        if nth % 5 == 0 {
            (talk.fate, talk.at_s) = (Fate::Cut, 23 * 3_600 + nth as i64)
        }
    });
    let (kind, summary) = pattern(&talks);
    assert_eq!(kind, "one-hour");
    assert!(summary.ends_with("began between 23:00 and 00:00 UTC, as 8 of 40 exchanges did."), "{summary}");
}

#[test]
fn one_ttl_of_resets() {
    let talks = crowd(|nth, talk| {
        if nth % 5 == 0 {
            talk.fate = Fate::ForgedReset(250)
        }
    });
    let (kind, summary) = pattern(&talks);
    assert_eq!(kind, "one-reset-ttl");
    assert!(summary.ends_with("the resets came with TTL 250; the origin's own packets have 64."), "{summary}");
}

#[test]
fn the_idle_timeout_of_the_origin() {
    let talks = crowd(|nth, talk| {
        if nth % 4 == 1 {
            talk.fate = Fate::Raced
        }
    });
    let found = patterns(&talks);
    let kinds: Vec<_> = found.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["idle-timeout", "one-server"]);
    assert!(found[0].1.contains("10.0.0.3:80 closed 10 idle connections after 1.0"), "{}", found[0].1);
    assert!(found[0].1.ends_with("the edge keeps them for 900 s."), "{}", found[0].1);
}

/// A capture of one refused certificate, seen on five servers.
#[test]
fn one_certificate_on_several_servers() {
    let folder = tempfile::tempdir().unwrap();
    let original = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(CERTIFICATE)).unwrap();
    let server = server_of(&original);
    let files: Vec<String> = (1..=5)
        .map(|nth| {
            let path = folder.path().join(format!("{nth}.pcap"));
            std::fs::write(&path, moved(&original, server, [10, 99, 0, nth])).unwrap();
            path.to_str().unwrap().to_owned()
        })
        .collect();
    let done = assert_cmd::Command::new(env!("CARGO_BIN_EXE_pcap520"))
        .args(["analyze", "-q", "--format", "json"])
        .args(files)
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    let found: Vec<_> = report["patterns"].as_array().unwrap().iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert!(found.contains(&"one-certificate"), "{found:?}");
    let told = report["patterns"].as_array().unwrap().iter().find(|it| it["kind"] == "one-certificate").unwrap();
    let summary = told["summary"].as_str().unwrap();
    assert!(
        summary.contains("tls-cert-expired incidents were shown the certificate of ")
            && summary.contains("valid until")
    );
}

const CERTIFICATE: &str = "testdata/corpus/tls/tls--cert--expired-12.pcap";

/// Destination of the first packet, a SYN: Ethernet, IPv4.
fn server_of(pcap: &[u8]) -> [u8; 4] {
    pcap[24 + 16 + 30..][..4].try_into().unwrap()
}

/// The same packets with another server.
fn moved(pcap: &[u8], from: [u8; 4], to: [u8; 4]) -> Vec<u8> {
    let mut bytes = pcap.to_vec();
    let mut at = 24;
    while at < bytes.len() {
        let len = u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
        for place in [at + 16 + 26, at + 16 + 30] {
            if bytes[place..place + 4] == from {
                bytes[place..place + 4].copy_from_slice(&to);
            }
        }
        at += 16 + len;
    }
    bytes
}

/// The packets of one connection.
struct Connection {
    server: [u8; 4],
    port: u16,
    next: [u32; 2],
    now: i64,
    packets: Vec<(i64, Vec<u8>)>,
}

impl Connection {
    fn of(talk: &Talk, port: u16) -> Self {
        let now = talk.at_s * 1_000_000_000;
        let mut own = Self { server: talk.server, port, next: [1_000, 90_000], now, packets: Vec::new() };
        own.segment(Peer::Edge, "S", b"", 57);
        own.segment(Peer::Origin, "S", b"", 64);
        own.segment(Peer::Edge, "", b"", 57);
        let request = format!("GET {} HTTP/1.1\r\nHost: shop.example\r\n\r\n", talk.target);
        own.says(Peer::Edge, request.as_bytes());
        let sent = if talk.fate == Fate::Cut { talk.body - 100 } else { talk.body };
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", talk.body);
        if let Fate::ForgedReset(ttl) = talk.fate {
            own.segment(Peer::Origin, "R", b"", ttl);
            own.says(Peer::Origin, head.as_bytes());
            return own;
        }
        own.says(Peer::Origin, &[head.as_bytes(), &vec![b'a'; sent]].concat());
        match talk.fate {
            Fate::Raced => {
                own.now += 1_000_000_000;
                own.segment(Peer::Origin, "F", b"", 64);
                own.next[1] -= 1;
                own.segment(Peer::Edge, "", request.as_bytes(), 57);
                own.next[1] += 1;
                own.segment(Peer::Origin, "R", b"", 64);
            }
            Fate::Cut => {
                own.segment(Peer::Origin, "F", b"", 64);
                own.segment(Peer::Edge, "F", b"", 57);
                own.segment(Peer::Origin, "", b"", 64);
            }
            _ => {
                own.segment(Peer::Edge, "F", b"", 57);
                own.segment(Peer::Origin, "F", b"", 64);
                own.segment(Peer::Edge, "", b"", 57);
            }
        }
        own
    }

    fn says(&mut self, from: Peer, bytes: &[u8]) {
        for piece in bytes.chunks(16_000) {
            self.segment(from, "", piece, if from == Peer::Edge { 57 } else { 64 });
            self.segment(from.other(), "", b"", if from == Peer::Edge { 64 } else { 57 });
        }
    }

    fn segment(&mut self, from: Peer, flags: &str, payload: &[u8], ttl: u8) {
        let (own, other) = (from as usize, from.other() as usize);
        let ends = [([172, 68, 0, 1], self.port), (self.server, 80)];
        let ((source, source_port), (destination, port)) = (ends[own], ends[other]);
        let mut tcp = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(source, destination, ttl).tcp(
            source_port,
            port,
            self.next[own],
            60_000,
        );
        if !(flags == "S" && from == Peer::Edge) {
            tcp = tcp.ack(self.next[other]);
        }
        tcp = match flags {
            "S" => tcp.syn(),
            "F" => tcp.fin(),
            "R" => tcp.rst(),
            _ => tcp,
        };
        let mut packet = Vec::with_capacity(tcp.size(payload.len()));
        tcp.write(&mut packet, payload).unwrap();
        self.packets.push((self.now, packet));
        self.now += 1_000_000;
        self.next[own] += payload.len() as u32 + u32::from(matches!(flags, "S" | "F"));
    }
}
