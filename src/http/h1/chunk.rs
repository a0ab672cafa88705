//! The chunked transfer coding (RFC 9112 section 7.1), read byte by byte only where it is framing.
//!
//! > chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF

use super::fields;
use super::head::{Line, Places};
use crate::timeline::{Mark, Rule};

/// Bytes of one chunk-size line or trailer line; a longer one is no chunk framing any more.
const LINE_LIMIT: usize = 16 * 1024;

/// Hexadecimal digits of 64 bits.
const SIZE_DIGITS: usize = 16;

/// Where the reader stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    /// In a chunk-size line.
    Size,
    /// This many bytes of chunk data follow.
    Data(u64),
    /// The CRLF behind chunk data follows.
    DataEnd,
    /// In the trailer section.
    Trailer,
    /// The body is complete.
    Done,
    /// The framing is lost: what follows cannot be told.
    Broken,
}

/// Reads the framing of one chunked body.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    state: State,
    /// Bytes of the message so far.
    at: u64,
    /// The line that is not whole yet.
    line: Vec<u8>,
    /// Which packets brought it.
    places: Places,
}

/// A rule that the framing breaks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Fault<'a> {
    pub(super) rule: Rule,
    /// Byte of the message.
    pub(super) at: u64,
    pub(super) mark: Mark,
    /// The line that breaks it, as far as it came.
    pub(super) bytes: &'a [u8],
}

/// What one step over the bytes gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// Bytes that it took.
    pub(super) taken: usize,
    /// Of them, bytes of the body itself.
    pub(super) data: usize,
}

impl Chunks {
    /// The body of a message with a head of `head_bytes`.
    pub(super) fn new(head_bytes: u64) -> Self {
        Self { state: State::Size, at: head_bytes, line: Vec::new(), places: Places::default() }
    }

    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// True once the framing is lost.
    pub(super) fn broken(&self) -> bool {
        self.state == State::Broken
    }

    /// Skips bytes that the capture does not hold, where they lie within one chunk's data.
    pub(super) fn skip(&mut self, len: u64) -> bool {
        self.at = self.at.saturating_add(len);
        match &mut self.state {
            State::Data(left) if *left >= len => {
                *left = left.saturating_sub(len);
                if *left == 0 {
                    self.state = State::DataEnd;
                }
                true
            }
            State::Broken => true,
            _ => false,
        }
    }

