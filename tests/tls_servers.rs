//! Connections to real servers, one capture for each version, cipher suite and feature of TLS that can be decrypted:
//! `testdata/tls/servers`, taken by the `make.py` there.

use std::path::{Path, PathBuf};

use pcap520::analysis::{Analysis, Options, Records};
use pcap520::capture::{Input, Item};
use pcap520::timeline::{Peer, Timeline, Tls, TlsVersion, Visibility, cipher_name};
use pcap520::tls::KeyLog;
use serde_json::Value;

mod labels;

#[test]
fn every_version_and_suite_is_decrypted_whole() {
    let labels = labels();
    assert!(labels.len() >= 35, "captures are missing: {}", labels.len());
    for label in &labels {
        let records = analyze(label, &keys(label));
        let statuses: Vec<u64> = records.iter().flat_map(statuses).collect();
        let (name, version, cipher) = (&label["capture"], &label["version"], &label["cipher"]);
        assert_eq!(serde_json::json!(statuses), label["statuses"], "{name}");
        for tls in records.iter().map(tls) {
            assert!(tls.decrypted && !tls.keys_missing, "{name}");
            let chosen = tls.server_hello.as_ref().unwrap();
            assert_eq!(TlsVersion::to_string(&chosen.version).as_str(), version.as_str().unwrap(), "{name}");
            assert_eq!(cipher_name(chosen.cipher), cipher.as_str(), "{name}");
        }
        for feature in label["features"].as_array().unwrap() {
            assert!(records.iter().any(|line| shows(line, feature.as_str().unwrap())), "{name}: {feature}");
        }
        println!("{name}: TLS {version}, {cipher}, {} responses decrypted, {}", statuses.len(), label["features"]);
    }
}

#[test]
fn no_response_is_told_as_missing_without_the_keys() {
    for label in labels() {
        for line in analyze(&label, "") {
            assert!(!tls(&line).decrypted && !tls(&line).keys_missing);
            let unanswered = line.exchanges.iter().filter(|exchange| exchange.response.is_none()).count();
            assert_eq!(unanswered, 0, "{}", label["capture"]);
        }
    }
}

#[test]
fn keys_of_another_connection_open_nothing_and_are_told_as_missing() {
    for label in labels() {
        let other = "CLIENT_RANDOM ".to_owned() + &"ab".repeat(32) + " " + &"cd".repeat(48);
        for line in analyze(&label, &other) {
            assert!(!tls(&line).decrypted && tls(&line).keys_missing, "{}", label["capture"]);
        }
    }
}

/// True where the connection has what the label says of it.
fn shows(line: &Timeline, feature: &str) -> bool {
    let tls = tls(line);
    let sent = |kind: u8, from: Peer| tls.messages.iter().filter(|one| one.kind == kind && one.from == from).count();
    match feature {
        "client-certificate" => tls.client_certificate.is_some_and(|(_, present)| present),
        "early-data" => line.exchanges.iter().any(|exchange| {
            let done = tls.handshake_done.map(|packet| packet.number);
            exchange.visibility == Visibility::Clear && Some(exchange.request.start.packet.number) < done
        }),
        // RFC 7366 shows in the records alone, which were decrypted.
        "encrypt-then-mac" => tls.decrypted,
        "hello-retry-request" => tls.hello_retry.is_some() && sent(1, Peer::Edge) == 2,
        "key-update" => sent(24, Peer::Edge) > 0 && sent(24, Peer::Origin) > 0,
        "renegotiation" => sent(1, Peer::Edge) == 2 && tls.hello_retry.is_none(),
        "resumption" => tls.resumed,
        other => panic!("nobody knows the feature {other}"),
    }
}

fn statuses(line: &Timeline) -> Vec<u64> {
    let complete = line.exchanges.iter().filter(|exchange| exchange.complete());
    complete.filter_map(|exchange| exchange.response.as_ref()?.status).map(u64::from).collect()
}

fn tls(line: &Timeline) -> &Tls {
    line.tls.as_deref().expect("TLS was spoken")
}

fn keys(label: &Value) -> String {
    std::fs::read_to_string(folder().join(label["keylog"].as_str().unwrap())).unwrap()
}

fn analyze(label: &Value, keys: &str) -> Vec<Timeline> {
    let log = KeyLog::new();
    log.add(keys.as_bytes());
    let mut analysis = Analysis::new(Options { keys: log, records: Records::OfAll, ..Options::default() });
    let mut input = Input::open(&[folder().join(label["capture"].as_str().unwrap())]).unwrap();
    while let Some(item) = input.next_item().unwrap() {
        if let Item::Packet(packet) = item {
            analysis.packet(&packet);
        }
    }
    analysis.finish().records.iter().map(|line| Timeline::clone(line)).collect()
}

fn labels() -> Vec<Value> {
    labels::of(&folder())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/tls/servers")
}
