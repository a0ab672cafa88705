//! Which bytes of a clear-text stream are secret: one side of a connection, read in order.
//!
//! What is known to be harmless is left as it is: start lines without their secrets, field names, the values of fields
//! that say how a message is framed and where it goes, the framing of bodies, TLS records. All else is secret, so
//! that what cannot be told is not shown.

use std::ops::Range;

use crate::report::redact::{filled, filled_request_id, filled_target};
use crate::timeline::Peer;

/// One side's stream under way.
#[derive(Debug)]
pub(super) struct Reader {
    from: Peer,
    state: State,
    /// The line that is not complete, and where it begins.
    line: Vec<u8>,
    line_at: u64,
    /// Where the next byte belongs.
    at: u64,
    /// Secret bytes, by their place in the stream, in order.
    secret: Vec<Range<u64>>,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The first line of a message, or a TLS record.
    Start,
    /// A field line, or the end of the section.
    Fields(Framing, Shown),
    /// The rest of a line that is too long to be kept.
    LongLine(Framing, Shown),
    /// So many bytes of a body.
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    /// The line end behind a chunk.
    ChunkEnd,
    /// The header of a TLS record, of which so many bytes are there.
    Record {
        seen: u8,
        len: u16,
    },
    /// So many bytes of a TLS record.
    RecordData(u64),
    /// HTTP/2 in clear text: nothing of the stream can be shown, as its compression ties all of it together.
    H2,
    /// Bytes of which nothing is known.
    Unknown,
}

/// How the body behind a field section ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Framing {
    chunked: bool,
    /// Content-Length, or none.
    length: Option<u64>,
    /// What holds without both.
    default: u64,
    /// Whatever the fields say, there is no body: 1xx, 204, 304.
    none: bool,
    /// Another protocol begins behind the section (101, CONNECT).
    switches: bool,
}

/// Whether the last field's value may be seen: a folded line goes on with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    ByRules,
    /// As the name of a request is.
    RequestId,
    Nothing,
}

impl Reader {
    pub(super) fn new(from: Peer) -> Self {
        Self { from, state: State::Start, line: Vec::new(), line_at: 0, at: 0, secret: Vec::new() }
    }

    /// The next bytes of the stream: what one segment brought.
    pub(super) fn read(&mut self, mut data: &[u8]) {
        if self.begins_message(data) {
            self.end_line();
            self.state = State::Start;
        }
        while !data.is_empty() {
            data = self.step(data);
        }
    }

    /// So many bytes were not captured.
    pub(super) fn hole(&mut self, len: u64) {
        self.end_line();
        self.at = self.at.saturating_add(len);
        let passed = |left: u64| left.checked_sub(len).filter(|left| *left > 0);
        self.state = match self.state {
            State::Body(u64::MAX) => self.state,
            State::Body(left) => passed(left).map_or(State::Unknown, State::Body),
            State::ChunkData(left) => passed(left).map_or(State::Unknown, State::ChunkData),
            State::RecordData(left) => passed(left).map_or(State::Unknown, State::RecordData),
            State::H2 => State::H2,
            _ => State::Unknown,
        };
    }

    /// True where it is HTTP/2, of which nothing can be shown.
    pub(super) fn is_h2(&self) -> bool {
        self.state == State::H2
    }

    /// The secret bytes, once all was read.
    pub(super) fn finish(mut self) -> Vec<Range<u64>> {
        self.end_line();
        self.secret
    }

    /// A segment that begins as a message does is one, wherever the last one was thought to end: the response to HEAD
    /// has no body, and a body may be longer or shorter than it says.
    fn begins_message(&self, data: &[u8]) -> bool {
        let waits = match self.state {
            State::Body(_) | State::ChunkSize | State::ChunkData(_) | State::ChunkEnd | State::Unknown => true,
            State::Fields(..) | State::LongLine(..) | State::Start => false,
            State::Record { .. } | State::RecordData(_) | State::H2 => false,
        };
        waits
            && match self.from {
                Peer::Origin => data.starts_with(b"HTTP/1."),
                Peer::Edge => {
                    let line = data.split(|&byte| byte == b'\n').next().unwrap_or_default();
                    is_request_line(&text(line.trim_ascii_end()))
                }
            }
    }

