//! Holds what we say of TCP against tshark: `testdata/tcp` always, and the public captures of `../shared/captures` where
//! that folder is there. A difference must stand in `testdata/tcp/differences.jsonl`, with the rule that explains it.

mod oracle;

use std::collections::{BTreeMap, BTreeSet};

use oracle::{Difference, connections, lines, manifest, public_captures};
use pcap520::report::community_id;
use pcap520::timeline::{Direction, Peer, SegmentCounts, Timeline};
use serde_json::{Value, json};

/// Frames that one list of `oracle.jsonl` holds at most.
const ORACLE_LIMIT: usize = 400;

#[test]
fn every_stream_is_what_tshark_says() {
    let folder = manifest().join("testdata/tcp");
    let facts = lines(&folder.join("facts.jsonl"));
    assert!(facts.len() > 60, "facts are missing: {}", facts.len());
    let mut found = Vec::new();
    for fact in &facts {
        let file = fact["file"].as_str().unwrap();
        let records = connections(&folder.join(file));
        let wanted = fact["streams"].as_array().unwrap();
        let mut differ = |fact: String, ours: String, tshark: String| {
            if ours != tshark {
                found.push(Difference { file: file.into(), fact, ours, tshark });
            }
        };
        differ("streams".into(), records.len().to_string(), wanted.len().to_string());
        for (line, wanted) in records.iter().zip(wanted) {
            for (name, ours) in stream_facts(line) {
                differ(format!("{} {name}", line.index), ours.to_string(), wanted[name].to_string());
            }
        }
    }
    assert_explained(found, is_of_stream);
}

#[test]
fn every_public_capture_is_what_tshark_says() {
    let Some(folder) = public_captures() else { return };
    let mut found = Vec::new();
    for fact in lines(&folder.join("oracle.jsonl")) {
        let file = fact["file"].as_str().unwrap();
        let records = connections(&folder.join(file));
        let sum = |count: fn(&SegmentCounts) -> u64| -> u64 { records.iter().flat_map(segments).map(count).sum() };
        let frames = |key: &str| -> BTreeSet<u64> {
            fact[key].as_array().into_iter().flatten().filter_map(Value::as_u64).collect()
        };
        let mut differ = |key: &str, ours: String, tshark: String| {
            if ours != tshark && frames(key).len() < ORACLE_LIMIT {
                found.push(Difference { file: file.into(), fact: key.into(), ours, tshark });
            }
        };
        differ("tcp_streams", records.len().to_string(), fact["tcp_streams"].to_string());
        let text = |frames: BTreeSet<u64>| format!("{frames:?}");
        differ("syn", text(records.iter().flat_map(syns).collect()), text(frames("syn")));
        differ("rst", text(records.iter().flat_map(rsts).collect()), text(frames("rst")));
        for (key, ours) in [
            ("retransmissions", sum(|counts| counts.retransmitted)),
            ("out_of_order", sum(|counts| counts.out_of_order)),
            ("lost_segments", sum(|counts| counts.after_hole)),
            ("zero_windows", sum(|counts| counts.zero_windows)),
        ] {
            differ(key, ours.to_string(), frames(key).len().to_string());
        }
    }
    assert_explained(found, |fact| !is_of_stream(fact));
}

/// Every explanation names the rule that it goes by.
fn assert_explained(found: Vec<Difference>, of_this_test: impl Fn(&str) -> bool) {
    let explained = manifest().join("testdata/tcp/differences.jsonl");
    for line in lines(&explained) {
        assert!(line["section"].as_str().is_some_and(|section| section.contains("RFC")), "{line}");
    }
    oracle::assert_explained(found, &explained, |difference| of_this_test(&difference.fact));
}

/// Facts of one stream begin with its number.
fn is_of_stream(fact: &str) -> bool {
    fact == "streams" || fact.starts_with(|first: char| first.is_ascii_digit())
}

fn stream_facts(line: &Timeline) -> BTreeMap<&'static str, Value> {
    let of = |count: fn(&SegmentCounts) -> u64| -> Value { segments(line).map(count).sum::<u64>().into() };
    BTreeMap::from([
        ("syn", json!(syns(line))),
        ("rst", json!(rsts(line))),
        ("completeness", json!(line.completeness)),
        ("community_id", json!(community_id(line))),
        ("retransmitted", of(|counts| counts.retransmitted)),
        ("fast_retransmitted", of(|counts| counts.fast_retransmitted)),
        ("spurious", of(|counts| counts.spurious)),
        ("out_of_order", of(|counts| counts.out_of_order)),
        ("after_hole", of(|counts| counts.after_hole)),
        ("zero_windows", of(|counts| counts.zero_windows)),
        ("window_probes", of(|counts| counts.window_probes)),
        ("keep_alive_probes", of(|counts| counts.keep_alive_probes)),
    ])
}

fn directions(line: &Timeline) -> [&Direction; 2] {
    [&line.direction[Peer::Edge], &line.direction[Peer::Origin]]
}

/// The counts of both directions, and of the copies: tshark does not tell them apart.
fn segments(line: &Timeline) -> impl Iterator<Item = &SegmentCounts> {
    directions(line).into_iter().map(|direction| &direction.segments).chain([&line.copies.segments])
}

fn syns(line: &Timeline) -> Vec<u64> {
    let mut frames: Vec<u64> = line.connect.syns.iter().chain(&line.connect.syn_acks).map(|syn| syn.number).collect();
    frames.extend(line.copies.syns.iter().map(|(_, syn)| syn.number));
    frames.sort_unstable();
    frames
}

fn rsts(line: &Timeline) -> Vec<u64> {
    let mut frames: Vec<u64> =
        directions(line).iter().flat_map(|direction| &direction.rsts).map(|rst| rst.packet.number).collect();
    frames.extend(line.copies.rsts.iter().map(|(_, rst)| rst.number));
    frames.sort_unstable();
    frames
}
