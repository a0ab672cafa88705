//! Secrets are planted in every place of a capture that a report could quote, and looked for in every format.

use std::fs;
use std::path::Path;

use assert_cmd::Command;

/// What each place holds; no report may hold any of them.
const SECRETS: [&str; 6] = [
    "Zq8xVb2LmK9sPw0",
    "hunter2-Tr0ub4dor",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl",
    "ann.lee@mail.example",
    "ann.lee%40mail.example",
    "c2VjcmV0OnBhc3N3b3Jk",
];

#[test]
fn no_format_tells_a_planted_secret() {
    let mut told = Vec::new();
    for (name, capture) in captures() {
        let (_folder, path) = written(&capture);
        let mut incidents = 0;
        for format in [
            &["--format", "text"][..],
            &["--format", "text", "-v"],
            &["--format", "markdown"],
            &["--format", "json", "--connections"],
            &["--format", "ndjson", "--connections"],
            &["--format", "html"],
            &["--format", "har"],
        ] {
            let report = run(&[&["analyze"], format, &[&path]].concat());
            let lines = report.lines().filter(|line| SECRETS.iter().any(|secret| line.contains(secret)));
            told.extend(lines.map(|line| format!("{name}, {format:?}: {line}")));
            incidents += usize::from(report.contains("keepalive") || report.contains("520"));
        }
        assert!(incidents > 0, "{name}: nothing was found, so nothing could be told");
    }
    assert!(told.is_empty(), "{told:#?}");
}

#[test]
fn all_is_told_where_that_is_asked_for() {
    let told = captures().into_iter().any(|(_, capture)| {
        let (_folder, path) = written(&capture);
        run(&["analyze", "--no-redact", "-v", &path]).contains(SECRETS[0])
    });
    assert!(told, "the secrets are where reports quote");
}

#[test]
fn no_extract_holds_a_planted_secret() {
    let mut extracts = 0;
    for (name, capture) in captures().into_iter().chain([("cut everywhere", cut_everywhere())]) {
        let (folder, path) = written(&capture);
        let extract = |options: &[&str]| {
            let file = folder.path().join("extract.pcapng");
            run(&[&["extract", "-q", "-o", file.to_str().unwrap()], options, &[&path]].concat());
            fs::read(&file).unwrap_or_default()
        };
        let redacted = extract(&[]);
        for secret in SECRETS {
            assert!(!holds(&redacted, secret.as_bytes()), "{name}: {secret}");
        }
        extracts += usize::from(!redacted.is_empty());
        let streams = streams(&redacted);
        for secret in SECRETS {
            assert!(streams.iter().all(|stream| !holds(stream, secret.as_bytes())), "{name}: {secret}, over segments");
        }
        let whole = extract(&["--no-redact"]);
        assert_eq!(whole.is_empty(), redacted.is_empty(), "{name}");
        assert!(whole.is_empty() || self::streams(&whole).iter().any(|stream| holds(stream, SECRETS[0].as_bytes())));
    }
    assert!(extracts > 15, "only {extracts} extracts, so little could be told");
}

