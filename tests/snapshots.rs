//! Every format on captures that differ, held against files in the repository: `make renew` writes them anew.

mod golden;

use std::path::Path;
use std::process::Command;

/// Captures, from a refused connection to a stream of HTTP/2.
const CAPTURES: [&str; 11] = [
    "plain/connect-refused--no-listener.pcap",
    "plain/connect-unreachable--host.pcap",
    "plain/crowd--small.pcap",
    "plain/healthy--nginx-keepalive.pcap",
    "plain/keepalive-race--nginx-2s.pcap",
    "plain/malformed-header--empty-name.pcap",
    "plain/middlebox-reset--keyword.pcap",
    "plain/mtu-blackhole--response.pcap",
    "plain/truncated-response--no-last-chunk.pcap",
    "tls/h2--stream-reset-mid.pcap",
    "tls/tls--cert--expired-12.pcap",
];

#[test]
fn text_stays_as_it_was() {
    each("text", "txt");
}

#[test]
fn markdown_stays_as_it_was() {
    each("markdown", "md");
}

#[test]
fn json_stays_as_it_was() {
    each("json", "json");
}

#[test]
fn ndjson_stays_as_it_was() {
    each("ndjson", "ndjson");
}

#[test]
fn html_stays_as_it_was() {
    each("html", "html");
}

#[test]
fn har_stays_as_it_was() {
    each("har", "har");
}

fn each(format: &str, extension: &str) {
    for capture in CAPTURES {
        let name = capture.split('/').next_back().unwrap().trim_end_matches(".pcap");
        golden::assert_equals_file(&format!("testdata/snapshots/{name}.{extension}"), &report(capture, format));
    }
}

fn report(capture: &str, format: &str) -> String {
    let path = format!("testdata/corpus/{capture}");
    let keys = path.replace(".pcap", ".keys");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    command.args(["analyze", "--format", format]).arg(&path).current_dir(env!("CARGO_MANIFEST_DIR"));
    if Path::new(env!("CARGO_MANIFEST_DIR")).join(&keys).exists() {
        command.args(["--keylog", &keys]);
    }
    let done = command.env_remove("SSLKEYLOGFILE").output().unwrap();
    assert!(done.status.success(), "{capture}: {}", String::from_utf8_lossy(&done.stderr));
    let text = String::from_utf8(done.stdout).unwrap();
    // The page's own style and script are in the repository already.
    match (text.split_once("<style>"), text.rsplit_once("<script>")) {
        (Some((head, _)), Some((body, _))) => {
            let body = body.split_once("</style>").map_or(body, |(_, body)| body);
            let head = head.split_once("<meta http-equiv").map_or(head, |(head, _)| head);
            // One element a line, so that a difference can be seen.
            format!("{head}{body}").replace('>', ">\n")
        }
        _ => text,
    }
}
