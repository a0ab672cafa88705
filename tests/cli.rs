//! The program from outside: exit statuses, what goes to which stream, and what it does with bad command lines.

use std::fs;
use std::process::{Output, Stdio};

use assert_cmd::Command;
use pcap520::verdict::Catalogue;

/// The shortest capture: a pcap header (microseconds, Ethernet) and no packet.
const EMPTY_PCAP: [u8; 24] = [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];

fn pcap520(arguments: &[&str]) -> Output {
    command(arguments).output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    command.args(arguments).env_remove("SSLKEYLOGFILE").env_remove("CLICOLOR_FORCE").env_remove("NO_COLOR");
    command
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A folder with one capture in it.
fn folder_with_capture() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("empty.pcap");
    fs::write(&capture, EMPTY_PCAP).unwrap();
    let capture = capture.to_str().unwrap().to_owned();
    (folder, capture)
}

/// One line on standard error, status 2, and nothing on standard output.
fn assert_fault(output: &Output, parts: &[&str]) {
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert_eq!(stdout(output), "");
    let message = stderr(output);
    assert!(message.starts_with("pcap520: ") && message.lines().count() == 1, "{message:?}");
    for part in parts {
        assert!(message.contains(part), "{part:?} in {message:?}");
    }
}

#[test]
fn a_capture_is_analysed_in_every_format() {
    let (_folder, capture) = folder_with_capture();
    for (format, beginning) in [
        ("text", "No incident"),
        ("json", "{\n"),
        ("ndjson", "{\""),
        ("markdown", "## No incident"),
        ("html", "<!DOCTYPE html>"),
        ("har", "{\n"),
    ] {
        let output = pcap520(&["analyze", "--format", format, &capture]);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{format}");
        assert!(stdout(&output).starts_with(beginning), "{format}: {}", stdout(&output));
    }
}

#[test]
fn options_reach_the_report() {
    let (_folder, capture) = folder_with_capture();
    let options =
        ["--edge", "generic", "--response-timeout", "3", "--connect-timeout", "500ms", "--header-limit", "8k"];
    let output = pcap520(&[&["analyze", "-n", "--format", "json", &capture], &options[..]].concat());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["schema"], "pcap520/report/v1");
    assert_eq!(report["edge"]["profile"], "generic");
    assert_eq!(report["edge"]["response_timeout_s"], 3.0);
    assert_eq!(report["edge"]["connect_timeout_s"], 0.5);
    assert_eq!(report["edge"]["header_limit"], 8192);
}

#[test]
fn an_edge_of_a_file_is_taken_and_the_command_line_changes_it() {
    let (folder, capture) = folder_with_capture();
    let file = folder.path().join("edge.toml");
    fs::write(&file, "name = 'shop'\nbase = 'cloudflare'\n[timeouts]\nconnect = 5\nresponse = 30\n").unwrap();
    let file = file.to_str().unwrap();
    let output = pcap520(&["analyze", "--format", "json", "--edge", file, "--response-timeout", "7", &capture]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let edge = &report["edge"];
    assert_eq!((&edge["profile"], &edge["connect_timeout_s"]), (&"shop".into(), &5.0.into()));
    assert_eq!((&edge["response_timeout_s"], &edge["header_limit"]), (&7.0.into(), &16_384.into()));
    fs::write(file, "name = 'shop'\n[status]\nkeepalive-rase = 503\n").unwrap();
    assert_fault(&pcap520(&["analyze", "--edge", file, &capture]), &["keepalive-rase", "keepalive-race"]);
    fs::write(file, "timeouts = 3\n").unwrap();
    assert_fault(&pcap520(&["analyze", "--edge", file, &capture]), &["edge.toml: it is no profile of an edge"]);
    assert_fault(&pcap520(&["analyze", "--edge", "fastly", &capture]), &["fastly", "cloudflare, generic"]);
}

#[test]
fn the_same_input_gives_the_same_report() {
    let (_folder, capture) = folder_with_capture();
    let report = || pcap520(&["analyze", "--format", "json", "--connections", &capture]).stdout;
    assert_eq!(report(), report());
}

#[test]
fn connections_show_the_certificate_of_the_origin() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/corpus/tls/healthy--tls-lax-cert-expired.pcap");
    let output = pcap520(&["analyze", "--format", "json", "--connections", capture]);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let certificate = &report["connections"][0]["tls"]["certificate"];
    assert_eq!(certificate["subject"], "CN=api.example.net");
    assert_eq!(certificate["not_after"], "2026-11-22T00:21:46.000000Z");
    assert_eq!(certificate["names"], serde_json::json!(["api.example.net"]));
    assert_eq!(certificate["faults"][0], "it expired on 2026-11-22");
}

