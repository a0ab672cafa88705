//! A capture in which every text that a report repeats is hostile.

use super::fuzz::packets::{ACK, Conversation, RST, pcap};

/// Everything that a terminal, a browser, a tracker or a spreadsheet would take for more than text.
pub const HOSTILE: &str = "\u{1b}[31m\u{1b}]0;owned\u{7}\u{9b}2J</script></style></title>--><script>owned=1</script>\
    <img/src=x/onerror=owned=1><svg/onload=owned=1>\"onmouseover=\"owned=1\"'`````|\u{202e}\u{2066}\u{200b}&lt;\
    &amp;@all#1=cmd|'/C'!A0 [x](javascript:owned=1)";

/// Failures of every layer that bring their texts into the report.
pub fn capture() -> Vec<u8> {
    let spaced = HOSTILE.replace(' ', "");
    let request =
        format!("GET /{spaced} HTTP/1.1\r\nHost: {spaced}\r\nCF-Ray: {spaced}\r\nUser-Agent: {HOSTILE}\r\n\r\n");
    let responses = [
        format!(
            "HTTP/1.1 200 {HOSTILE}\r\nX-{HOSTILE}: {HOSTILE}\r\n{HOSTILE}\r\nContent-Length: 5{HOSTILE}\r\n\r\nabc"
        ),
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;{HOSTILE}\r\nhello\r\n{HOSTILE}\r\n"),
        format!("{HOSTILE}\r\n\r\n"),
        format!("HTTP/1.1 {HOSTILE}\r\nServer: {HOSTILE}\r\n\r\n"),
        format!(
            "HTTP/1.1 502 Bad\r\nServer: {HOSTILE}\r\nVia: {HOSTILE}\r\nX-Cache: {HOSTILE}\r\nContent-Length: 9\r\n\r\n<"
        ),
        format!("Fatal error: {HOSTILE} in /srv/{spaced}.php on line 7\nHTTP/1.1 200 OK\r\n\r\n"),
        String::new(),
    ];
    let mut talks = Vec::new();
    for (port, response) in (40_000..).zip(&responses) {
        let mut talk = Conversation::open(port, 80, u64::from(port) * 1_000_000, [7, 9]);
        talk.client(request.as_bytes());
        talk.server(response.as_bytes());
        talk.close(1);
        talks.push(talk);
    }
    let mut reset = Conversation::open(41_000, 80, 41_000_000_000, [7, 9]);
    reset.client(request.as_bytes());
    reset.segment(1, RST | ACK, &[], HOSTILE.as_bytes());
    talks.push(reset);
    let mut banner = Conversation::open(41_001, 80, 41_001_000_000, [7, 9]);
    banner.server(HOSTILE.as_bytes());
    banner.client(request.as_bytes());
    banner.close(1);
    talks.push(banner);
    let mut refused = Conversation::open(41_002, 443, 41_002_000_000, [7, 9]);
    refused.client(&record(&client_hello(spaced.as_bytes())));
    refused.server(&[record(&server_hello()), record(&certificate(spaced.as_bytes()))].concat());
    // The edge says: certificate_expired.
    refused.client(&[0x15, 3, 3, 0, 2, 2, 45]);
    refused.close(0);
    talks.push(refused);
    let frames: Vec<_> = talks.into_iter().flat_map(|talk| talk.frames).collect();
    pcap(&frames)
}

/// A TLS record with handshake messages.
fn record(messages: &[u8]) -> Vec<u8> {
    [&[0x16, 3, 3], &(messages.len() as u16).to_be_bytes()[..], messages].concat()
}

/// A handshake message of TLS 1.2.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind], &(body.len() as u32).to_be_bytes()[1..], body].concat()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// With this name, as the one that is asked for and as a protocol.
fn client_hello(name: &[u8]) -> Vec<u8> {
    let server_name = sized(&[&[0], &sized(name)[..]].concat());
    let protocol = &name[..name.len().min(200)];
    let protocols = sized(&[&[protocol.len() as u8], protocol].concat());
    let extensions = [&[0, 0], &sized(&server_name)[..], &[0, 16], &sized(&protocols)].concat();
    message(1, &[&[3, 3][..], &[1; 32], &[0, 0, 2, 0xc0, 0x2f, 1, 0], &sized(&extensions)].concat())
}

fn server_hello() -> Vec<u8> {
    message(2, &[&[3, 3][..], &[2; 32], &[0, 0xc0, 0x2f, 0]].concat())
}

/// An expired certificate whose subject, issuer and alternative name are this text.
fn certificate(name: &[u8]) -> Vec<u8> {
    let ed25519 = der(0x30, &[&[6, 3, 0x2b, 0x65, 0x70]]);
    let common_name = der(0x30, &[&[6, 3, 0x55, 4, 3], &der(0x0c, &[name])]);
    let names = der(0x30, &[&der(0x31, &[&common_name])]);
    let validity = der(0x30, &[&der(0x17, &[b"680101000000Z"]), &der(0x17, &[b"690101000000Z"])]);
    let key = der(0x30, &[&ed25519, &der(3, &[&[0], &[7; 32]])]);
    let alternative = der(0x30, &[&[6, 3, 0x55, 0x1d, 0x11], &der(4, &[&der(0x30, &[&der(0x82, &[name])])])]);
    let extensions = der(0xa3, &[&der(0x30, &[&alternative])]);
    let version = [0xa0, 3, 2, 1, 2];
    let signed = der(0x30, &[&version, &[2, 1, 1], &ed25519, &names, &validity, &names, &key, &extensions]);
    let whole = der(0x30, &[&signed, &ed25519, &der(3, &[&[0], &[9; 64]])]);
    let entry = [&(whole.len() as u32).to_be_bytes()[1..], &whole].concat();
    message(11, &[&(entry.len() as u32).to_be_bytes()[1..], &entry].concat())
}

/// A value in DER (X.690).
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    [&[tag, 0x82], &(body.len() as u16).to_be_bytes()[..], &body].concat()
}