    /// Takes what it can of `data` and returns the rest.
    fn step<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        match self.state {
            State::Start if self.line.is_empty() && is_record(data) => {
                self.state = State::Record { seen: 0, len: 0 };
                data
            }
            State::Start | State::Fields(..) | State::ChunkSize | State::ChunkEnd => self.gather(data),
            State::LongLine(framing, shown) => {
                let len = data.iter().position(|&byte| byte == b'\n').map_or(data.len(), |end| end.saturating_add(1));
                let (line, rest) = data.split_at(len);
                self.hide(line, self.at, keeps_no_visible);
                self.pass(line);
                if line.ends_with(b"\n") {
                    self.state = State::Fields(framing, shown);
                }
                rest
            }
            State::Body(left) => self.body(data, left, State::Body, State::Start),
            State::ChunkData(left) => self.body(data, left, State::ChunkData, State::ChunkEnd),
            State::Record { seen, len } => {
                let Some((&byte, rest)) = data.split_first() else { return &[] };
                let fits = match seen {
                    0 => matches!(byte, 20..=24),
                    1 => byte == 3,
                    2 => byte <= 4,
                    _ => true,
                };
                if !fits {
                    self.state = State::Unknown;
                    return data;
                }
                let len = if seen < 3 { 0 } else { len << 8 | u16::from(byte) };
                self.pass(&[byte]);
                self.state = match seen {
                    4 if len == 0 => State::Record { seen: 0, len: 0 },
                    4 => State::RecordData(len.into()),
                    _ => State::Record { seen: seen.saturating_add(1), len },
                };
                rest
            }
            State::RecordData(left) => {
                let (part, rest) = data.split_at(within(data, left));
                self.pass(part);
                let left = left.saturating_sub(part.len() as u64);
                self.state = if left == 0 { State::Record { seen: 0, len: 0 } } else { State::RecordData(left) };
                rest
            }
            State::H2 | State::Unknown => {
                self.hide(data, self.at, keeps_line_ends);
                self.pass(data);
                &[]
            }
        }
    }

    /// Bytes of a body that has `left` of them.
    fn body<'a>(&mut self, data: &'a [u8], left: u64, more: fn(u64) -> State, end: State) -> &'a [u8] {
        let (part, rest) = data.split_at(within(data, left));
        self.hide(part, self.at, keeps_line_ends);
        self.pass(part);
        let part = part.len() as u64;
        self.state = match left {
            u64::MAX => more(left),
            _ if left == part => end,
            _ => more(left.saturating_sub(part)),
        };
        rest
    }

    /// Gathers a line.
    fn gather<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        if self.line.is_empty() {
            self.line_at = self.at;
        }
        let most = MAX_LINE.saturating_sub(self.line.len());
        let len = data
            .iter()
            .take(most)
            .position(|&byte| byte == b'\n')
            .map_or(most.min(data.len()), |end| end.saturating_add(1));
        let (part, rest) = data.split_at(len);
        self.line.extend_from_slice(part);
        self.pass(part);
        if part.ends_with(b"\n") || self.line.len() == MAX_LINE {
            self.end_line();
        }
        rest
    }

    /// Judges the line that was gathered, complete or not.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return;
        }
        let complete = line.ends_with(b"\n");
        let content = line.trim_ascii_end();
        let (state, shown) = match self.state {
            State::Start => (self.start(content), Shown::ByRules),
            State::Fields(framing, last) => {
                let (framing, shown) = self.field(content, framing, last);
                (if content.is_empty() { framing.state() } else { State::Fields(framing, shown) }, shown)
            }
            State::ChunkSize => (self.chunk_size(content), Shown::Nothing),
            State::ChunkEnd if content.is_empty() => (State::ChunkSize, Shown::Nothing),
            _ => {
                self.unknown(content);
                (State::Unknown, Shown::Nothing)
            }
        };
        self.state = match state {
            State::Fields(framing, _) if !complete => State::LongLine(framing, shown),
            other => other,
        };
    }

    fn start(&mut self, line: &[u8]) -> State {
        let text = text(line);
        if line.is_empty() {
            State::Start
        } else if text.starts_with("PROXY ") {
            self.compare(&text, &filled(&text));
            State::Start
        } else if self.from == Peer::Edge && text == "PRI * HTTP/2.0" {
            State::H2
        } else if self.from == Peer::Edge && is_request_line(&text) {
            let target = text.split(' ').nth(1).unwrap_or_default();
            self.compare(&text, &text.replacen(target, &filled_target(target), 1));
            let switches = text.starts_with("CONNECT ");
            State::Fields(Framing { default: 0, switches, ..Framing::NONE }, Shown::Nothing)
        } else if self.from == Peer::Origin && text.starts_with("HTTP/") {
            self.compare(&text, &filled(&text));
            let status = text.split(' ').nth(1).unwrap_or_default();
            let none = (status.starts_with('1') && status.len() == 3) || matches!(status, "204" | "304");
            let switches = status == "101";
            State::Fields(Framing { default: u64::MAX, none, switches, ..Framing::NONE }, Shown::Nothing)
        } else {
            self.unknown(line);
            State::Unknown
        }
    }

    fn field(&mut self, line: &[u8], mut framing: Framing, last: Shown) -> (Framing, Shown) {
        let folded = line.starts_with(b" ") || line.starts_with(b"\t");
        let colon = line.iter().position(|&byte| byte == b':').filter(|_| !folded);
        let Some(colon) = colon else {
            self.value(line, self.line_at, if folded { last } else { Shown::Nothing });
            return (framing, last);
        };
        let (name, value) = line.split_at(colon);
        let name_text = text(name);
        if name.len() > MAX_NAME || name.contains(&b'=') || filled(&name_text) != name_text {
            self.hide(name, self.line_at, keeps_no_visible);
        }
        let value_at = behind(behind(self.line_at, name), b":");
        let name = name_text.trim().to_ascii_lowercase();
        let value = value.get(1..).unwrap_or_default();
        let shown = match name.as_str() {
            "cf-ray" | "x-request-id" | "traceparent" => Shown::RequestId,
            name if HARMLESS.contains(&name) => Shown::ByRules,
            _ => Shown::Nothing,
        };
        self.value(value, value_at, shown);
        let value = text(value);
        match name.as_str() {
            "content-length" => framing.length = value.trim().parse().ok(),
            "transfer-encoding" => framing.chunked |= value.to_ascii_lowercase().contains("chunked"),
            _ => {}
        }
        (framing, shown)
    }

    fn value(&mut self, value: &[u8], at: u64, shown: Shown) {
        match shown {
            Shown::ByRules => {
                let value = text(value);
                self.compare_at(at, &value, &filled(&value));
            }
            Shown::RequestId => {
                let value = text(value);
                let id = value.trim_start();
                let blank = value.len().saturating_sub(id.len());
                self.compare_at(at.saturating_add(blank as u64), id, &filled_request_id(id));
            }
            Shown::Nothing => self.hide(value, at, keeps_no_visible),
        }
    }

    fn chunk_size(&mut self, line: &[u8]) -> State {
        let (size, extension) = line.split_at(line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count());
        let separated = extension.is_empty() || matches!(extension.first(), Some(b';' | b' ' | b'\t'));
        match u64::from_str_radix(&text(size), 16).ok().filter(|_| separated) {
            Some(number) => {
                let at = behind(behind(self.line_at, size), b";");
                self.hide(extension.get(1..).unwrap_or_default(), at, keeps_no_visible);
                match number {
                    0 => State::Fields(Framing { none: true, ..Framing::NONE }, Shown::Nothing),
                    number => State::ChunkData(number),
                }
            }
            None => {
                self.unknown(line);
                State::Unknown
            }
        }
    }

    /// A line in the place of another one: of its beginning as much is shown as a report quotes.
    fn unknown(&mut self, line: &[u8]) {
        let filled = filled(&text(line));
        let (quoted, rest) = line.split_at(line.len().min(QUOTED));
        self.compare(&text(quoted), &filled);
        self.hide(rest, behind(self.line_at, quoted), keeps_line_ends);
    }

    fn compare(&mut self, text: &str, filled: &str) {
        self.compare_at(self.line_at, text, filled);
    }

    /// Hides the characters of `text` that are others in `filled`.
    fn compare_at(&mut self, at: u64, text: &str, filled: &str) {
        for ((is, was), at) in filled.chars().zip(text.chars()).zip(at..) {
            if is != was {
                self.add(at..at.saturating_add(1));
            }
        }
    }

    /// Hides `data`, which stands at `at`, but for the bytes that `keeps` names.
    fn hide(&mut self, data: &[u8], mut at: u64, keeps: fn(u8) -> bool) {
        for part in data.split_inclusive(|&byte| keeps(byte)) {
            let hidden =
                part.strip_suffix(part.last().filter(|byte| keeps(**byte)).map_or(&[][..], std::slice::from_ref));
            self.add(at..behind(at, hidden.unwrap_or(part)));
            at = behind(at, part);
        }
    }

    fn add(&mut self, range: Range<u64>) {
        let full = self.secret.len() >= MAX_RANGES;
        match self.secret.last_mut() {
            _ if range.is_empty() => {}
            Some(last) if last.end == range.start => last.end = range.end,
            Some(last) if full => last.end = range.end,
            _ => self.secret.push(range),
        }
    }

    fn pass(&mut self, data: &[u8]) {
        self.at = behind(self.at, data);
    }
}

