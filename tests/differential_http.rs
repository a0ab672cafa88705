//! Holds what we say of HTTP/1 in clear text against tshark: in which packets requests end, and the status of each response,
//! on the public captures of `../shared/captures` where that folder is there, and on the small ones of `testdata/wire` always.
//! A difference must stand in `testdata/http1/differences.jsonl`, with the reason for it.

mod oracle;

use std::collections::BTreeSet;
use std::path::Path;

use oracle::{Difference, assert_explained, connections, lines, manifest, public_captures};
use pcap520::timeline::Timeline;
use serde_json::Value;

#[test]
fn our_captures_are_what_tshark_says() {
    let folder = manifest().join("testdata");
    let found = differences(&folder, &folder.join("http1/oracle.jsonl"));
    assert_explained(found, &folder.join("http1/differences.jsonl"), |it| folder.join(&it.file).is_file());
}

#[test]
fn the_public_captures_are_what_tshark_says() {
    let Some(folder) = public_captures() else { return };
    let found = differences(&folder, &folder.join("oracle.jsonl"));
    let explained = manifest().join("testdata/http1/differences.jsonl");
    assert_explained(found, &explained, |it| folder.join(&it.file).is_file());
}

fn differences(folder: &Path, oracle: &Path) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compared = 0;
    for fact in lines(oracle) {
        let file = fact["file"].as_str().unwrap();
        let records = connections(&folder.join(file));
        let tshark = Facts::told(&fact);
        compared += tshark.responses.len() + tshark.requests.len();
        let ours = Facts::of(&records);
        let mut differ = |fact: &str, ours: String, tshark: String| {
            if ours != tshark {
                found.push(Difference { file: file.into(), fact: fact.into(), ours, tshark });
            }
        };
        // Of many clean exchanges on one connection only the newest are kept.
        if records.iter().all(|line| line.folded == 0) {
            differ("http_requests", format!("{:?}", ours.requests), format!("{:?}", tshark.requests));
            differ("http_responses", format!("{:?}", ours.responses), format!("{:?}", tshark.responses));
        } else {
            let folded: usize = records.iter().map(|line| line.folded as usize).sum();
            let (ours, tshark) = (ours.responses.len() + folded, tshark.responses.len());
            differ("http_responses", ours.to_string(), tshark.to_string());
        }
    }
    println!("{}: {compared} requests and responses compared", oracle.display());
    assert!(compared > 0);
    found
}

#[derive(Default)]
struct Facts {
    /// The packets in which requests end.
    requests: BTreeSet<u64>,
    /// The status of each response, in no order: tshark places a response where it ends.
    responses: Vec<u64>,
}

impl Facts {
    fn of(records: &[Timeline]) -> Self {
        let mut facts = Self::default();
        let clear = records.iter().filter(|line| line.tls.is_none() && line.h2.is_none());
        for exchange in clear.flat_map(|line| &line.exchanges) {
            let request = &exchange.request;
            facts.requests.extend(request.end.or(request.head_end).map(|end| end.packet.number));
            facts.responses.extend(exchange.interim.iter().map(|interim| u64::from(interim.status)));
            facts.responses.extend(exchange.response.as_ref().and_then(|it| it.status).map(u64::from));
        }
        facts.responses.sort_unstable();
        facts
    }

    fn told(fact: &Value) -> Self {
        let rows = |key: &str| fact[key].as_array().into_iter().flatten();
        let mut facts =
            Self { requests: rows("http_requests").filter_map(Value::as_u64).collect(), responses: Vec::new() };
        let statuses = rows("http_responses").map(|row| row[1].as_str().unwrap());
        facts.responses = statuses.flat_map(|text| text.split(',')).map(|status| status.parse().unwrap()).collect();
        facts.responses.sort_unstable();
        facts
    }
}
