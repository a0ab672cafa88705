//! `--format har`: what it writes obeys the schema of HTTP Archive 1.2.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

#[test]
fn every_archive_is_valid() {
    let schema = std::fs::read(repository("testdata/har/har-1.2.schema.json")).unwrap();
    let schema: Value = serde_json::from_slice(&schema).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for (capture, entries) in [
        ("plain/keepalive-race--nginx-2s.pcap", 8),
        ("plain/empty-response--close.pcap", 3),
        ("plain/connect-refused--no-listener.pcap", 0),
        ("plain/crowd--small.pcap", 150),
        ("plain/malformed-header--empty-name.pcap", 3),
        ("tls/h2--stream-reset-mid.pcap", 3),
        ("tls/crowd--tls13.pcap", 63),
        ("tls/wrapped--pcapng-with-keys-inside.pcapng", 2),
    ] {
        let archive = archive(capture, &[]);
        let faults: Vec<String> =
            validator.iter_errors(&archive).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{capture}: {faults:#?}");
        assert_eq!(archive["log"]["entries"].as_array().unwrap().len(), entries, "{capture}");
    }
}

#[test]
fn an_archive_without_a_time_is_not() {
    let schema: Value =
        serde_json::from_slice(&std::fs::read(repository("testdata/har/har-1.2.schema.json")).unwrap()).unwrap();
    let mut archive = archive("plain/keepalive-race--nginx-2s.pcap", &[]);
    archive["log"]["entries"][0]["startedDateTime"] = Value::Null;
    assert!(!jsonschema::is_valid(&schema, &archive));
}

#[test]
fn a_failed_exchange_says_why_and_pseudonyms_are_no_addresses() {
    let archive = archive("plain/keepalive-race--nginx-2s.pcap", &["--redact", "addresses"]);
    let entries = archive["log"]["entries"].as_array().unwrap();
    let failed: Vec<&Value> = entries.iter().filter(|entry| !entry["_incident"].is_null()).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0]["_incident"]["cause"], "keepalive-race");
    assert_eq!(failed[0]["response"]["status"], 0);
    assert!(entries.iter().all(|entry| entry["serverIPAddress"].is_null()), "{archive}");
}

fn archive(capture: &str, options: &[&str]) -> Value {
    let path = repository("testdata/corpus").join(capture);
    let keys = path.with_extension("keys");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    command.args(["analyze", "--format", "har"]).args(options).arg(&path);
    if keys.exists() {
        command.arg("--keylog").arg(keys);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{capture}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