impl Framing {
    const NONE: Self = Self { chunked: false, length: None, default: 0, none: false, switches: false };

    /// What comes behind the section.
    fn state(self) -> State {
        match self {
            Self { switches: true, .. } => State::Unknown,
            Self { none: true, .. } => State::Start,
            Self { chunked: true, .. } => State::ChunkSize,
            Self { length, default, .. } => match length.unwrap_or(default) {
                0 => State::Start,
                length => State::Body(length),
            },
        }
    }
}

/// The place behind `data`, which stands at `at`.
fn behind(at: u64, data: &[u8]) -> u64 {
    at.saturating_add(data.len() as u64)
}

/// One character a byte, so that lengths stay.
fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|&byte| char::from(byte)).collect()
}

/// method SP request-target SP HTTP-version (RFC 9112 section 3)
fn is_request_line(line: &str) -> bool {
    let mut words = line.splitn(3, ' ');
    let method = words.next().unwrap_or_default();
    let is_method = !method.is_empty() && method.len() < 20 && method.bytes().all(|byte| byte.is_ascii_uppercase());
    is_method && words.next().is_some() && words.next().is_some_and(|rest| rest.contains("HTTP/1."))
}

/// content type (1), version (2), length (2) (RFC 8446 section 5.1)
fn is_record(data: &[u8]) -> bool {
    matches!(data, [20..=24] | [20..=24, 3] | [20..=24, 3, 0..=4, ..])
}

