//! What a stranger writes into a capture stays text in every report.

use std::fs;
use std::process::Command;

use super::fuzz::packets::{Conversation, pcap};
use super::fuzz::targets::program::assert_plain;

/// Everything that a terminal, a browser, a tracker or a spreadsheet would take for more than text.
const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;owned\u{7}\u{9b}2J<script>alert(1)</script><img/src=x/onerror=alert(1)>`````|\u{202e}\u{2066}\u{200b}'\"&amp;@all#1=cmd|'/C'!A0";

/// A capture whose every text is hostile, and broken responses that bring it into the report.
fn capture() -> Vec<u8> {
    let mut frames = Vec::new();
    let spaced = HOSTILE.replace(' ', "");
    let responses = [
        format!(
            "HTTP/1.1 200 {HOSTILE}\r\nX-{HOSTILE}: {HOSTILE}\r\n{HOSTILE}\r\nContent-Length: 5{HOSTILE}\r\n\r\nabc"
        ),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;{HOSTILE}\r\nhello\r\n{HOSTILE}\r\n"),
        format!("{HOSTILE}\r\n\r\n"),
        format!("HTTP/1.1 {HOSTILE}\r\nServer: {HOSTILE}\r\n\r\n"),
        String::new(),
    ];
    for (port, response) in (40_000..).zip(&responses) {
        let mut conversation = Conversation::open(port, 80, u64::from(port) * 1_000_000, [7, 9]);
        conversation.client(
            format!("GET /{spaced} HTTP/1.1\r\nHost: {spaced}\r\nCF-Ray: {spaced}\r\nUser-Agent: {HOSTILE}\r\n\r\n")
                .as_bytes(),
        );
        conversation.server(response.as_bytes());
        conversation.close(1);
        frames.append(&mut conversation.frames);
    }
    pcap(&frames)
}

/// The report on a hostile capture in a folder with a hostile name.
fn report(format: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("\u{1b}[31m<b>\u{202e}`|.pcap");
    fs::write(&path, capture()).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pcap520"))
        .args(["analyze", "--connections", "--no-redact", "--verbose", "--format", format])
        .arg(&path)
        .env_remove("SSLKEYLOGFILE")
        .env_remove("CLICOLOR_FORCE")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no file is named by a capture");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn text_drives_no_terminal() {
    let report = report("text");
    assert!(report.contains("<script>"), "the test reaches the report");
    assert_plain(report.as_bytes());
}

#[test]
fn json_escapes_what_does_not_show() {
    for format in ["json", "ndjson"] {
        let report = report(format);
        assert!(report.contains("<script>"), "the test reaches the report");
        let raw = report.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(raw, None, "{format}");
        let objects = serde_json::Deserializer::from_str(&report).into_iter::<serde_json::Value>();
        assert!(objects.map(|object| object.unwrap()).count() > 0);
    }
}

#[test]
fn markdown_is_no_markup() {
    let report = report("markdown");
    assert_plain(report.as_bytes());
    // A cell that a stranger wrote begins with a backtick or a letter of ours, never as a formula.
    for cell in report.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('|')) {
        let formula = cell.trim().starts_with(['=', '+', '-', '@'])
            && !cell.trim().trim_end_matches(':').chars().all(|c| c == '-');
        assert!(!formula, "{cell:?}");
    }
}

#[test]
fn a_hostile_name_of_a_file_stays_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("\u{1b}]0;x\u{7}\n\u{202e}.pcap");
    fs::write(&path, b"no capture at all").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pcap520")).arg("analyze").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_plain(&output.stderr);
    assert_eq!(output.stderr.iter().filter(|byte| **byte == b'\n').count(), 1);
}
