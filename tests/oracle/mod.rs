//! What tshark says of captures (`oracle.jsonl`), and the differences that are explained.

use std::path::{Path, PathBuf};

use pcap520::analysis::{Analysis, Options, Records};
use pcap520::capture::{Input, Item};
use pcap520::timeline::Timeline;
use pcap520::tls::KeyLog;
use serde_json::Value;

/// One fact of one file on which we and tshark differ.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    pub file: String,
    pub fact: String,
    pub ours: String,
    pub tshark: String,
}

/// The folder of public captures with its `oracle.jsonl`, where it is there.
pub fn public_captures() -> Option<PathBuf> {
    let folder = std::env::var_os("PCAP520_CAPTURES").map_or(manifest().join("../shared/captures/zeek"), PathBuf::from);
    let found = folder.join("oracle.jsonl").is_file();
    if !found {
        println!("skipped: {} is not there", folder.display());
    }
    found.then_some(folder)
}

/// Fails on a difference that `explained` does not hold, and on an explanation of what is no difference any more.
pub fn assert_explained(mut found: Vec<Difference>, explained: &Path, of_this_test: impl Fn(&Difference) -> bool) {
    found.sort();
    let text = |key: &str, line: &Value| line[key].as_str().unwrap().to_owned();
    let explained: Vec<Difference> = lines(explained)
        .iter()
        .inspect(|line| assert!(line["why"].as_str().is_some_and(|why| why.len() > 20), "{line}"))
        .map(|line| Difference {
            file: text("file", line),
            fact: text("fact", line),
            ours: text("ours", line),
            tshark: text("tshark", line),
        })
        .filter(|difference| of_this_test(difference))
        .collect();
    let unexplained: Vec<_> = found.iter().filter(|difference| !explained.contains(difference)).collect();
    let gone: Vec<_> = explained.iter().filter(|difference| !found.contains(difference)).collect();
    assert!(unexplained.is_empty() && gone.is_empty(), "unexplained: {unexplained:#?}\nno difference: {gone:#?}");
}

/// The connections of a capture, in order; none where it cannot be read at all.
pub fn connections(path: &Path) -> Vec<Timeline> {
    let keys = KeyLog::new();
    if let Ok(log) = std::fs::read(path.with_extension("keys")) {
        keys.add(&log);
    }
    let mut analysis = Analysis::new(Options { keys, records: Records::OfAll, ..Options::default() });
    if let Ok(mut input) = Input::open(&[path.to_owned()]) {
        while let Ok(Some(item)) = input.next_item() {
            match item {
                Item::Packet(packet) => analysis.packet(&packet),
                Item::Secrets(log) => analysis.secrets(log),
            }
        }
    }
    analysis.finish().records.iter().map(|line| Timeline::clone(line)).collect()
}

/// A file of one JSON value a line.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn manifest() -> PathBuf {
    env!("CARGO_MANIFEST_DIR").into()
}
