//! The head of a response (RFC 9112 section 4 and 5): httparse reads what is clean, our own judge the rest.

use std::mem::MaybeUninit;

use httparse::ParserConfig;

use super::coding::CodedBody;
use super::fields::{self, Field};
use super::framing::FramingFields;
use super::head::{Places, lines, unfold};
use super::request::{has_member, text};
use super::status_line;
use crate::timeline::{Deviation, Mark, Response, Rule};

/// Fields of a head that the fast path has room for.
const FAST_FIELDS: usize = 64;

/// Bytes around a broken rule, or of what is no message, that are quoted.
const QUOTE: usize = 64;

/// Deviations that one response keeps: the first of each rule.
const KEPT_DEVIATIONS: usize = 16;

/// Fields that stand once (RFC 9110: their grammar is no list), by the length of their names.
pub(super) const SINGLETONS: [&str; 10] = [
    "age",
    "date",
    "etag",
    "expires",
    "location",
    "retry-after",
    "content-type",
    "content-range",
    "last-modified",
    "content-location",
];

/// What the head says that the record does not hold.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    pub(super) framing: FramingFields,
    pub(super) coded: Option<CodedBody>,
    pub(super) upgrade: Upgrade,
}

/// The protocol that a 101 response switches to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Upgrade {
    #[default]
    None,
    WebSocket,
    H2c,
    Other,
}

/// Reads the head of a response into its record.
pub(super) fn read(head: &[u8], places: &Places, response: &mut Response) -> Head {
    let mut reading = Reading::new(head, places, response);
    if reading.fast() {
        return reading.done();
    }
    let unfolded = unfold(head);
    let mut reading = Reading::new(&unfolded, places, response);
    reading.slow(head);
    reading.done()
}

/// Reads what came of a head that will never be whole: its lines, as far as they are.
pub(super) fn read_cut(head: &[u8], len: u64, places: &Places, response: &mut Response) {
    let whole = memchr::memrchr(b'\n', head).map_or(0, |end| end.saturating_add(1));
    let (lines, rest) = head.split_at_checked(whole).unwrap_or((head, &[]));
    // Where CR alone ends the lines, no LF ever comes.
    let bare =
        memchr::memchr_iter(b'\r', rest).find(|at| rest.get(at.saturating_add(1)).is_some_and(|&it| it != b'\n'));
    if !lines.is_empty() {
        read(lines, places, response);
        response.head_bytes = len;
    }
    if let Some(at) = bare {
        let from = whole.saturating_add(at);
        note(response, Rule::BareCarriageReturn, from as u64, places.mark(from as u64), rest);
    }
    if lines.is_empty() {
        return;
    }
    let cut = len.saturating_sub(lines.len() as u64);
    if cut > response.largest_field {
        response.largest_field = cut;
        let name = memchr::memchr(b':', rest).and_then(|colon| rest.get(..colon));
        response.largest_field_name = text(name.unwrap_or_default());
    }
}

/// The place of a broken rule, written into the response once for each rule.
pub(super) fn note(response: &mut Response, rule: Rule, at: u64, mark: Mark, bytes: &[u8]) {
    let known = response.deviations.iter().any(|deviation| deviation.rule == rule);
    if !known && response.deviations.len() < KEPT_DEVIATIONS {
        let mut deviation = Deviation { rule, at, mark, bytes: Vec::new() };
        quote(&mut deviation.bytes, bytes);
        response.deviations.push(deviation);
    }
}

/// Adds the next `bytes` to what is quoted, as far as there is room.
pub(super) fn quote(quoted: &mut Vec<u8>, bytes: &[u8]) {
    let room = QUOTE.saturating_sub(quoted.len());
    quoted.extend_from_slice(bytes.get(..bytes.len().min(room)).unwrap_or_default());
}

struct Reading<'a, 'b> {
    head: &'a [u8],
    places: &'b Places,
    response: &'b mut Response,
    result: Head,
    /// The value of each singleton field as it came first.
    singletons: [Option<&'a [u8]>; SINGLETONS.len()],
    /// Name of the largest field so far.
    largest: &'a [u8],
}

impl<'a, 'b> Reading<'a, 'b> {
    fn new(head: &'a [u8], places: &'b Places, response: &'b mut Response) -> Self {
        let singletons = [None; SINGLETONS.len()];
        Self { head, places, response, result: Head::default(), singletons, largest: &[] }
    }

    fn done(self) -> Head {
        self.response.largest_field_name = text(self.largest);
        self.result
    }

    /// Takes a head that httparse takes and that holds nothing which httparse forgives: line ends of LF alone,
    /// and status codes outside of the classes. Returns false where it must be judged.
    fn fast(&mut self) -> bool {
        let mut room = [const { MaybeUninit::uninit() }; FAST_FIELDS];
        let mut parsed = httparse::Response::new(&mut []);
        let read = ParserConfig::default().parse_response_with_uninit_headers(&mut parsed, self.head, &mut room);
        if !matches!(read, Ok(httparse::Status::Complete(_))) || !has_clean_line_ends(self.head) {
            return false;
        }
        let (Some(minor), Some(status)) = (parsed.version, parsed.code) else { return false };
        let clean = self.head.starts_with(b"HTTP/1.") && (100..600).contains(&status);
        let spaced = self.head.get(8) == Some(&b' ') && self.head.get(9).is_some_and(u8::is_ascii_digit);
        if !clean || !spaced {
            return false;
        }
        self.response.minor_version = Some(minor);
        self.response.status = Some(status);
        self.response.close = minor == 0;
        let start = self.head.as_ptr() as usize;
        for header in parsed.headers.iter() {
            let at = (header.name.as_ptr() as usize).saturating_sub(start);
            let end = (header.value.as_ptr() as usize).saturating_sub(start).saturating_add(header.value.len());
            let len = end.saturating_add(2).saturating_sub(at);
            self.see(Field { name: header.name.as_bytes(), value: header.value, at, len });
        }
        true
    }