#[test]
fn a_report_goes_to_a_file_of_its_owner() {
    let (folder, capture) = folder_with_capture();
    let report = folder.path().join("report.json");
    let output = pcap520(&["analyze", "--format", "json", "-o", report.to_str().unwrap(), &capture]);
    assert_eq!((output.status.code(), output.stdout.len(), output.stderr.len()), (Some(0), 0, 0));
    let text = fs::read_to_string(&report).unwrap();
    serde_json::from_str::<serde_json::Value>(&text).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&report).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_capture_that_is_not_there_is_named() {
    assert_fault(&pcap520(&["analyze", "no/such.pcap"]), &["no/such.pcap", "check the name"]);
    let hostile = pcap520(&["analyze", "a\x1b[2Jb"]);
    assert!(!stderr(&hostile).contains('\x1b'), "{hostile:?}");
}

/// A capture of the corpus, changed, in a folder of its own.
fn changed_capture(change: impl FnOnce(&mut Vec<u8>)) -> (tempfile::TempDir, String) {
    let corpus = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/corpus/plain/empty-response--close.pcap");
    let mut bytes = fs::read(corpus).unwrap();
    change(&mut bytes);
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("changed.pcap");
    fs::write(&capture, bytes).unwrap();
    let capture = capture.to_str().unwrap().to_owned();
    (folder, capture)
}

#[test]
fn a_capture_that_ends_inside_a_packet_is_analyzed_up_to_there() {
    let (_folder, capture) = changed_capture(|bytes| bytes.truncate(2_000));
    let output = pcap520(&["analyze", &capture]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stdout(&output).contains("ends inside packet"), "{}", stdout(&output));
}

#[test]
fn a_file_without_one_whole_packet_is_a_fault() {
    let (_folder, capture) = changed_capture(|bytes| bytes.truncate(50));
    assert_fault(&pcap520(&["analyze", &capture]), &["changed.pcap", "ends inside packet 1"]);
    let (_folder, capture) = changed_capture(|bytes| bytes.clear());
    assert_fault(&pcap520(&["analyze", &capture]), &["changed.pcap", "empty"]);
    let (_folder, capture) = changed_capture(|bytes| *bytes = b"no capture at all".to_vec());
    assert_fault(&pcap520(&["analyze", &capture]), &["changed.pcap", "not a capture"]);
}

#[test]
fn a_link_type_that_is_not_known_is_named() {
    let (_folder, capture) = changed_capture(|bytes| bytes[20] = 147);
    assert_fault(&pcap520(&["analyze", &capture]), &["changed.pcap", "LINKTYPE_147"]);
}

#[test]
fn a_folder_without_captures_is_a_fault() {
    let folder = tempfile::tempdir().unwrap();
    assert_fault(&pcap520(&["analyze", folder.path().to_str().unwrap()]), &["no file in this folder is a capture"]);
}

#[test]
fn the_same_capture_gives_the_same_report_from_a_file_and_from_a_pipe() {
    let (_folder, capture) = changed_capture(|_| {});
    let from_file = stdout(&pcap520(&["analyze", "--format", "json", &capture]));
    let piped =
        command(&["analyze", "--format", "json", "-"]).write_stdin(fs::read(&capture).unwrap()).output().unwrap();
    assert_eq!(from_file.replace(&capture, "-"), stdout(&piped));
}