#[test]
fn nothing_planted_under_tls_is_told_where_there_are_keys() {
    for version in ["12", "13"] {
        let capture = format!("testdata/redaction/planted-{version}.pcap");
        let keys = format!("testdata/redaction/planted-{version}.keys");
        for format in [
            &["--format", "text", "-v"][..],
            &["--format", "text", "-v", "--ray", "8f3b2c1d0e9a7b65"],
            &["--format", "markdown"],
            &["--format", "json", "--connections"],
            &["--format", "ndjson", "--connections"],
            &["--format", "html"],
            &["--format", "har"],
        ] {
            let of = |options: &[&str]| run(&[&["analyze", "--keylog", &keys, &capture], format, options].concat());
            let (report, whole) = (of(&[]), of(&["--no-redact"]));
            assert!(report.contains("malformed-header") || report.contains("/a/"), "{format:?}: it was decrypted");
            let told: Vec<_> = SECRETS.iter().filter(|secret| report.contains(*secret)).collect();
            assert!(told.is_empty(), "{format:?} tells {told:?}");
            assert!(whole.contains(SECRETS[0]), "{format:?}: it could have told");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("extract.pcapng");
        run(&["extract", "-q", "--keylog", &keys, "-o", file.to_str().unwrap(), &capture]);
        let extract = fs::read(&file).unwrap();
        let secret = fs::read_to_string(&keys).unwrap();
        let secret = secret.lines().last().unwrap().rsplit(' ').next().unwrap();
        assert!(!holds(&extract, secret.as_bytes()), "the keys are not asked for");
    }
}

/// What comments and names of hosts an input capture has does not come along: only what this program says itself.
#[test]
fn nothing_but_packets_is_copied_from_a_pcapng_file() {
    let (folder, path) = written(&captures().swap_remove(0).1);
    let block = |kind: u32, body: &[u8]| {
        let body = [body, &vec![0; body.len().next_multiple_of(4) - body.len()]].concat();
        let len = (body.len() as u32 + 12).to_le_bytes();
        [&kind.to_le_bytes()[..], &len, &body, &len].concat()
    };
    let option = |code: u16, text: &str| {
        let padded = [text.as_bytes(), &vec![0; text.len().next_multiple_of(4) - text.len()]].concat();
        [&code.to_le_bytes()[..], &(text.len() as u16).to_le_bytes(), &padded, &[0; 4]].concat()
    };
    let comment = option(1, &format!("Authorization: Basic {}", SECRETS[5]));
    let mut pcapng = block(0x0a0d_0d0a, &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[0xff; 8], &comment].concat());
    let described = option(3, &format!("tap token={}", SECRETS[0]));
    pcapng.extend(block(1, &[&[101, 0, 0, 0, 0, 0, 4, 0][..], &described].concat()));
    let name = [&[10, 0, 0, 2][..], format!("{}.example\0", SECRETS[0]).as_bytes()].concat();
    let record = [&1_u16.to_le_bytes()[..], &(name.len() as u16).to_le_bytes(), &name].concat();
    let record = [&record[..], &vec![0; record.len().next_multiple_of(4) - record.len()], &[0; 4]].concat();
    pcapng.extend(block(4, &record));
    let whole = fs::read(&path).unwrap();
    for packet in packets_of_pcap(&whole) {
        let len = (packet.1.len() as u32).to_le_bytes();
        let head = [&[0; 4][..], &(packet.0 >> 32).to_le_bytes()[..4], &(packet.0 as u32).to_le_bytes(), &len, &len];
        let mut body = head.concat();
        body.extend(packet.1);
        body.resize(body.len().next_multiple_of(4), 0);
        body.extend(&comment);
        pcapng.extend(block(6, &body));
    }
    let input = folder.path().join("input.pcapng");
    fs::write(&input, pcapng).unwrap();
    let file = folder.path().join("extract.pcapng");
    run(&["extract", "-q", "-o", file.to_str().unwrap(), input.to_str().unwrap()]);
    let extract = fs::read(&file).unwrap();
    for secret in SECRETS {
        assert!(!holds(&extract, secret.as_bytes()), "{secret}");
    }
}

#[test]
fn no_format_tells_an_address_where_they_are_hidden() {
    for format in ["text", "markdown", "json", "ndjson", "html", "har"] {
        let capture = "testdata/corpus/plain/keepalive-race--nginx-2s.pcap";
        let of = |options: &[&str]| run(&[&["analyze", "--format", format], options, &[capture]].concat());
        let (shown, hidden) = (of(&[]), of(&["--redact", "addresses"]));
        for address in ["10.13.77.129", "10.113.77.131"] {
            assert!(shown.contains(address) || format == "har", "{format}");
            assert!(!hidden.contains(address), "{format}: {hidden}");
        }
        assert_eq!(hidden, of(&["--redact", "addresses"]), "{format}: pseudonyms stay the same");
        assert!(format == "har" || hidden.contains("address-"), "{format}: {hidden}");
        assert!(!hidden.contains("ewwm5vwa"), "{format}: an id is a hash of addresses");
    }
}

