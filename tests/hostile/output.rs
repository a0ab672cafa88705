//! What a stranger writes into a capture stays text in every report.

use std::fs;
use std::process::Command;

use super::fuzz::targets::program::assert_plain;
use super::plant::capture;

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
    for told in ["owned=1", "certificate_expired"] {
        assert!(report.contains(told), "{told}: the test reaches the report\n{report}");
    }
    assert_plain(report.as_bytes());
}

#[test]
fn json_escapes_what_does_not_show() {
    for format in ["json", "ndjson", "har"] {
        let report = report(format);
        assert!(report.contains("<script>"), "the test reaches the report");
        let raw = report.chars().find(|c| c.is_control() && *c != '\n');
        assert_eq!(raw, None, "{format}");
        let objects = serde_json::Deserializer::from_str(&report).into_iter::<serde_json::Value>();
        assert!(!objects.collect::<Result<Vec<_>, _>>().unwrap().is_empty());
    }
}

#[test]
fn markdown_is_no_markup() {
    let report = report("markdown");
    assert_plain(report.as_bytes());
    for line in report.lines().filter(|line| line.contains("<script>")) {
        assert!(line.contains('`') || line.starts_with("    "), "markup outside of code: {line:?}");
    }
    // A cell that a stranger wrote begins with a backtick or a letter of ours, never as a formula.
    for cell in report.lines().filter(|line| line.starts_with('|')).flat_map(|line| line.split('|')) {
        let formula = cell.trim().starts_with(['=', '+', '-', '@'])
            && !cell.trim().trim_end_matches(':').chars().all(|c| c == '-');
        assert!(!formula, "{cell:?}");
    }
}

/// What a browser makes of it is asked in `tests/browser.rs`.
#[test]
fn html_holds_no_element_and_no_attribute_of_a_stranger() {
    let report = report("html");
    assert!(report.contains("&lt;script&gt;"), "the test reaches the report");
    for planted in
        ["<script>owned", "<img/", "<svg/", "--><", "\"onmouseover", "\u{1b}", "\u{9b}", "\u{202e}", "\u{2066}"]
    {
        assert!(!report.contains(planted), "{planted:?}");
    }
}

#[test]
fn every_other_command_is_as_careful() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.pcap");
    fs::write(&path, capture()).unwrap();
    let path = path.to_str().unwrap();
    for (arguments, repeats) in [
        (&["hops", path][..], false),
        (&["hops", "--json", path], false),
        (&["live", "-q", "--no-sandbox", "-r", path], true),
        (&["live", "-q", "--no-sandbox", "--format", "ndjson", "-r", path], true),
        (&["extract", "-o", "-", path], false),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
        let output = command.args(arguments).env_remove("CLICOLOR_FORCE").output().unwrap();
        assert!(output.status.success(), "{arguments:?} {output:?}");
        assert_plain(&output.stderr);
        // An extract is packets, as they were.
        if arguments[0] != "extract" {
            let text = String::from_utf8(output.stdout).unwrap();
            let raw = text.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(raw, None, "{arguments:?}");
            assert!(!repeats || text.contains("<script>"), "{arguments:?}: the test reaches the report");
        }
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