    /// Takes the next piece of `bytes`, of which the first is `start`, and tells `broken` each rule that it breaks.
    pub(super) fn step(&mut self, bytes: &[u8], start: Mark, broken: &mut impl FnMut(Fault<'_>)) -> Step {
        let step = match self.state {
            State::Size | State::Trailer => self.line(bytes, start, broken),
            State::Data(left) => {
                let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let rest = left.saturating_sub(taken as u64);
                self.state = if rest == 0 { State::DataEnd } else { State::Data(rest) };
                Step { taken, data: taken }
            }
            State::DataEnd => self.data_end(bytes, start, broken),
            State::Done => Step { taken: 0, data: 0 },
            State::Broken => Step { taken: bytes.len(), data: 0 },
        };
        self.at = self.at.saturating_add(step.taken as u64);
        step
    }

    fn data_end(&mut self, bytes: &[u8], mark: Mark, broken: &mut impl FnMut(Fault<'_>)) -> Step {
        let Some(&byte) = bytes.first() else { return Step { taken: 0, data: 0 } };
        let mut fault = |rule| broken(Fault { rule, at: self.at, mark, bytes: &[byte] });
        match (self.line.is_empty(), byte) {
            (true, b'\r') => self.line.push(byte),
            (false, b'\n') => {
                self.line.clear();
                self.state = State::Size;
            }
            (true, b'\n') => {
                fault(Rule::ChunkLineEnd);
                self.state = State::Size;
            }
            _ => {
                fault(Rule::ChunkDataEnd);
                self.state = State::Broken;
            }
        }
        Step { taken: 1, data: 0 }
    }

    fn line(&mut self, bytes: &[u8], start: Mark, broken: &mut impl FnMut(Fault<'_>)) -> Step {
        if self.line.is_empty() {
            self.places = Places::default();
        }
        let before = self.line.len();
        let line_at = self.at.saturating_sub(before as u64);
        self.places.add(before as u64, start);
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end.saturating_add(1));
        self.line.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        let (line, places) = (std::mem::take(&mut self.line), &self.places);
        let mut fault = |rule, at: usize| {
            let at = at as u64;
            broken(Fault { rule, at: line_at.saturating_add(at), mark: places.mark(at), bytes: &line });
        };
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let (content, crlf) = match content.strip_suffix(b"\r") {
            Some(content) => (content, true),
            None => (content, false),
        };
        let state = match (&self.state, end) {
            (State::Size, Some(_)) => size(content, crlf, &mut fault),
            (_, Some(_)) => trailer(content, crlf, &mut fault),
            (state, None) => unfinished(state, &line, &mut fault),
        };
        self.state = state;
        if end.is_none() && !self.broken() {
            self.line = line;
        }
        Step { taken, data: 0 }
    }
}

/// What a line whose end has not come yet breaks: no end can mend it.
fn unfinished(state: &State, line: &[u8], broken: &mut impl FnMut(Rule, usize)) -> State {
    let faulty = match state {
        State::Size => malformed_size(line),
        _ => too_long(Rule::TrailerMalformed, line.strip_suffix(b"\r").unwrap_or(line)),
    };
    let Some((rule, at)) = faulty else { return state.clone() };
    broken(rule, at);
    State::Broken
}

/// What loses the framing in a chunk-size line, whole or not.
///
/// > chunk-size = 1*HEXDIG
fn malformed_size(line: &[u8]) -> Option<(Rule, usize)> {
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit());
    let significant = digits.clone().skip_while(|&&byte| byte == b'0').count();
    let digits = digits.count();
    match line.get(digits) {
        _ if significant > SIZE_DIGITS => Some((Rule::ChunkSizeTooLarge, 0)),
        Some(b' ' | b'\t' | b';' | b'\r') if digits > 0 => {
            too_long(Rule::ChunkExtensionMalformed, line.strip_suffix(b"\r").unwrap_or(line))
        }
        Some(_) => Some((Rule::ChunkSizeMalformed, digits)),
        None => too_long(Rule::ChunkSizeMalformed, line),
    }
}

fn too_long(rule: Rule, line: &[u8]) -> Option<(Rule, usize)> {
    (line.len() > LINE_LIMIT).then_some((rule, LINE_LIMIT))
}

fn size(content: &[u8], crlf: bool, broken: &mut impl FnMut(Rule, usize)) -> State {
    let digits = content.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(content.len());
    let (size, rest) = content.split_at_checked(digits).unwrap_or((content, &[]));
    let number = std::str::from_utf8(size).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
    // Servers have padded chunk sizes with spaces since HTTP/1.1 began; parsers take them.
    let extension = fields::trim(rest);
    let faulty = match malformed_size(content) {
        None if !extension.is_empty() && !extension.starts_with(b";") => Some((Rule::ChunkSizeMalformed, digits)),
        None if number.is_none() => Some((Rule::ChunkSizeMalformed, 0)),
        faulty => faulty,
    };
    if let Some((rule, at)) = faulty {
        broken(rule, at);
        return State::Broken;
    }
    if let Some(at) = malformed_extension(rest) {
        broken(Rule::ChunkExtensionMalformed, digits.saturating_add(at));
    }
    if !crlf {
        broken(Rule::ChunkLineEnd, content.len());
    }
    number.filter(|&size| size > 0).map_or(State::Trailer, State::Data)
}

/// Where extensions break their grammar (RFC 9112 section 7.1.1).
///
/// > chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] )
/// > chunk-ext-val = token / quoted-string
fn malformed_extension(text: &[u8]) -> Option<usize> {
    let mut rest = blank_skipped(text);
    let at = |rest: &[u8]| Some(text.len().saturating_sub(rest.len()));
    while !rest.is_empty() {
        let Some(behind) = rest.strip_prefix(b";").map(blank_skipped) else { return at(rest) };
        let Some(behind) = token_skipped(behind).map(blank_skipped) else { return at(behind) };
        rest = behind;
        let Some(value) = rest.strip_prefix(b"=").map(blank_skipped) else { continue };
        let Some(behind) = quoted_skipped(value).or_else(|| token_skipped(value)) else { return at(value) };
        rest = blank_skipped(behind);
    }
    None
}

fn blank_skipped(text: &[u8]) -> &[u8] {
    let blank = text.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    text.get(blank..).unwrap_or_default()
}

fn token_skipped(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().take_while(|&&byte| fields::is_token(byte)).count();
    text.get(len..).filter(|_| len > 0)
}

/// > quoted-string = DQUOTE *( qdtext / quoted-pair ) DQUOTE
fn quoted_skipped(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some(rest),
            [b'\\', byte, rest @ ..] | [byte, rest @ ..] if *byte == b'\t' || !byte.is_ascii_control() => rest,
            _ => return None,
        };
    }
}