/// One capture for each way to fail, with secrets wherever bytes are quoted.
fn captures() -> Vec<(&'static str, Capture)> {
    let [token, password, jwt, email, encoded, basic] = SECRETS;
    let request = format!(
        "GET /a/{jwt}?token={token}&to={encoded}&password={password} HTTP/1.1\r\nHost: shop.example\r\nCookie: sid={token}\r\n\
         Authorization: Basic {basic}\r\nX-Api-Key: {password}\r\nReferer: https://shop.example/?token={token}\r\n\
         From: {email}\r\nCF-Ray: 8f3b2c1d0e9a7b65-FRA\r\n\r\n"
    );
    let head = "HTTP/1.1 200 OK\r\nServer: nginx\r\n";
    let responses: Vec<(&str, String)> = vec![
        ("nothing", String::new()),
        ("cut body", format!("{head}Set-Cookie: sid={token}\r\nContent-Length: 900\r\n\r\n{{\"token\":\"{token}\"}}")),
        ("space before the colon", format!("{head}Set-Cookie : sid={token}\r\nContent-Length: 0\r\n\r\n")),
        ("no colon", format!("{head}Set-Cookie sid={token}; user={email}\r\nContent-Length: 0\r\n\r\n")),
        ("space in a name", format!("{head}X Token: {token}\r\nContent-Length: 0\r\n\r\n")),
        ("control character", format!("{head}Set-Cookie: a={token}\u{1}; b={password}\r\nContent-Length: 0\r\n\r\n")),
        ("folded", format!("{head}Authorization: Bearer\r\n {token}\r\nContent-Length: 0\r\n\r\n")),
        ("name of other letters", format!("{head}X-Sch\u{fc}ssel: token={token}\r\nContent-Length: 0\r\n\r\n")),
        (
            "twice",
            format!("{head}Location: /?token={token}\r\nLocation: /?to={email}&jwt={jwt}\r\nContent-Length: 0\r\n\r\n"),
        ),
        ("status line", format!("HTTP/1.1 2OO token={token}\r\nContent-Length: 0\r\n\r\n")),
        ("bare content", format!("{{\"token\":\"{token}\",\"password\":\"{password}\"}}")),
        ("bare form", format!("password={password}&token={token}&mail={email}")),
        ("bare page", format!("<html><a href=\"/?token={token}\">{email}</a>")),
        ("bare log line", format!("Set-Cookie: sid={token}\r\nAuthorization: Basic {basic}\r\n")),
        ("chunk extension", format!("{head}Transfer-Encoding: chunked\r\n\r\nzz;token={token}\r\nabc\r\n")),
        ("chunk size", format!("{head}Transfer-Encoding: chunked\r\n\r\ntoken={token}\r\nabc\r\n")),
        (
            "trailer",
            format!("{head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nSet-Cookie : sid={token}\r\n\r\n"),
        ),
        ("more than it said", format!("{head}Content-Length: 2\r\n\r\nokSet-Cookie: sid={token}; {email}")),
        ("framing", format!("{head}Transfer-Encoding: token={token}\r\nContent-Length: 3\r\n\r\nabc")),
    ];
    let mut captures = Vec::new();
    for (name, response) in responses {
        let mut capture = Capture::new();
        capture.edge(request.as_bytes());
        if !response.is_empty() {
            capture.origin(response.as_bytes());
        }
        capture.fin();
        captures.push((name, capture));
    }
    let mut reset = Capture::new();
    reset.edge(request.as_bytes());
    reset.segment(Side::Origin, 0x14, format!("token={token} {email}").as_bytes());
    captures.push(("reset text", reset));
    captures.push(("h2", h2(&request)));
    captures
}

/// Secrets in segments of seven bytes, some out of order and some twice.
fn cut_everywhere() -> Capture {
    let whole = captures().into_iter().find(|(name, _)| *name == "twice").unwrap().1;
    let mut capture = Capture::new();
    for (from, text) in [Side::Edge, Side::Origin].into_iter().zip(streams_of(&whole.packets)) {
        let own = usize::from(from == Side::Origin);
        let first = capture.next[own];
        let parts: Vec<(u32, &[u8])> = (0..).map(|nth| first + 7 * nth).zip(text.chunks(7)).collect();
        for pair in parts.chunks(2) {
            for (seq, part) in pair.iter().rev().chain(&pair[..1]) {
                capture.next[own] = *seq;
                capture.segment(from, 0x18, part);
            }
        }
        capture.next[own] = first + text.len() as u32;
    }
    capture.fin();
    capture
}

/// HTTP/2 in clear text, with secrets in fields and in the text of a GOAWAY.
fn h2(_request: &str) -> Capture {
    let [token, password, _, email, _, _] = SECRETS;
    let literal = |name: &str, value: &str| -> Vec<u8> {
        let text = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
        [vec![0], text(name), text(value)].concat()
    };
    let fields: Vec<u8> = [
        literal(":method", "GET"),
        literal(":scheme", "http"),
        literal(":authority", "shop.example"),
        literal(":path", &format!("/?token={token}&to={email}")),
        literal("cookie", &format!("sid={token}")),
        literal("authorization", &format!("Bearer {password}")),
    ]
    .concat();
    let mut capture = Capture::new();
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    capture.edge(&[&preface[..], &frame(4, 0, 0, &[]), &frame(1, 5, 1, &fields)].concat());
    capture.origin(&frame(4, 0, 0, &[]));
    let answer = [literal(":status", "200"), literal("Set-Cookie", &format!("sid={token}"))].concat();
    capture.origin(&frame(1, 4, 1, &answer));
    let debug = format!("token={token} {email}");
    capture.edge(&frame(7, 0, 0, &[&[0, 0, 0, 0, 0, 0, 0, 1], debug.as_bytes()].concat()));
    capture.fin();
    capture
}

