//! Holds what we say of TCP against tshark: `testdata/tcp` always, and the public captures of `../shared/captures` where
//! that folder is there. A difference must stand in `testdata/tcp/differences.jsonl`, with the rule that explains it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use pcap520::analysis::{Analysis, Options, Records};
use pcap520::capture::{Input, Item};
use pcap520::report::community_id;
use pcap520::timeline::{Direction, Peer, SegmentCounts, Timeline};
use serde_json::{Value, json};

/// Frames that one list of `oracle.jsonl` holds at most.
const ORACLE_LIMIT: usize = 400;

/// One fact of one file on which we and tshark differ.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Difference {
    file: String,
    fact: String,
    ours: String,
    tshark: String,
}

#[test]
fn every_stream_is_what_tshark_says() {
    let folder = manifest().join("testdata/tcp");
    let facts = lines(&folder.join("facts.jsonl"));
    assert!(facts.len() > 60, "facts are missing: {}", facts.len());
    let mut found = Vec::new();
    for fact in &facts {
        let file = fact["file"].as_str().unwrap();
        let records = records(&folder.join(file));
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
    let folder = std::env::var_os("PCAP520_CAPTURES").map_or(manifest().join("../shared/captures/zeek"), PathBuf::from);
    if !folder.join("oracle.jsonl").is_file() {
        println!("skipped: {} is not there", folder.display());
        return;
    }
    let mut found = Vec::new();
    for fact in lines(&folder.join("oracle.jsonl")) {
        let file = fact["file"].as_str().unwrap();
        let records = records(&folder.join(file));
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

/// Fails on a difference that nobody explains, and on an explanation of what is no difference any more.
fn assert_explained(mut found: Vec<Difference>, of_this_test: impl Fn(&str) -> bool) {
    found.sort();
    let text = |key: &str, line: &Value| line[key].as_str().unwrap().to_owned();
    let explained: Vec<Difference> = lines(&manifest().join("testdata/tcp/differences.jsonl"))
        .iter()
        .inspect(|line| assert!(line["section"].as_str().is_some_and(|section| section.contains("RFC")), "{line}"))
        .inspect(|line| assert!(line["why"].as_str().is_some_and(|why| why.len() > 20), "{line}"))
        .map(|line| Difference {
            file: text("file", line),
            fact: text("fact", line),
            ours: text("ours", line),
            tshark: text("tshark", line),
        })
        .filter(|difference| of_this_test(&difference.fact))
        .collect();
    let unexplained: Vec<_> = found.iter().filter(|difference| !explained.contains(difference)).collect();
    let gone: Vec<_> = explained.iter().filter(|difference| !found.contains(difference)).collect();
    assert!(unexplained.is_empty() && gone.is_empty(), "unexplained: {unexplained:#?}\nno difference: {gone:#?}");
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

/// The connections of a capture, in order; none where it cannot be read at all.
fn records(path: &Path) -> Vec<Timeline> {
    let mut analysis = Analysis::new(Options { records: Records::OfAll, ..Options::default() });
    if let Ok(mut input) = Input::open(&[path.to_owned()]) {
        while let Ok(Some(item)) = input.next_item() {
            if let Item::Packet(packet) = item {
                analysis.packet(&packet);
            }
        }
    }
    analysis.finish().records.iter().map(|line| Timeline::clone(line)).collect()
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn manifest() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