    /// Judges the lines of `raw`, then sees the fields of the same head with its folded lines put together.
    fn slow(&mut self, raw: &'a [u8]) {
        let mut fields_from = raw.len();
        let mut before = false;
        for (nth, line) in lines(raw).enumerate() {
            let mut broken = Vec::new();
            let mut tell = |rule, at| broken.push((rule, at));
            let blank = matches!(line.content.first(), Some(b' ' | b'\t'));
            if nth == 0 {
                let read = status_line::judge(line, &mut tell);
                self.response.minor_version = read.minor_version;
                self.response.status = read.status;
                self.response.close = read.minor_version == Some(0);
            } else if blank && before {
                tell(Rule::FoldedLine, line.at);
                fields::judge_folded(line, &mut tell);
            } else if blank {
                // Such lines are consumed without further processing (RFC 9112 section 2.2).
                tell(Rule::SpaceBeforeFirstField, line.at);
            } else if line.content.is_empty() {
                fields::judge_line_end(line, &mut tell);
            } else {
                fields::judge(line, &mut tell);
                fields_from = fields_from.min(line.at);
                before = true;
            }
            self.broken(raw, &broken);
        }
        for line in lines(self.head).filter(|line| line.at >= fields_from && !line.content.is_empty()) {
            if let Some(field) = fields::read(line) {
                self.see(field);
            }
        }
    }

    fn see(&mut self, field: Field<'a>) {
        let response = &mut *self.response;
        response.fields = response.fields.saturating_add(1);
        if field.len as u64 > response.largest_field {
            response.largest_field = field.len as u64;
            self.largest = field.name;
        }
        match field.name.len() {
            3 if field.is("via") => response.via = Some(text(field.value)),
            6 if field.is("server") => response.server = Some(text(field.value)),
            7 if field.is("x-cache") => response.x_cache = Some(text(field.value)),
            7 if field.is("upgrade") => self.result.upgrade = upgrade(field.value),
            10 if field.is("connection") => {
                response.close =
                    has_member(field.value, "close") || (response.close && !has_member(field.value, "keep-alive"));
            }
            11 if field.is("grpc-status") => {
                response.grpc_status = std::str::from_utf8(field.value).ok().and_then(|value| value.parse().ok());
            }
            12 if field.is("content-type") => response.content_type = Some(text(field.value)),
            16 if field.is("content-encoding") => self.result.coded = CodedBody::new(field.value),
            _ => {}
        }
        let mut broken = None;
        self.result.framing.see(&field, &mut |rule, at| broken = Some((rule, at)));
        if let Some(broken) = broken {
            self.broken(self.head, &[broken]);
        }
        if let Some(nth) = singleton(&field) {
            match self.singletons.get_mut(nth) {
                Some(Some(first)) if *first != field.value => {
                    self.broken(self.head, &[(Rule::DuplicateField, field.at)]);
                }
                Some(place @ None) => *place = Some(field.value),
                _ => {}
            }
        }
    }

    /// Notes broken rules; each quotes its line of `head` from the line's beginning.
    #[cold]
    fn broken(&mut self, head: &[u8], rules: &[(Rule, usize)]) {
        for &(rule, at) in rules {
            let before = head.get(..at).unwrap_or_default();
            let line = memchr::memrchr(b'\n', before).map_or(0, |end| end.saturating_add(1));
            // A break far inside a line is quoted from near it.
            let from = if at.saturating_sub(line) >= QUOTE - 8 { at.saturating_sub(QUOTE / 2) } else { line };
            let rest = head.get(from..).unwrap_or_default();
            let end = memchr::memchr(b'\n', rest)
                .map_or(rest.len(), |end| end.saturating_add(1))
                .max(at.saturating_add(1).saturating_sub(from));
            let quoted = rest.get(..end.min(rest.len())).unwrap_or_default();
            note(self.response, rule, at as u64, self.places.mark(at as u64), quoted);
        }
    }
}

/// True where CR and LF come in pairs only. Every pair of neighbours is looked at without a branch, which the compiler
/// turns into vector instructions.
fn has_clean_line_ends(head: &[u8]) -> bool {
    let neighbours = head.iter().zip(head.get(1..).unwrap_or_default());
    let odd = neighbours.fold(false, |odd, (&one, &next)| odd | ((one == b'\r') != (next == b'\n')));
    !odd && head.first() != Some(&b'\n') && head.last() != Some(&b'\r')
}

/// The place of a field among the [`SINGLETONS`].
pub(super) fn singleton(field: &Field<'_>) -> Option<usize> {
    let mut candidates = match field.name.len() {
        3 => 0..1,
        4 => 1..3,
        7 => 3..4,
        8 => 4..5,
        11 => 5..6,
        12 => 6..7,
        13 => 7..9,
        16 => 9..10,
        _ => return None,
    };
    let is = |nth: &usize| SINGLETONS.get(*nth).is_some_and(|name| field.is(name));
    candidates.find(is)
}

fn upgrade(value: &[u8]) -> Upgrade {
    if has_member(value, "websocket") {
        Upgrade::WebSocket
    } else if has_member(value, "h2c") {
        Upgrade::H2c
    } else {
        Upgrade::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_singleton_has_its_place() {
        for (nth, name) in SINGLETONS.iter().enumerate() {
            let place = |name: &str| singleton(&Field { name: name.as_bytes(), value: b"", at: 0, len: 0 });
            assert_eq!(place(&name.to_uppercase()), Some(nth), "{name}");
            assert_eq!(place(&format!("{name}s")), None, "{name}");
        }
    }
}