/// A frame: length (3), type, flags, stream (4), payload (RFC 9113 section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, stream][..], payload].concat()
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Edge,
    Origin,
}

/// One connection as a pcap file of raw IP packets (link type 101).
struct Capture {
    bytes: Vec<u8>,
    packets: Vec<Vec<u8>>,
    next: [u32; 2],
    time: u32,
}

impl Capture {
    fn new() -> Self {
        let mut bytes = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0];
        bytes.extend([0; 8]);
        bytes.extend(65_535_u32.to_le_bytes());
        bytes.extend(101_u32.to_le_bytes());
        let mut capture = Self { bytes, packets: Vec::new(), next: [1_000, 5_000], time: 0 };
        capture.segment(Side::Edge, 0x02, &[]);
        capture.segment(Side::Origin, 0x12, &[]);
        capture.segment(Side::Edge, 0x10, &[]);
        capture
    }

    fn edge(&mut self, data: &[u8]) {
        self.segment(Side::Edge, 0x18, data);
        self.segment(Side::Origin, 0x10, &[]);
    }

    fn origin(&mut self, data: &[u8]) {
        self.segment(Side::Origin, 0x18, data);
        self.segment(Side::Edge, 0x10, &[]);
    }

    fn fin(&mut self) {
        self.segment(Side::Origin, 0x11, &[]);
        self.segment(Side::Edge, 0x11, &[]);
        self.segment(Side::Origin, 0x10, &[]);
    }

    fn segment(&mut self, from: Side, flags: u8, data: &[u8]) {
        let (own, other) = if from == Side::Edge { (0, 1) } else { (1, 0) };
        let (ports, hosts): ([u16; 2], [u8; 2]) = ([40_000, 80], [7, 2]);
        let mut packet = vec![0x45, 0];
        packet.extend((40 + data.len() as u16).to_be_bytes());
        packet.extend([0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, hosts[own], 10, 0, 0, hosts[other]]);
        packet.extend(ports[own].to_be_bytes());
        packet.extend(ports[other].to_be_bytes());
        packet.extend(self.next[own].to_be_bytes());
        packet.extend(if flags & 0x10 == 0 { 0 } else { self.next[other] }.to_be_bytes());
        packet.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        packet.extend(data);
        self.next[own] += data.len() as u32 + u32::from(flags & 0x03 != 0);
        self.time += 10_000;
        for number in [1_764_000_000, self.time, packet.len() as u32, packet.len() as u32] {
            self.bytes.extend(number.to_le_bytes());
        }
        self.bytes.extend(&packet);
        self.packets.push(packet);
    }
}

fn written(capture: &Capture) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("planted.pcap");
    fs::write(&path, &capture.bytes).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

/// Time in microseconds and bytes of each packet of a pcap file that this test wrote.
fn packets_of_pcap(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let number = |bytes: &[u8]| u64::from(u32::from_le_bytes(bytes[..4].try_into().unwrap()));
    let mut packets = Vec::new();
    bytes = &bytes[24..];
    while !bytes.is_empty() {
        let end = 16 + number(&bytes[8..]) as usize;
        packets.push((number(bytes) * 1_000_000 + number(&bytes[4..]), &bytes[16..end]));
        bytes = &bytes[end..];
    }
    packets
}

/// What the edge and the origin sent in the packets of a pcapng file.
fn streams(pcapng: &[u8]) -> [Vec<u8>; 2] {
    let number = |at: usize| u32::from_le_bytes(pcapng[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut packets) = (0, Vec::new());
    while at < pcapng.len() {
        if number(at) == 6 {
            packets.push(pcapng[at + 28..at + 28 + number(at + 20)].to_vec());
        }
        at += number(at + 4);
    }
    streams_of(&packets)
}

/// What the edge and the origin sent, in the order of sequence numbers.
fn streams_of(packets: &[Vec<u8>]) -> [Vec<u8>; 2] {
    [7, 2].map(|host| {
        let mut parts: Vec<(u32, &[u8])> = packets
            .iter()
            .filter(|packet| packet[15] == host)
            .map(|packet| (u32::from_be_bytes(packet[24..28].try_into().unwrap()), &packet[40..]))
            .filter(|(_, data)| !data.is_empty())
            .collect();
        parts.sort();
        parts.dedup();
        parts.iter().flat_map(|(_, data)| data.iter().copied()).collect()
    })
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn run(arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pcap520"));
    let command =
        command.args(arguments).env_remove("SSLKEYLOGFILE").current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
