//! `pcap520 extract`: the packets that it takes, what it says of them, and what it leaves out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use pcap520::capture::{Input, Item};
use serde_json::Value;

const RACE: &str = "testdata/corpus/plain/keepalive-race--nginx-2s.pcap";
const HEALTHY: &str = "testdata/corpus/plain/healthy--nginx-keepalive.pcap";

#[test]
fn every_packet_that_proves_something_says_what() {
    let extract = Extract::of(&[RACE]);
    let told = extract.comments();
    let about = |nth: usize| told[nth].1.split_once(" keepalive-race").unwrap().1;
    assert_eq!(told.iter().map(|(packet, _)| *packet).collect::<Vec<_>>(), [1, 6, 8, 9, 10]);
    assert!(about(0).starts_with(": edge status 520, by the origin, certain. The origin closed"), "{told:?}");
    assert_eq!(about(2), ", the fault: the origin closes the idle connection (FIN) 2.002 s after its last response");
    assert!(extract.section_comment().starts_with("The packets of 1 incident in testdata/corpus/plain/keepalive-race"));
}

#[test]
fn packets_keep_their_bytes_their_link_type_and_their_time() {
    for capture in [
        "plain/wrapped--nanoseconds.pcap",
        "plain/wrapped--any-sll2.pcap",
        "plain/wrapped--raw-ip.pcap",
        "plain/wrapped--vlan.pcap",
        "plain/wrapped--pcapng.pcapng",
        "plain/wrapped--gzip.pcap.gz",
        "plain/crowd--small.pcap",
    ] {
        let capture = format!("testdata/corpus/{capture}");
        let original = packets(&[Path::new(&capture)]);
        let copied = packets(&[Extract::of(&["--no-redact", &capture]).path()]);
        assert!(!copied.is_empty(), "{capture}");
        let redacted = packets(&[Extract::of(&[&capture]).path()]);
        let lens = |packets: &[Packet]| packets.iter().map(|it| (it.nanos, it.data.len())).collect::<Vec<_>>();
        assert_eq!(lens(&redacted), lens(&copied), "{capture}: secrets keep their length");
        let mut left = original.iter();
        assert!(
            copied.iter().all(|packet| left.any(|other| other == packet)),
            "{capture}: in the order of the capture"
        );
    }
}

#[test]
fn what_the_packets_said_they_still_say() {
    for capture in [
        "plain/empty-response--close.pcap",
        "plain/connect-unreachable--host.pcap",
        "plain/middlebox-reset--keyword.pcap",
        "plain/mtu-blackhole--response.pcap",
        "plain/truncated-response--no-last-chunk.pcap",
        "plain/crowd--small.pcap",
        "tls/crowd--tls13.pcap",
        "tls/h2--stream-reset-mid.pcap",
        "tls/tls--cert--expired-12.pcap",
    ] {
        let capture = format!("testdata/corpus/{capture}");
        let keys = capture.replace(".pcap", ".keys");
        let keys = if Path::new(&keys).exists() { vec!["--with-keys", "--keylog", &keys] } else { Vec::new() };
        let told = |report: Value| -> Vec<[String; 3]> {
            let incidents = report["incidents"].as_array().unwrap().iter();
            incidents.map(|incident| ["id", "cause", "confidence"].map(|name| incident[name].to_string())).collect()
        };
        let whole = told(report(&[&keys[keys.len().min(1)..], &[&capture[..]]].concat()));
        let extract = Extract::of(&[&keys[..], &[&capture]].concat());
        assert!(!whole.is_empty(), "{capture}");
        assert_eq!(told(report(&[extract.path().to_str().unwrap()])), whole, "{capture}");
    }
}

