//! The contract of the JSON report: `schema/report-v1.json` is what the types say, and what the program writes obeys it.

mod golden;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn the_committed_schema_is_the_one_of_the_types() {
    let text = serde_json::to_string_pretty(&pcap520::report::schema()).unwrap() + "\n";
    golden::assert_equals_file("schema/report-v1.json", &text);
}

#[test]
fn every_report_on_the_corpus_is_valid() {
    let validator = jsonschema::validator_for(pcap520::report::schema().as_value()).unwrap();
    let captures = captures();
    assert!(captures.len() > 100, "captures are missing: {}", captures.len());
    for capture in captures {
        let report = report(&capture);
        let faults: Vec<String> =
            validator.iter_errors(&report).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
        assert!(faults.is_empty(), "{}: {faults:#?}", capture.display());
    }
}

#[test]
fn a_report_with_another_shape_is_not() {
    let validator = jsonschema::validator_for(pcap520::report::schema().as_value()).unwrap();
    let whole = report(&corpus("plain").join("keepalive-race--nginx-2s.pcap"));
    assert!(validator.is_valid(&whole));
    for (pointer, wrong) in [
        ("/schema", Value::from("pcap520/report/v2")),
        ("/captures/0/first", Value::from("yesterday")),
        ("/incidents/0/actor", Value::from("nobody")),
        ("/incidents/0/exchange", Value::from(-1)),
        ("/connections", Value::Null),
    ] {
        let mut report = whole.clone();
        *report.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&report), "{pointer}");
    }
}

/// Every labelled capture.
fn captures() -> Vec<PathBuf> {
    let files = ["plain", "tls"].iter().flat_map(|folder| std::fs::read_dir(corpus(folder)).unwrap());
    let mut captures: Vec<PathBuf> = files.map(|file| file.unwrap().path()).filter(|path| is_capture(path)).collect();
    captures.sort();
    captures
}

fn corpus(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus").join(folder)
}

fn is_capture(path: &Path) -> bool {
    path.file_name().unwrap().to_string_lossy().contains(".pcap")
}

fn report(capture: &Path) -> Value {
    let name = capture.to_string_lossy();
    let keys = PathBuf::from(format!("{}.keys", name.split(".pcap").next().unwrap()));
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    command.args(["analyze", "--format", "json", "--connections", "--response-timeout", "3"]).arg(capture);
    if keys.exists() {
        command.arg("--keylog").arg(keys);
    }
    let done = command.output().unwrap();
    assert!(done.status.success(), "{name}: {}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}
