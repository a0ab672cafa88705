//! Proxy chains: captures of an edge, haproxy, nginx and an application, made by `testdata/chain/make.py`. Of each fault
//! the incident points at the hop that failed first.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

mod labels;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/chain")
}

fn pcap520(arguments: &[&str]) -> Vec<u8> {
    let done = Command::new(env!("CARGO_BIN_EXE_pcap520")).args(arguments).current_dir(folder()).output().unwrap();
    assert!(done.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
    done.stdout
}

fn labels() -> Vec<Value> {
    labels::of(&folder())
}

fn accepts(want: &Value, got: &Value) -> bool {
    want == got || want.as_array().is_some_and(|any| any.contains(got))
}

#[test]
fn of_each_fault_the_hop_that_failed_first_is_named_once() {
    let labels = labels();
    assert!(labels.len() >= 10, "captures are missing: {}", labels.len());
    for label in labels {
        let name = label["capture"].as_str().unwrap();
        let args: Vec<&str> = label["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
        let report = pcap520(&[&["analyze", "-q", "--format", "json", name], &args[..]].concat());
        let report: Value = serde_json::from_slice(&report).unwrap();
        let (wanted, got) = (label["incidents"].as_array().unwrap(), report["incidents"].as_array().unwrap());
        assert_eq!(got.len(), wanted.len(), "{name}: {got:#?}");
        for (want, got) in wanted.iter().zip(got) {
            for field in ["cause", "actor", "edge_status"] {
                assert!(accepts(&want[field], &got[field]), "{name}: {field} {} not {}", got[field], want[field]);
            }
            let client = got["connection"]["client"].as_str().unwrap();
            assert_eq!(client.rsplit_once(':').unwrap().0, want["client"], "{name}");
            assert_eq!(got["connection"]["server"], want["server"], "{name}");
            let hops = got["hops"].as_array().map_or(1, Vec::len);
            assert_eq!(hops as u64, want["hops"].as_u64().unwrap(), "{name}: {}", got["hops"]);
        }
        let aborts = report["observations"].as_array().unwrap().iter().filter(|it| it["kind"] == "client-abort");
        assert_eq!(aborts.count(), 0, "{name}: a proxy that gives up is no visitor that left");
    }
}

#[test]
fn hops_tells_the_way_of_a_request_healthy_or_not() {
    let stories = |ray: &str| -> Value {
        serde_json::from_slice(&pcap520(&["hops", "-q", "--json", "--ray", ray, "app-closes.pcap"])).unwrap()
    };
    let servers = |story: &Value| -> Vec<String> {
        story["hops"].as_array().unwrap().iter().map(|hop| hop["server"].as_str().unwrap().to_owned()).collect()
    };
    let way = ["10.77.0.2:80", "10.77.0.3:8080", "10.77.0.4:9000"];
    let healthy = stories("8f3b2c1d0e9a7b61");
    assert_eq!(servers(&healthy[0]), way);
    assert!(healthy[0]["hops"].as_array().unwrap().iter().all(|hop| hop["outcome"] == "ok" && hop["status"] == 200));
    let failed = stories("8F3B2C1D0E9A7B62-FRA");
    assert_eq!(servers(&failed[0]), way);
    let outcomes: Vec<&Value> = failed[0]["hops"].as_array().unwrap().iter().map(|hop| &hop["outcome"]).collect();
    assert_eq!(outcomes, ["ok", "ok", "incident"]);
    let text = String::from_utf8(pcap520(&["hops", "-q", "app-closes.pcap"])).unwrap();
    assert!(text.contains("10.77.0.4:9000") && text.contains("no response incident"), "{text}");
    let none = String::from_utf8(pcap520(&["hops", "-q", "--ray", "0", "app-closes.pcap"])).unwrap();
    assert!(none.contains("No such request"), "{none}");
}

#[test]
fn a_ray_tells_its_whole_story_healthy_or_not() {
    let report = |ray: &str| -> Value {
        let arguments = ["analyze", "-q", "--format", "json", "--ray", ray, "app-truncated.pcap"];
        serde_json::from_slice(&pcap520(&arguments)).unwrap()
    };
    let healthy = report("8f3b2c1d0e9a7b61");
    assert_eq!(healthy["incidents"].as_array().unwrap().len(), 0);
    assert_eq!(healthy["requests"][0]["hops"][0]["status"], 200);
    assert_eq!(healthy["requests"][0]["timeline"][0]["event"], "request");
    assert_eq!(healthy["connections"].as_array().unwrap().len(), 0, "they were not asked for");
    let failed = report("8f3b2c1d0e9a7b62");
    assert_eq!(failed["requests"][0]["incidents"][0], failed["incidents"][0]["id"]);
    assert!(report("1")["requests"].is_null());
}