fn trailer(content: &[u8], crlf: bool, broken: &mut impl FnMut(Rule, usize)) -> State {
    if let Some((rule, at)) = too_long(Rule::TrailerMalformed, content) {
        broken(rule, at);
        return State::Broken;
    }
    if content.is_empty() {
        if !crlf {
            broken(Rule::ChunkLineEnd, 0);
        }
        return State::Done;
    }
    let line = Line { at: 0, content, len: content.len().saturating_add(2), crlf: true };
    let mut at = None;
    fields::judge(line, &mut |_, byte| at = at.or(Some(byte)));
    if let Some(at) = at {
        broken(Rule::TrailerMalformed, at);
    }
    if !crlf {
        broken(Rule::ChunkLineEnd, content.len());
    }
    State::Trailer
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of the body, whether it is complete, and what it breaks: read in pieces of this many bytes.
    fn read_by(pieces: usize, body: &str) -> (usize, bool, Vec<(Rule, u64)>) {
        let (mut chunks, mut rules, mut data) = (Chunks::new(0), Vec::new(), 0);
        for piece in body.as_bytes().chunks(pieces) {
            let mut at = 0;
            while at < piece.len() && !chunks.done() {
                let step = chunks.step(&piece[at..], Mark::default(), &mut |fault| rules.push((fault.rule, fault.at)));
                data += step.data;
                at += step.taken;
            }
        }
        (data, chunks.done(), rules)
    }

    /// The same, whole and byte by byte.
    fn read(body: &str) -> (usize, bool, Vec<(Rule, u64)>) {
        let whole = read_by(body.len(), body);
        assert_eq!(read_by(1, body), whole, "{body:?} byte by byte");
        whole
    }

    #[test]
    fn whole_bodies_end_where_they_say() {
        assert_eq!(read("5\r\nhello\r\n0\r\n\r\n"), (5, true, vec![]));
        assert_eq!(read("5;a=b\r\nhello\r\n000\r\nExpires: 0\r\n\r\nrest"), (5, true, vec![]));
        assert_eq!(read("5 ; a ; b = \"c \\\" d\" \r\nhello\r\n0\r\n\r\n"), (5, true, vec![]));
        assert_eq!(read("A \r\n0123456789\r\n0\r\n\r\n"), (10, true, vec![]));
        assert_eq!(read("0\r\n\r\n"), (0, true, vec![]));
    }

    #[test]
    fn a_size_that_no_line_end_can_mend_is_broken_at_once() {
        assert_eq!(read("<html>no line end").2, [(Rule::ChunkSizeMalformed, 0)]);
        assert_eq!(read("12345 bytes to come").2, []);
        assert_eq!(read("11112222333344445").2, [(Rule::ChunkSizeTooLarge, 0)]);
        assert_eq!(read("\r").2, [(Rule::ChunkSizeMalformed, 0)]);
    }

    #[test]
    fn a_line_that_never_ends_is_no_chunk_framing() {
        let limit = LINE_LIMIT as u64;
        assert_eq!(read(&format!("5;{}\r\nhello", "a".repeat(LINE_LIMIT))).2, [(Rule::ChunkExtensionMalformed, limit)]);
        assert_eq!(read(&"0".repeat(LINE_LIMIT + 1)).2, [(Rule::ChunkSizeMalformed, limit)]);
        let trailer = format!("0\r\nA: {}\r\n\r\n", "b".repeat(LINE_LIMIT));
        assert_eq!(read(&trailer).2, [(Rule::TrailerMalformed, 3 + limit)]);
    }

    #[test]
    fn each_fault_is_named_at_its_byte() {
        let table = [
            ("zz\r\nhello\r\n", Rule::ChunkSizeMalformed, 0),
            ("\r\nhello\r\n", Rule::ChunkSizeMalformed, 0),
            ("-5\r\nhello\r\n", Rule::ChunkSizeMalformed, 0),
            ("0x5\r\nhello\r\n", Rule::ChunkSizeMalformed, 1),
            ("5\r\nhelloXX5\r\n", Rule::ChunkDataEnd, 8),
            ("5\r\nhello\rX5\r\n", Rule::ChunkDataEnd, 9),
            ("5\r\nhello\n0\r\n\r\n", Rule::ChunkLineEnd, 8),
            ("5\nhello\r\n0\r\n\r\n", Rule::ChunkLineEnd, 1),
            ("10000000000000000\r\n", Rule::ChunkSizeTooLarge, 0),
            ("5;a=\u{1}\r\nhello\r\n0\r\n\r\n", Rule::ChunkExtensionMalformed, 4),
            ("5;\r\nhello\r\n0\r\n\r\n", Rule::ChunkExtensionMalformed, 2),
            ("5;a b\r\nhello\r\n0\r\n\r\n", Rule::ChunkExtensionMalformed, 4),
            ("5;a=\"b\r\nhello\r\n0\r\n\r\n", Rule::ChunkExtensionMalformed, 4),
            ("0\r\nno colon\r\n\r\n", Rule::TrailerMalformed, 3),
            ("0\r\nA: b\n\r\n", Rule::ChunkLineEnd, 7),
        ];
        for (body, rule, at) in table {
            assert_eq!(read(body).2, [(rule, at)], "{body:?}");
        }
    }
}