#[test]
fn fail_on_turns_a_matching_incident_into_status_1() {
    let (_folder, capture) = changed_capture(|_| {});
    for (fail_on, status) in [("any", 1), ("empty-response", 1), ("keepalive-race", 0)] {
        let output = pcap520(&["analyze", "--fail-on", fail_on, &capture]);
        assert_eq!(output.status.code(), Some(status), "--fail-on {fail_on}");
    }
}

#[test]
fn a_key_log_or_root_that_is_not_there_is_named() {
    let (_folder, capture) = folder_with_capture();
    assert_fault(&pcap520(&["analyze", "--keylog", "no-keys.txt", &capture]), &["no-keys.txt", "--keylog"]);
    assert_fault(&pcap520(&["analyze", "--ca", "no-ca.pem", &capture]), &["no-ca.pem", "--ca"]);
}

#[test]
fn a_report_that_cannot_be_written_is_named() {
    let (_folder, capture) = folder_with_capture();
    assert_fault(&pcap520(&["analyze", "-o", "no/such/folder/report", &capture]), &["no/such/folder/report", "-o"]);
}

#[test]
fn standard_input_is_a_capture_too() {
    let output = command(&["analyze", "-"]).write_stdin(EMPTY_PCAP.to_vec()).output().unwrap();
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert!(stdout(&output).starts_with("No incident"), "{output:?}");
}

#[test]
fn an_unknown_cause_is_refused_everywhere() {
    let (_folder, capture) = folder_with_capture();
    for arguments in [
        &["explain", "no-such-cause"][..],
        &["analyze", "--cause", "no-such-cause", &capture],
        &["analyze", "--fail-on", "no-such-cause", &capture],
    ] {
        assert_fault(&pcap520(arguments), &["no-such-cause", "pcap520 explain"]);
    }
}