fn within(data: &[u8], left: u64) -> usize {
    usize::try_from(left).unwrap_or(usize::MAX).min(data.len())
}

/// In field values white space and control characters stay: they may be the fault.
fn keeps_no_visible(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

fn keeps_line_ends(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n')
}

/// Bytes of one line that are kept to be judged; of a longer one the rest is secret.
const MAX_LINE: usize = 64 * 1024;

/// Bytes of a field name; what is longer is none.
const MAX_NAME: usize = 64;

/// Bytes of a line that is no line of HTTP which are shown, by the rules of a report.
const QUOTED: usize = 64;

/// Secret ranges of one stream that are told apart; of more, what lies between them is secret, too.
const MAX_RANGES: usize = 100_000;

/// Fields whose values say how a message is framed, which one it is and how it was handled, and neither who asked
/// nor with what rights. Content-Encoding is none of them: a body that is hidden is packed no more.
const HARMLESS: &[&str] = &[
    "accept-encoding",
    "accept-ranges",
    "age",
    "allow",
    "alt-svc",
    "cache-control",
    "cdn-loop",
    "cf-visitor",
    "connection",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expect",
    "expires",
    "host",
    "http2-settings",
    "if-modified-since",
    "if-none-match",
    "keep-alive",
    "last-modified",
    "location",
    "max-forwards",
    "pragma",
    "proxy-connection",
    "range",
    "content-range",
    "retry-after",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "vary",
    "via",
    "x-amzn-trace-id",
    "x-cache",
    "x-forwarded-proto",
    "x-powered-by",
];

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown of the segments that `from` sends, secret bytes as `x`.
    fn shown(from: Peer, segments: &[&str]) -> String {
        let mut reader = Reader::new(from);
        segments.iter().for_each(|segment| reader.read(segment.as_bytes()));
        let mut bytes = segments.concat().into_bytes();
        for range in reader.finish() {
            bytes[range.start as usize..range.end as usize].fill(b'x');
        }
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn a_request_keeps_what_tells_it_apart() {
        let request = "POST /a?token=abc&page=2 HTTP/1.1\r\nHost: shop.example\r\nCookie: sid=1; b=2\r\n\
                       Content-Length: 5\r\nX-Own: what ever\r\n\r\nhello";
        let expected = "POST /a?token=xxx&page=2 HTTP/1.1\r\nHost: shop.example\r\nCookie: xxxxxx xxx\r\n\
                        Content-Length: 5\r\nX-Own: xxxx xxxx\r\n\r\nxxxxx";
        assert_eq!(shown(Peer::Edge, &[request]), expected);
        for at in 0..request.len() {
            let (first, second) = request.split_at(at);
            assert_eq!(shown(Peer::Edge, &[first, second]), expected, "cut at {at}");
        }
    }

    #[test]
    fn bodies_go_and_their_framing_stays() {
        for (response, expected) in [
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbodyHTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\n\r\nto the end",
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nxxxxHTTP/1.1 204 None\r\n\r\nHTTP/1.1 200 OK\r\n\r\nxxxxxxxxxx",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nbody\r\n0\r\nA: b\r\n\r\nHTTP/1.1 200 OK\r\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;xxx\r\nxxxx\r\n0\r\nA: x\r\n\r\nHTTP/1.1 200 OK\r\n",
            ),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody5\r\nmore",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nxxxx5\r\nxxxx",
            ),
            ("HTTP/1.1 101 Switching\r\n\r\nframes\nframes", "HTTP/1.1 101 Switching\r\n\r\nxxxxxx\nxxxxxx"),
        ] {
            assert_eq!(shown(Peer::Origin, &[response]), expected);
        }
    }

    #[test]
    fn a_broken_head_stays_as_broken() {
        for (response, expected) in [
            ("HTTP/1.1 200 OK\r\nSet-Cookie sid=1\r\n", "HTTP/1.1 200 OK\r\nxxxxxxxxxx xxxxx\r\n"),
            ("HTTP/1.1 200 OK\r\nSet-Cookie : sid=1\r\n", "HTTP/1.1 200 OK\r\nSet-Cookie : xxxxx\r\n"),
            ("HTTP/1.1 200 OK\r\nX: a\u{1}b\n c d\n: e\r\n", "HTTP/1.1 200 OK\r\nX: x\u{1}x\n x x\n: x\r\n"),
            ("HTTP/1.1 2OO token=abc\r\nServer: a\r\n", "HTTP/1.1 2OO token=xxx\r\nServer: a\r\n"),
            ("token=abc and more\nbody", "token=xxx and more\nxxxx"),
        ] {
            assert_eq!(shown(Peer::Origin, &[response]), expected);
        }
    }

    #[test]
    fn what_follows_a_hole_is_secret_until_a_message_begins() {
        let mut reader = Reader::new(Peer::Origin);
        reader.read(b"HTTP/1.1 200 OK\r\nServ");
        reader.hole(10);
        reader.read(b"rest\r\n\r\nbody");
        reader.read(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
        reader.hole(4);
        reader.read(b"bodyHTTP/1.1 200 OK\r\n");
        let lens: Vec<_> = reader.finish().iter().map(|range| (range.start, range.end)).collect();
        assert_eq!(lens, [(17, 21), (31, 35), (39, 43), (85, 89)]);
    }

    #[test]
    fn the_response_to_head_has_no_body_whatever_it_says() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n";
        assert_eq!(shown(Peer::Origin, &[head, head]), [head, head].concat());
    }

    #[test]
    fn tls_records_stay() {
        let mut reader = Reader::new(Peer::Edge);
        for byte in [22, 3, 1, 0, 2, 7, 7, 23, 3, 3, 0, 1, 9, 20, 3, 3, 0, 0] {
            reader.read(&[byte]);
        }
        reader.read(b"clear");
        assert_eq!(reader.finish().first(), Some(&(18..23)));
    }

    #[test]
    fn a_line_without_end_is_hidden_behind_its_name() {
        let long = format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\nServer: a\r\n", "secret".repeat(20_000));
        let seen = shown(Peer::Origin, &[&long]);
        assert!(seen.ends_with("xxx\r\nServer: a\r\n") && !seen.contains("secret"));
        let mut reader = Reader::new(Peer::Origin);
        reader.read(&[b'a'; 3 * MAX_LINE]);
        assert_eq!(reader.finish().first(), Some(&(QUOTED as u64..3 * MAX_LINE as u64)));
    }
}
