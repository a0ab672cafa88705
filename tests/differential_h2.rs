//! Holds what we say of HTTP/2 against tshark, on every capture of `testdata` in which it finds HTTP/2: frames by sender and
//! type, the statuses of each stream, RST_STREAM and GOAWAY with their errors. `testdata/http2/oracle.py` asks tshark anew.
//! A difference must stand in `testdata/http2/differences.jsonl`, with the reason for it.

mod oracle;

use oracle::{Difference, assert_explained, connections, lines, manifest, public_captures};
use pcap520::timeline::{Peer, Timeline};
use serde_json::Value;

#[test]
fn our_captures_are_what_tshark_says() {
    let folder = manifest().join("testdata");
    let mut found = Vec::new();
    let mut compared = 0;
    for fact in lines(&folder.join("http2/oracle.jsonl")) {
        let file = fact["file"].as_str().unwrap();
        let ours = Facts::of(&connections(&folder.join(file)));
        let tshark = Facts::told(&fact);
        compared += tshark.frames.iter().map(|(.., count)| count).sum::<u64>();
        let mut differ = |fact: &str, ours: Vec<String>, tshark: Vec<String>| {
            let only = |some: &[String], other: &[String]| -> Vec<String> {
                some.iter().filter(|it| !other.contains(it)).cloned().collect()
            };
            let (ours, tshark) = (only(&ours, &tshark).join(" "), only(&tshark, &ours).join(" "));
            if ours != tshark {
                found.push(Difference { file: file.into(), fact: fact.into(), ours, tshark });
            }
        };
        differ("frames", listed(&ours.frames), listed(&tshark.frames));
        differ("statuses", listed(&ours.statuses), listed(&tshark.statuses));
        differ("closes", listed(&ours.closes), listed(&tshark.closes));
    }
    println!("{compared} frames compared");
    assert!(compared > 500, "{compared}");
    assert_explained(found, &folder.join("http2/differences.jsonl"), |_| true);
}

fn listed(facts: &[impl std::fmt::Debug]) -> Vec<String> {
    facts.iter().map(|fact| format!("{fact:?}")).collect()
}

/// As tshark says: `oracle.jsonl` of the public captures has no frame of HTTP/2.
#[test]
fn the_public_captures_hold_no_http_2() {
    let Some(folder) = public_captures() else { return };
    for fact in lines(&folder.join("oracle.jsonl")) {
        let file = fact["file"].as_str().unwrap();
        let ours = connections(&folder.join(file)).iter().filter(|line| line.h2.is_some()).count();
        let tshark = fact["http2_frames"].as_array().map_or(0, Vec::len);
        assert_eq!((ours, tshark), (0, 0), "{file}");
    }
}

/// Each with the connection's number first.
#[derive(Default)]
struct Facts {
    /// Sender, type, and how many.
    frames: Vec<(u32, String, u64, u64)>,
    /// Stream, and the statuses of its responses, interim ones first.
    statuses: Vec<(u32, u32, Vec<u64>)>,
    /// Sender, type, stream, error.
    closes: Vec<(u32, String, String, u32, u32)>,
}

impl Facts {
    fn of(records: &[Timeline]) -> Self {
        let mut facts = Self::default();
        for line in records {
            let Some(h2) = &line.h2 else { continue };
            for from in [Peer::Edge, Peer::Origin] {
                for (kind, &count) in h2.frames[from].iter().enumerate().filter(|(_, count)| **count > 0) {
                    facts.frames.push((line.index, from.to_string(), kind as u64, count));
                }
            }
            for exchange in &line.exchanges {
                let last = exchange.response.as_ref().and_then(|response| response.status);
                let all = exchange.interim.iter().map(|interim| interim.status).chain(last);
                let all: Vec<u64> = all.map(u64::from).collect();
                if !all.is_empty() {
                    facts.statuses.push((line.index, exchange.stream.unwrap(), all));
                }
            }
            let resets = h2.resets.iter().map(|it| (it.from, "RST_STREAM", it.stream, it.error));
            let goaways = h2.goaways.iter().map(|it| (it.from, "GOAWAY", it.last_stream, it.error));
            let closes = resets.chain(goaways);
            facts.closes.extend(closes.map(|it| (line.index, it.0.to_string(), it.1.to_owned(), it.2, it.3.0)));
        }
        facts.sorted()
    }

    fn told(fact: &Value) -> Self {
        let read = |key: &str| fact[key].clone();
        let frames = serde_json::from_value(read("frames")).unwrap();
        let statuses = serde_json::from_value(read("statuses")).unwrap();
        Self { frames, statuses, closes: serde_json::from_value(read("closes")).unwrap() }.sorted()
    }

    fn sorted(mut self) -> Self {
        self.frames.sort();
        self.statuses.sort();
        self.closes.sort();
        self
    }
}
