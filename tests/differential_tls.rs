//! Holds what we say of TLS against tshark: handshake messages, alerts, and the responses that are decrypted. The
//! captures of `testdata/tls/oracle.jsonl` always, and the public ones of `../shared/captures` where that folder is there.
//! A difference must stand in `testdata/tls/differences.jsonl`, with the reason for it.

mod oracle;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use oracle::{Difference, assert_explained, connections, lines, manifest, public_captures};
use pcap520::timeline::{Timeline, TlsVersion};
use serde_json::Value;

#[test]
fn our_captures_are_what_tshark_says() {
    let folder = manifest().join("testdata");
    let found = differences(&folder, &folder.join("tls/oracle.jsonl"));
    assert_explained(found, &folder.join("tls/differences.jsonl"), |it| folder.join(&it.file).is_file());
}

#[test]
fn the_public_captures_are_what_tshark_says() {
    let Some(folder) = public_captures() else { return };
    let found = differences(&folder, &folder.join("oracle.jsonl"));
    let explained = manifest().join("testdata/tls/differences.jsonl");
    assert_explained(found, &explained, |it| folder.join(&it.file).is_file());
}

fn differences(folder: &Path, oracle: &Path) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compared = 0;
    for fact in lines(oracle) {
        let file = fact["file"].as_str().unwrap();
        let records = connections(&folder.join(file));
        let ours = Facts::of(&records);
        let tshark = Facts::told(&fact);
        let mut differ = |fact: &str, ours: String, tshark: String| {
            if ours != tshark {
                found.push(Difference { file: file.into(), fact: fact.into(), ours, tshark });
            }
        };
        differ("tls_handshake", told(&ours.messages), told(&tshark.messages));
        differ("tls_alerts", told(&ours.alerts), told(&tshark.alerts));
        if records.iter().any(|line| line.tls.as_ref().is_some_and(|tls| tls.decrypted)) {
            compared += tshark.responses.len();
            differ("http_responses", format!("{:?}", ours.responses), format!("{:?}", tshark.responses));
        }
    }
    println!("{}: {compared} decrypted responses compared", oracle.display());
    found
}

/// By packet: the numbers of handshake messages and of alerts that it completes.
#[derive(Default)]
struct Facts {
    messages: BTreeMap<u64, BTreeSet<u64>>,
    alerts: BTreeMap<u64, BTreeSet<u64>>,
    /// The status of each response, in no order: tshark places a response where it ends.
    responses: Vec<u64>,
}

impl Facts {
    fn of(records: &[Timeline]) -> Self {
        let mut facts = Self::default();
        for line in records {
            for tls in line.tls.iter() {
                // tshark names no messages of SSL 2.0.
                for message in tls.messages.iter().filter(|_| tls.version() != Some(TlsVersion(2))) {
                    facts.messages.entry(message.packet.number).or_default().insert(message.kind.into());
                }
                for alert in &tls.alerts {
                    if let Some(description) = alert.description {
                        facts.alerts.entry(alert.packet.number).or_default().insert(description.0.into());
                    }
                }
            }
            let answered = line.exchanges.iter().filter_map(|exchange| exchange.response.as_ref()?.status);
            facts.responses.extend(answered.map(u64::from));
        }
        facts.responses.sort_unstable();
        facts
    }

    fn told(fact: &Value) -> Self {
        let mut facts = Self::default();
        for row in rows(fact, "tls_handshake") {
            facts.messages.entry(row[0].as_u64().unwrap()).or_default().extend(numbers(&row[1]));
        }
        for row in rows(fact, "tls_alerts") {
            facts.alerts.entry(row[0].as_u64().unwrap()).or_default().extend(numbers(&row[2]));
        }
        let responses = rows(fact, "http_responses").chain(rows(fact, "http2_status"));
        facts.responses = responses.flat_map(|row| numbers(&row[1])).collect();
        facts.responses.sort_unstable();
        facts
    }
}

fn rows<'a>(fact: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    fact[key].as_array().into_iter().flatten()
}

/// "11,13,14"
fn numbers(text: &Value) -> Vec<u64> {
    text.as_str().unwrap().split(',').map(|number| number.parse().unwrap()).collect()
}

/// "4: 1; 6: 2, 11, 14"
fn told(facts: &BTreeMap<u64, BTreeSet<u64>>) -> String {
    let packets = facts.iter().map(|(packet, numbers)| {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        format!("{packet}: {}", numbers.join(", "))
    });
    packets.collect::<Vec<_>>().join("; ")
}