#[test]
fn several_captures_keep_their_interfaces_apart() {
    let other = "testdata/corpus/plain/wrapped--any-sll2.pcap";
    let extract = Extract::of(&[RACE, other]);
    let interfaces: Vec<String> = extract.blocks(1).iter().flat_map(|body| comments_in(&body[8..])).collect();
    assert_eq!(interfaces, [RACE, other].map(|name| format!("from {name}")));
    let links: Vec<u16> = packets(&[extract.path()]).iter().map(|packet| packet.link).collect();
    assert!(links.contains(&1) && links.contains(&276), "{links:?}");
}

#[test]
fn healthy_connections_are_left_out() {
    let alone = packets(&[Extract::of(&[RACE]).path()]);
    assert_eq!(packets(&[Extract::of(&[RACE, HEALTHY]).path()]), alone);
}

#[test]
fn secrets_are_left_out_unless_they_are_asked_for() {
    let inside = "testdata/corpus/tls/wrapped--pcapng-with-keys-inside.pcapng";
    assert!(fs::read(inside).unwrap().windows(7).any(|bytes| bytes == b"TRAFFIC"), "the capture holds keys");
    let without = Extract::of(&[inside]);
    assert_eq!(without.blocks(10).len(), 0);
    assert!(!without.bytes.windows(7).any(|bytes| bytes == b"TRAFFIC"));
    let with = Extract::of(&["--with-keys", inside]);
    let secrets = with.blocks(10);
    assert_eq!(secrets.len(), 1);
    assert!(with.bytes.len() > without.bytes.len());
    assert!(with.stderr.contains("TLS secrets that decrypt them"), "{}", with.stderr);
}

#[test]
fn it_says_whether_credentials_are_in_it() {
    let extract = Extract::of(&[RACE]);
    assert!(extract.stderr.contains("10 packets of 1 incident; credentials and bodies in clear text are overwritten"));
    assert!(extract.section_comment().contains("overwritten by x"), "{}", extract.section_comment());
    let whole = Extract::of(&["--no-redact", RACE]);
    assert!(whole.stderr.contains("as they were captured: credentials in them are not redacted"), "{}", whole.stderr);
    assert!(whole.section_comment().contains("with every credential in them"), "{}", whole.section_comment());
    assert_eq!(Extract::of(&["-q", RACE]).stderr, "");
}

/// Needs tshark (Debian: `make test-deps`); without it the test says so and passes.
#[test]
fn wireshark_shows_the_comments() {
    let tshark = |path: &Path, arguments: &[&str]| {
        std::process::Command::new("tshark").arg("-r").arg(path).args(arguments).env("LC_ALL", "C.UTF-8").output()
    };
    let extract = Extract::of(&[RACE]);
    let Ok(done) =
        tshark(&extract.path(), &["-Y", "frame.comment", "-T", "fields", "-e", "frame.number", "-e", "frame.comment"])
    else {
        eprintln!("skipped: tshark is not installed; `make test-deps` installs it");
        return;
    };
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let shown = String::from_utf8(done.stdout).unwrap();
    let told = extract.comments();
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), told.len(), "{shown}");
    for (line, (packet, comment)) in lines.iter().zip(&told) {
        assert_eq!(*line, format!("{packet}\t{comment}"));
    }
    let inside = Extract::of(&["--with-keys", "testdata/corpus/tls/wrapped--pcapng-with-keys-inside.pcapng"]);
    let decrypted = tshark(&inside.path(), &["-Y", "http", "-T", "fields", "-e", "http.request.method"]).unwrap();
    assert!(String::from_utf8_lossy(&decrypted.stdout).contains("GET"), "the secrets in the file decrypt it");
}