#[test]
fn bad_command_lines_end_with_status_2_and_say_why() {
    let (_folder, capture) = folder_with_capture();
    for (arguments, part) in [
        (&[][..], "Usage"),
        (&["analyse"], "analyze"),
        (&["analyze"], "CAPTURE"),
        (&["analyze", "--format", "xml", &capture], "markdown"),
        (&["analyze", "--edge", "nobody", &capture], "cloudflare"),
        (&["analyze", "--response-timeout", "soon", &capture], "seconds"),
        (&["analyze", "--header-limit", "0", &capture], "bytes"),
        (&["analyze", "--server", "origin.example", &capture], "address"),
        (&["analyze", "-q", "-v", &capture], "cannot be used with"),
        (&["analyze", "-f", "tcp", &capture, "--", "tcp"], "cannot be used with"),
        (&["completions", "cmd"], "bash"),
    ] {
        let output = pcap520(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(stdout(&output), "", "{arguments:?}");
        assert!(stderr(&output).contains(part), "{part:?} in {}", stderr(&output));
    }
}

#[test]
fn a_forgotten_key_log_is_hinted_at_and_not_read() {
    let (_folder, capture) = folder_with_capture();
    let hint = |options: &[&str]| {
        let arguments = [&["analyze", &capture], options].concat();
        stderr(&command(&arguments).env("SSLKEYLOGFILE", "/no/such/keys").output().unwrap())
    };
    assert!(hint(&[]).contains("--keylog"));
    assert_eq!(hint(&["-q"]), "");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for arguments in [&["completions", "bash"][..], &["man"], &["explain"]] {
        let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_pcap520"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()), "{arguments:?}");
    }
}

#[test]
fn colour_is_written_where_it_is_asked_for_only() {
    let (folder, capture) = folder_with_capture();
    let coloured = |arguments: &[&str]| pcap520(arguments).stdout.contains(&0x1b);
    assert!(!coloured(&["analyze", &capture]));
    assert!(coloured(&["analyze", "--color", "always", &capture]));
    let forced = command(&["analyze", &capture]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(forced.stdout.contains(&0x1b));
    let never = command(&["analyze", "--color", "never", &capture]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!never.stdout.contains(&0x1b));
    let file = folder.path().join("report.txt");
    pcap520(&["analyze", "--color", "always", "-o", file.to_str().unwrap(), &capture]);
    assert!(!fs::read(&file).unwrap().contains(&0x1b));
}

/// Runs the program on a terminal of its own, which `script` of util-linux makes.
fn on_a_terminal(arguments: &str, pager: &str) -> Option<String> {
    let line = format!("{} {arguments}", env!("CARGO_BIN_EXE_pcap520"));
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("PAGER", pager).env_remove("NO_COLOR").stdin(Stdio::null());
    let Ok(done) = command.output() else {
        eprintln!("skipped: script (util-linux) is not installed");
        return None;
    };
    Some(stdout(&done))
}

#[test]
fn a_long_text_goes_through_the_pager_on_a_terminal_only() {
    let (_folder, capture) = folder_with_capture();
    let pager = "sed s/^/paged:/";
    let paged = |arguments: &str| Some(on_a_terminal(arguments, pager)?.contains("paged:"));
    for (arguments, expected) in [
        (format!("analyze {capture}"), true),
        (format!("analyze --format markdown {capture}"), true),
        ("explain keepalive-race".to_owned(), true),
        (format!("analyze --no-pager {capture}"), false),
        (format!("analyze --format json {capture}"), false),
        ("explain --no-pager".to_owned(), false),
    ] {
        let Some(paged) = paged(&arguments) else { return };
        assert_eq!(paged, expected, "{arguments}");
    }
    for pager in ["", "cat", "no-such-pager-anywhere"] {
        let Some(text) = on_a_terminal(&format!("analyze {capture}"), pager) else { return };
        assert!(text.contains("they hold no TCP connection"), "{pager:?}: {text}");
    }
    let piped = command(&["analyze", &capture]).env("PAGER", pager).output().unwrap();
    assert!(!stdout(&piped).contains("paged:"));
}

#[test]
fn times_are_shown_in_the_zone_that_was_asked_for() {
    let capture = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/corpus/plain/keepalive-race--nginx-2s.pcap");
    let of = |options: &[&str]| {
        let arguments = [&["analyze", capture], options].concat();
        stdout(&command(&arguments).env("TZ", "XYZ-5:30").output().unwrap())
    };
    assert!(of(&[]).contains("2026-11-24 00:16:18.592169 UTC"));
    assert_eq!(of(&["--utc"]), of(&[]));
    let local = of(&["--local"]);
    assert!(local.contains("2026-11-24 05:46:18.592169 +05:30"), "{local}");
    for format in ["json", "ndjson", "har"] {
        assert_eq!(of(&["--local", "--format", format]), of(&["--format", format]), "machines read UTC");
    }
}

#[test]
fn every_cause_is_listed_and_explained() {
    let list = pcap520(&["explain"]);
    assert_eq!(list.status.code(), Some(0));
    for entry in Catalogue::built_in().entries() {
        assert!(stdout(&list).contains(&format!("  {}  {} ", entry.status, entry.id)), "{}", entry.id);
        let output = pcap520(&["explain", entry.id]);
        assert_eq!(output.status.code(), Some(0), "{}", entry.id);
        assert!(stdout(&output).starts_with(&format!("{}\n", entry.id)), "{}", stdout(&output));
    }
}

#[test]
fn completions_know_the_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = pcap520(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("response-timeout"), "{shell}");
    }
}

#[test]
fn man_pages_describe_the_program_and_its_commands() {
    let page = stdout(&pcap520(&["man"]));
    for section in
        [".TH", ".SH NAME", ".SH SYNOPSIS", ".SH SUBCOMMANDS", "Exit status", ".SH ENVIRONMENT", ".SH \"SEE ALSO\""]
    {
        assert!(page.contains(section), "{section} in {page}");
    }
    assert!(stdout(&pcap520(&["man", "analyze"])).contains("response\\-timeout"));
    assert_fault(&pcap520(&["man", "nonsense"]), &["nonsense"]);
}

#[test]
fn help_goes_to_standard_output_and_shows_examples() {
    for arguments in [&["--help"][..], &["analyze", "--help"], &["explain", "--help"]] {
        let output = pcap520(arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(stdout(&output).contains("Examples:"), "{arguments:?}");
    }
    assert!(stdout(&pcap520(&["--version"])).starts_with("pcap520 "));
}
