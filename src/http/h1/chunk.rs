//! The chunked transfer coding (RFC 9112 section 7.1), read byte by byte only where it is framing.
//!
//! > chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF

use super::fields;
use super::head::Line;
use crate::timeline::Rule;

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
    line: Vec<u8>,
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
    pub(super) fn new() -> Self {
        Self { state: State::Size, line: Vec::new() }
    }

    pub(super) fn done(&self) -> bool {
        self.state == State::Done
    }

    /// Skips bytes that the capture does not hold, where they lie within one chunk's data.
    pub(super) fn skip(&mut self, len: u64) -> bool {
        match &mut self.state {
            State::Data(left) if *left >= len => {
                *left -= len;
                if *left == 0 {
                    self.state = State::DataEnd;
                }
                true
            }
            State::Broken => true,
            _ => false,
        }
    }

    /// Takes the next piece of `bytes`, and tells `broken` each rule that it breaks with the offset in `bytes`.
    pub(super) fn step(&mut self, bytes: &[u8], broken: &mut impl FnMut(Rule, usize)) -> Step {
        match self.state {
            State::Size | State::Trailer => self.line(bytes, broken),
            State::Data(left) => {
                let taken = bytes.len().min(usize::try_from(left).unwrap_or(usize::MAX));
                let rest = left - taken as u64;
                self.state = if rest == 0 { State::DataEnd } else { State::Data(rest) };
                Step { taken, data: taken }
            }
            State::DataEnd => self.data_end(bytes, broken),
            State::Done => Step { taken: 0, data: 0 },
            State::Broken => Step { taken: bytes.len(), data: 0 },
        }
    }

    fn data_end(&mut self, bytes: &[u8], broken: &mut impl FnMut(Rule, usize)) -> Step {
        let Some(&byte) = bytes.first() else { return Step { taken: 0, data: 0 } };
        match (self.line.is_empty(), byte) {
            (true, b'\r') => self.line.push(byte),
            (true, b'\n') => {
                broken(Rule::ChunkLineEnd, 0);
                self.state = State::Size;
            }
            (false, b'\n') => {
                self.line.clear();
                self.state = State::Size;
            }
            _ => {
                broken(Rule::ChunkDataEnd, 0);
                self.state = State::Broken;
            }
        }
        Step { taken: 1, data: 0 }
    }

    fn line(&mut self, bytes: &[u8], broken: &mut impl FnMut(Rule, usize)) -> Step {
        let end = memchr::memchr(b'\n', bytes);
        let taken = end.map_or(bytes.len(), |end| end + 1);
        self.line.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        if end.is_none() {
            let before = self.line.len() - taken;
            if let Some((rule, at)) = self.broken_already() {
                broken(rule, at.saturating_sub(before));
                self.state = State::Broken;
            }
            return Step { taken, data: 0 };
        }
        let line = std::mem::take(&mut self.line);
        let content = line.strip_suffix(b"\n").unwrap_or(&line);
        let (content, crlf) = match content.strip_suffix(b"\r") {
            Some(content) => (content, true),
            None => (content, false),
        };
        let mut broken = |rule, at: usize| broken(rule, (at + taken).saturating_sub(line.len()));
        if self.state == State::Size {
            self.size(content, crlf, &mut broken);
        } else {
            self.trailer(content, crlf, &mut broken);
        }
        Step { taken, data: 0 }
    }

    /// What breaks a line whose end has not come yet: no end can mend it.
    fn broken_already(&self) -> Option<(Rule, usize)> {
        if self.line.len() > LINE_LIMIT {
            return Some((Rule::ChunkSizeMalformed, LINE_LIMIT));
        }
        if self.state != State::Size {
            return None;
        }
        let digits = self.line.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let significant = digits.clone().skip_while(|&&byte| byte == b'0').count();
        let digits = digits.count();
        if significant > SIZE_DIGITS {
            return Some((Rule::ChunkSizeTooLarge, 0));
        }
        match self.line.get(digits) {
            Some(b' ' | b'\t' | b';' | b'\r') if digits > 0 => None,
            Some(_) => Some((Rule::ChunkSizeMalformed, digits)),
            None => None,
        }
    }

    /// > chunk-size = 1*HEXDIG
    fn size(&mut self, content: &[u8], crlf: bool, broken: &mut impl FnMut(Rule, usize)) {
        let digits = content.iter().position(|byte| !byte.is_ascii_hexdigit()).unwrap_or(content.len());
        let (digits, rest) = content.split_at_checked(digits).unwrap_or((content, &[]));
        if digits.is_empty() {
            broken(Rule::ChunkSizeMalformed, 0);
            self.state = State::Broken;
            return;
        }
        let significant = digits.iter().skip_while(|&&byte| byte == b'0').count();
        let size = std::str::from_utf8(digits).ok().and_then(|text| u64::from_str_radix(text, 16).ok());
        let Some(size) = size.filter(|_| significant <= SIZE_DIGITS) else {
            broken(Rule::ChunkSizeTooLarge, 0);
            self.state = State::Broken;
            return;
        };
        // Servers have padded chunk sizes with spaces since HTTP/1.1 began; parsers take them.
        let extension = fields::trim(rest);
        if !extension.is_empty() && !extension.starts_with(b";") {
            broken(Rule::ChunkSizeMalformed, digits.len());
            self.state = State::Broken;
            return;
        }
        if extension.iter().any(|&byte| (byte < 32 && byte != b'\t') || byte == 127) {
            broken(Rule::ChunkExtensionMalformed, digits.len());
        }
        if !crlf {
            broken(Rule::ChunkLineEnd, content.len());
        }
        self.state = if size == 0 { State::Trailer } else { State::Data(size) };
    }

    fn trailer(&mut self, content: &[u8], crlf: bool, broken: &mut impl FnMut(Rule, usize)) {
        if content.is_empty() {
            if !crlf {
                broken(Rule::ChunkLineEnd, 0);
            }
            self.state = State::Done;
            return;
        }
        let line = Line { at: 0, content, len: content.len() + 2, crlf };
        let mut at = None;
        fields::judge(line, &mut |_, byte| at = at.or(Some(byte)));
        if let Some(at) = at {
            broken(Rule::TrailerMalformed, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> (usize, bool, Vec<(Rule, usize)>) {
        let (mut chunks, mut rules, mut data, mut at) = (Chunks::new(), Vec::new(), 0, 0);
        while at < body.len() && !chunks.done() {
            let step = chunks.step(&body.as_bytes()[at..], &mut |rule, byte| rules.push((rule, at + byte)));
            data += step.data;
            at += step.taken;
        }
        (data, chunks.done(), rules)
    }

    #[test]
    fn whole_bodies_end_where_they_say() {
        assert_eq!(read("5\r\nhello\r\n0\r\n\r\n"), (5, true, vec![]));
        assert_eq!(read("5;a=b\r\nhello\r\n000\r\nExpires: 0\r\n\r\nrest"), (5, true, vec![]));
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
    fn each_fault_is_named_at_its_byte() {
        let table = [
            ("zz\r\nhello\r\n", Rule::ChunkSizeMalformed, 0),
            ("\r\nhello\r\n", Rule::ChunkSizeMalformed, 0),
            ("-5\r\nhello\r\n", Rule::ChunkSizeMalformed, 0),
            ("0x5\r\nhello\r\n", Rule::ChunkSizeMalformed, 1),
            ("5\r\nhelloXX5\r\n", Rule::ChunkDataEnd, 8),
            ("5\r\nhello\n0\r\n\r\n", Rule::ChunkLineEnd, 8),
            ("5\nhello\r\n0\r\n\r\n", Rule::ChunkLineEnd, 1),
            ("10000000000000000\r\n", Rule::ChunkSizeTooLarge, 0),
            ("5;a=\u{1}\r\nhello\r\n0\r\n\r\n", Rule::ChunkExtensionMalformed, 1),
            ("0\r\nno colon\r\n\r\n", Rule::TrailerMalformed, 3),
        ];
        for (body, rule, at) in table {
            assert_eq!(read(body).2, [(rule, at)], "{body:?}");
        }
    }
}
