//! What is said of a capture as a whole: patterns of many incidents, and the edge's own log set against them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

fn testdata(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(path)
}

fn report(arguments: &[&str], capture: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    let done = command.args(["analyze", "-q", "--format", "json"]).args(arguments).arg(capture).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    serde_json::from_slice(&done.stdout).unwrap()
}

#[test]
fn failures_that_cluster_on_a_path_are_told_with_their_numbers() {
    let report = report(&[], &testdata("lab/reset-before-response--one-path.pcap"));
    let patterns = report["patterns"].as_array().unwrap();
    assert_eq!(patterns.len(), 1, "{patterns:#?}");
    assert_eq!(patterns[0]["kind"], "one-path");
    assert_eq!(
        patterns[0]["summary"],
        "All 8 reset-before-response incidents are for /api/export/…; 8 of 80 exchanges are for /api."
    );
}

#[test]
fn healthy_traffic_has_no_pattern_and_no_chain() {
    let folders = ["corpus/plain", "corpus/tls", "lab"].map(testdata);
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).unwrap());
    let names = files.map(|file| file.unwrap().path());
    let healthy: Vec<PathBuf> = names
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("healthy--"))
        .filter(|path| path.to_string_lossy().contains(".pcap"))
        .collect();
    assert!(healthy.len() > 5, "{healthy:?}");
    for capture in healthy {
        let report = report(&[], &capture);
        assert_eq!(report["patterns"].as_array().unwrap().len(), 0, "{}", capture.display());
    }
}

#[test]
fn connections_that_end_with_their_process_teach_no_idle_timeout() {
    let report = report(&[], &testdata("lab/empty-response--origin-killed.pcap"));
    let kinds: Vec<&Value> = report["observations"].as_array().unwrap().iter().map(|it| &it["kind"]).collect();
    assert!(!kinds.contains(&&Value::from("keepalive-shorter-than-edge")), "{kinds:?}");
}

#[test]
fn the_log_of_the_edge_confirms_contradicts_and_names_what_never_came_by() {
    let line = |ray: &str, status: u16| {
        format!("{{\"RayID\":\"{ray}\",\"EdgeResponseStatus\":{status},\"OriginResponseStatus\":0}}\n")
    };
    let capture = testdata("corpus/plain/keepalive-race--nginx-2s.pcap");
    let compare = |text: &[u8]| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text).unwrap();
        report(&["--edge-log", file.path().to_str().unwrap()], &capture)["edge_log"].clone()
    };
    let right = line("6d775db8599953dc", 520) + &line("aaaadb8599953dcd", 522) + &line("bbbbdb8599953dcd", 200);
    let told = compare(right.as_bytes());
    assert_eq!((&told["entries"], &told["confirmed"]), (&3.into(), &1.into()), "{told:#}");
    assert_eq!(told["unseen"][0]["ray"], "aaaadb8599953dcd");
    assert_eq!(told["unseen"].as_array().unwrap().len(), 1);
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(line("6D775DB8599953DC-FRA", 502).as_bytes()).unwrap();
    let told = compare(&packed.finish().unwrap());
    assert_eq!(told["confirmed"], 0);
    assert_eq!((&told["contradicted"][0]["predicted"], &told["contradicted"][0]["logged"]), (&520.into(), &502.into()));
}

#[test]
fn what_tls_hides_is_joined_with_the_log_by_address_time_and_reuse() {
    let capture = testdata("lab/keepalive-race--tls13.pcap");
    let alone = report(&[], &capture);
    let incident = &alone["incidents"][0];
    let client = incident["connection"]["client"].as_str().unwrap().rsplit_once(':').unwrap().0;
    let time = incident["request"]["time"].as_str().unwrap();
    let line = |milliseconds: u32| {
        format!(
            "{{\"RayID\":\"8f3b2c1d0e9a7b65\",\"EdgeResponseStatus\":520,\"EdgeServerIP\":\"{client}\",\
             \"EdgeStartTimestamp\":\"{time}\",\"OriginTCPHandshakeDurationMs\":{milliseconds}}}\n"
        )
    };
    let confirmed = |text: String| {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        report(&["--edge-log", file.path().to_str().unwrap()], &capture)["edge_log"]["confirmed"].clone()
    };
    assert_eq!(confirmed(line(0)), 1);
    assert_eq!(confirmed(line(12)), 0, "a new connection is not the one that was reused");
}