#[cfg(unix)]
#[test]
fn only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let extract = Extract::of(&[RACE]);
    assert_eq!(fs::metadata(extract.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn without_an_incident_no_file_is_written() {
    for arguments in [&[HEALTHY][..], &["--cause", "connect-refused", RACE]] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("extract.pcapng");
        let output = pcap520(&[&["extract", "-o", file.to_str().unwrap()], arguments].concat());
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to extract"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

#[test]
fn it_can_be_piped_on() {
    let output = pcap520(&["extract", "-o", "-", RACE]);
    assert_eq!(output.stdout, Extract::of(&[RACE]).bytes);
}

#[test]
fn what_cannot_be_read_again_or_would_be_lost_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("race.pcap");
    fs::copy(RACE, &capture).unwrap();
    let (folder, capture) = (folder.path().to_str().unwrap(), capture.to_str().unwrap());
    for (arguments, part) in [
        (["-o", "extract.pcapng", "-"], "standard input"),
        (["-o", "extract.pcapng", "/dev/null"], "read once only"),
        (["-o", capture, capture], "one of the captures"),
        (["-o", capture, folder], "one of the captures"),
    ] {
        let output = pcap520(&[&["extract"], &arguments[..]].concat());
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(message.contains(part) && message.lines().count() == 1, "{message}");
        assert_eq!(fs::read(capture).unwrap(), fs::read(RACE).unwrap());
    }
}

/// An extract that was written.
struct Extract {
    folder: tempfile::TempDir,
    bytes: Vec<u8>,
    stderr: String,
}

impl Extract {
    fn of(arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("extract.pcapng");
        let output = pcap520(&[&["extract", "-o", file.to_str().unwrap()], arguments].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        Self { bytes: fs::read(&file).unwrap(), folder, stderr }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("extract.pcapng")
    }

    /// The bodies of the blocks of this type: block type (4), length (4), body, length (4), little endian.
    fn blocks(&self, kind: u32) -> Vec<&[u8]> {
        let mut bodies = Vec::new();
        let mut rest = &self.bytes[..];
        while !rest.is_empty() {
            let (block, after) = rest.split_at(number(&rest[4..]) as usize);
            if number(block) == kind {
                bodies.push(&block[8..block.len() - 4]);
            }
            rest = after;
        }
        bodies
    }

    /// The comments on packets, each with the number of its packet.
    fn comments(&self) -> Vec<(usize, String)> {
        let numbered = self.blocks(6).into_iter().zip(1..);
        let comments = |body: &[u8]| comments_in(&body[20 + (number(&body[12..]) as usize).next_multiple_of(4)..]);
        numbered.flat_map(|(body, packet)| comments(body).into_iter().map(move |text| (packet, text))).collect()
    }

    fn section_comment(&self) -> String {
        comments_in(&self.blocks(0x0a0d_0d0a)[0][16..]).remove(0)
    }
}

/// The comments among options: code (2), length (2), value, padded to 4 bytes; code 1 is a comment.
fn comments_in(mut options: &[u8]) -> Vec<String> {
    let mut comments = Vec::new();
    while options.len() > 4 {
        let (code, len) = (options[0], usize::from(u16::from_le_bytes([options[2], options[3]])));
        if code == 1 {
            comments.push(String::from_utf8(options[4..4 + len].to_vec()).unwrap());
        }
        options = &options[4 + len.next_multiple_of(4)..];
    }
    comments
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes[..4].try_into().unwrap())
}

#[derive(Debug, PartialEq, Eq)]
struct Packet {
    nanos: i64,
    link: u16,
    wire_len: u32,
    data: Vec<u8>,
}

/// Read by the program's own reader.
fn packets<P: AsRef<Path>>(paths: &[P]) -> Vec<Packet> {
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.as_ref().to_owned()).collect();
    let mut input = Input::open(&paths).unwrap();
    let mut packets = Vec::new();
    while let Some(item) = input.next_item().unwrap() {
        if let Item::Packet(packet) = item {
            let (nanos, link, wire_len) = (packet.time.0, packet.link.0, packet.wire_len);
            packets.push(Packet { nanos, link, wire_len, data: packet.data.to_vec() });
        }
    }
    packets
}

fn report(arguments: &[&str]) -> Value {
    let output = pcap520(&[&["analyze", "--format", "json"], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn pcap520(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    command.args(arguments).env_remove("SSLKEYLOGFILE").current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}
