//! Header lists (RFC 9113 section 8): what a request says, what a response says, and which rules it breaks.
//!
//! A small header block can decode to a thousand times its size (repeated references to a large table entry). So
//! fields are counted, the few that matter are kept in part, and beyond [`MAX_JUDGED`] bytes nothing is looked at.

use std::borrow::Cow;

use super::hpack::Field;
use crate::timeline::Rule;

/// A request's header section.
#[derive(Debug, Default)]
pub(super) struct RequestHead {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) authority: Option<String>,
    pub(super) host: Option<String>,
    pub(super) ray: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) traceparent: Option<String>,
    pub(super) content_length: Option<u64>,
    pub(super) expect_continue: bool,
    /// At least one field was in a table entry that the capture never showed.
    pub(super) unknown_fields: bool,
    size: u64,
}

impl RequestHead {
    /// Takes what is needed of the next field.
    pub(super) fn field(&mut self, field: Field<'_>) {
        self.unknown_fields |= field.name.is_none() || field.value.is_none();
        self.size = self.size.saturating_add(size_of(&field));
        let (Some(name), Some(value)) = (field.name, field.value) else { return };
        if self.size > MAX_JUDGED {
            return;
        }
        match name {
            b":method" => keep(&mut self.method, value),
            b":path" => keep(&mut self.path, value),
            b":authority" => keep(&mut self.authority, value),
            b"host" => keep(&mut self.host, value),
            b"cf-ray" => keep(&mut self.ray, value),
            b"x-request-id" => keep(&mut self.request_id, value),
            b"traceparent" => keep(&mut self.traceparent, value),
            b"content-length" => self.content_length = decimal(value),
            b"expect" => self.expect_continue |= value.eq_ignore_ascii_case(b"100-continue"),
            _ => {}
        }
    }
}

/// Which part of a message a header list is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    /// The header section.
    Head,
    /// The trailer section.
    Trailers,
    /// One of the two: the capture misses what came before.
    Unclear,
}

/// A rule that a field breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offence {
    pub(super) rule: Rule,
    /// Where in the header block the field begins.
    pub(super) at: usize,
    /// The field around the offending byte.
    pub(super) bytes: Vec<u8>,
}

/// A response's header or trailer section.
#[derive(Clone, Debug)]
pub(super) struct ResponseHead {
    section: Section,
    pub(super) status: Option<u16>,
    pub(super) content_length: Option<u64>,
    pub(super) server: Option<String>,
    pub(super) via: Option<String>,
    pub(super) x_cache: Option<String>,
    pub(super) content_type: Option<String>,
    pub(super) content_encoding: Option<String>,
    location: Option<String>,
    pub(super) grpc_status: Option<u32>,
    /// Size by RFC 9113 section 10.5.1: 32 bytes for each field beside its name and value.
    pub(super) size: u64,
    /// Bytes of name and value of the largest field.
    pub(super) largest: u64,
    pub(super) largest_name: String,
    /// Fields without the pseudo-fields.
    pub(super) fields: u32,
    pub(super) offences: Vec<Offence>,
    /// At least one field was in a table entry that the capture never showed.
    pub(super) unknown_fields: bool,
    status_seen: bool,
    regular_seen: bool,
}

impl ResponseHead {
    pub(super) fn new(section: Section) -> Self {
        Self {
            section,
            status: None,
            content_length: None,
            server: None,
            via: None,
            x_cache: None,
            content_type: None,
            content_encoding: None,
            location: None,
            grpc_status: None,
            size: 0,
            largest: 0,
            largest_name: String::new(),
            fields: 0,
            offences: Vec::new(),
            unknown_fields: false,
            status_seen: false,
            regular_seen: false,
        }
    }

    /// Takes and judges the next field.
    pub(super) fn field(&mut self, field: Field<'_>) {
        self.unknown_fields |= field.name.is_none() || field.value.is_none();
        self.count(&field);
        if self.size > MAX_JUDGED {
            return;
        }
        if let Some(name) = field.name {
            self.judge_name(name, &field);
        }
        if let Some(value) = field.value {
            self.judge_value(value, &field);
        }
        match (field.name, field.value) {
            (Some([b':', ..]), _) => self.pseudo(&field),
            (Some(name), Some(value)) => self.regular(&lower(name), value, &field),
            _ => {}
        }
    }

    /// The list is complete: a head that was seen as a whole has a status.
    pub(super) fn complete(&mut self) {
        if self.section == Section::Head && !self.status_seen && !self.unknown_fields {
            self.offences.push(Offence { rule: Rule::H2StatusMissing, at: 0, bytes: Vec::new() });
        }
    }

    fn count(&mut self, field: &Field<'_>) {
        let size = size_of(field);
        self.size = self.size.saturating_add(size);
        let line = size.saturating_sub(FIELD_OVERHEAD);
        if line > self.largest {
            self.largest = line;
            self.largest_name = kept(field.name.unwrap_or_default());
        }
        if !matches!(field.name, Some([b':', ..])) {
            self.fields = self.fields.saturating_add(1);
        }
    }

    /// Section 8.2.1, and RFC 9110 section 5.6.2 for the characters that it leaves open.
    fn judge_name(&mut self, name: &[u8], field: &Field<'_>) {
        let pseudo = name.strip_prefix(b":");
        let skipped = name.len().saturating_sub(pseudo.unwrap_or(name).len());
        let name = pseudo.unwrap_or(name);
        let rule = |byte: u8| match byte {
            b'A'..=b'Z' => Some(Rule::H2FieldNameUpperCase),
            0..=b' ' | 0x7f.. | b':' => Some(Rule::H2FieldMalformed),
            _ if is_token(byte) => None,
            _ => Some(Rule::FieldNameNotToken),
        };
        let broken = name.iter().enumerate().find_map(|(at, &byte)| rule(byte).map(|rule| (rule, at)));
        let empty = name.is_empty().then_some((Rule::H2FieldMalformed, 0));
        if let Some((rule, at)) = broken.or(empty) {
            self.offend(rule, field, at.saturating_add(skipped));
        }
    }

    /// Section 8.2.1, and RFC 9110 section 5.5 for other control characters.
    fn judge_value(&mut self, value: &[u8], field: &Field<'_>) {
        let rule = |byte: u8| match byte {
            0 | b'\r' | b'\n' => Some(Rule::H2FieldMalformed),
            b'\t' => None,
            0..=0x1f | 0x7f => Some(Rule::FieldValueControl),
            _ => None,
        };
        let broken = value.iter().enumerate().find_map(|(at, &byte)| rule(byte).map(|rule| (rule, at)));
        let padded = match value {
            [b' ' | b'\t', ..] => Some((Rule::H2FieldMalformed, 0)),
            [.., b' ' | b'\t'] => Some((Rule::H2FieldMalformed, value.len().saturating_sub(1))),
            _ => None,
        };
        if let Some((rule, at)) = broken.or(padded) {
            let before = field.name.map_or(0, |name| name.len().saturating_add(SEPARATOR.len()));
            self.offend(rule, field, before.saturating_add(at));
        }
    }

    /// Section 8.3: a response has `:status` alone, once, first, and trailers have none.
    fn pseudo(&mut self, field: &Field<'_>) {
        let is_status = field.name == Some(b":status");
        if !is_status || self.section == Section::Trailers || self.status_seen {
            self.offend(Rule::H2PseudoUnknown, field, 0);
        } else if self.regular_seen {
            self.offend(Rule::H2PseudoAfterRegular, field, 0);
        }
        if is_status && !self.status_seen && self.section != Section::Trailers {
            self.status_seen = true;
            self.status(field);
        }
    }

    /// Section 8.3.2.
    fn status(&mut self, field: &Field<'_>) {
        let Some(value) = field.value else { return };
        let digits = <&[u8; 3]>::try_from(value).ok().filter(|digits| digits.iter().all(u8::is_ascii_digit));
        self.status = digits.map(|digits| {
            digits.iter().fold(0, |code: u16, digit| {
                code.saturating_mul(10).saturating_add(u16::from(digit.saturating_sub(b'0')))
            })
        });
        match self.status {
            None | Some(101) => self.offend(Rule::H2StatusMalformed, field, 0),
            Some(100..=599) => {}
            Some(_) => self.offend(Rule::StatusCodeOutOfRange, field, 0),
        }
    }

    fn regular(&mut self, name: &[u8], value: &[u8], field: &Field<'_>) {
        self.regular_seen = true;
        match name {
            b"connection" | b"proxy-connection" | b"keep-alive" | b"transfer-encoding" | b"upgrade" => {
                self.offend(Rule::H2ConnectionField, field, 0);
            }
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => self.offend(Rule::H2ConnectionField, field, 0),
            b"grpc-status" => self.grpc_status = decimal(value).and_then(|status| u32::try_from(status).ok()),
            _ if self.section == Section::Trailers => {}
            b"content-length" => self.content_length(value, field),
            b"content-type" => self.once(|head| &mut head.content_type, value, field),
            b"location" => self.once(|head| &mut head.location, value, field),
            b"content-encoding" => keep(&mut self.content_encoding, value),
            b"server" => keep(&mut self.server, value),
            b"via" => keep(&mut self.via, value),
            b"x-cache" => keep(&mut self.x_cache, value),
            _ => {}
        }
    }

    fn content_length(&mut self, value: &[u8], field: &Field<'_>) {
        match (self.content_length, decimal(value)) {
            (_, None) => self.offend(Rule::ContentLengthMalformed, field, 0),
            (Some(before), Some(length)) if before != length => self.offend(Rule::ContentLengthDiffers, field, 0),
            (_, length) => self.content_length = length,
        }
    }

    /// Keeps the value of a field that may stand once.
    fn once(&mut self, slot: impl Fn(&mut Self) -> &mut Option<String>, value: &[u8], field: &Field<'_>) {
        let value = kept(value);
        match slot(self) {
            Some(before) if *before != value => self.offend(Rule::DuplicateField, field, 0),
            slot => *slot = Some(value),
        }
    }

    /// `at` is the offending byte of the field written as `name: value`.
    fn offend(&mut self, rule: Rule, field: &Field<'_>, at: usize) {
        if self.offences.len() == MAX_OFFENCES {
            return;
        }
        let start = at.saturating_sub(QUOTED_BEFORE);
        let parts = [field.name.unwrap_or_default(), SEPARATOR, field.value.unwrap_or_default()];
        let bytes = parts.into_iter().flatten().skip(start).take(QUOTED).copied().collect();
        self.offences.push(Offence { rule, at: field.at, bytes });
    }
}

/// Section 10.5.1; the parts that are not known count as empty.
fn size_of(field: &Field<'_>) -> u64 {
    let len = |part: Option<&[u8]>| part.map_or(0, |bytes| bytes.len() as u64);
    len(field.name).saturating_add(len(field.value)).saturating_add(FIELD_OVERHEAD)
}

fn keep(slot: &mut Option<String>, value: &[u8]) {
    if slot.is_none() {
        *slot = Some(kept(value));
    }
}

fn kept(value: &[u8]) -> String {
    String::from_utf8_lossy(value.get(..MAX_KEPT).unwrap_or(value)).into_owned()
}

/// A decimal number, or a list of the same one (RFC 9110 section 8.6).
fn decimal(value: &[u8]) -> Option<u64> {
    let mut numbers = value.split(|&byte| byte == b',').map(|part| {
        let digits = part.trim_ascii();
        let number = str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        number.and_then(|text| text.parse().ok())
    });
    let first: u64 = numbers.next()??;
    numbers.all(|other| other == Some(first)).then_some(first)
}

/// What a name means does not depend on whether it is written as HTTP/2 demands.
fn lower(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().any(u8::is_ascii_uppercase) { name.to_ascii_lowercase().into() } else { name.into() }
}

/// `tchar` (RFC 9110 section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// Bytes of a decoded header list that are looked at; beyond it they are only counted.
const MAX_JUDGED: u64 = 1024 * 1024;

/// Bytes of a value that are kept.
const MAX_KEPT: usize = 8 * 1024;

/// Offences of one header list that are kept.
const MAX_OFFENCES: usize = 16;

/// Bytes of a field that an offence quotes, and how many of them stand before the offending one.
const QUOTED: usize = 64;
const QUOTED_BEFORE: usize = 32;

const SEPARATOR: &[u8] = b": ";

/// What a field counts beside its name and value.
const FIELD_OVERHEAD: u64 = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(section: Section, fields: &[(&str, &str)]) -> ResponseHead {
        let mut head = ResponseHead::new(section);
        for (at, (name, value)) in fields.iter().enumerate() {
            head.field(Field { at, name: Some(name.as_bytes()), value: Some(value.as_bytes()) });
        }
        head.complete();
        head
    }

    fn offences(section: Section, fields: &[(&str, &str)]) -> Vec<(Rule, usize)> {
        judged(section, fields).offences.iter().map(|offence| (offence.rule, offence.at)).collect()
    }

    #[test]
    fn a_good_head_breaks_no_rule() {
        let fields = [
            (":status", "200"),
            ("content-type", "text/html"),
            ("content-length", "5"),
            ("set-cookie", "a=b"),
            ("set-cookie", "c=d"),
            ("x-empty", ""),
            ("x-text", "caf\u{e9}\tau lait"),
            ("te", "trailers"),
        ];
        let head = judged(Section::Head, &fields);
        assert_eq!(head.offences, []);
        assert_eq!((head.status, head.content_length, head.fields), (Some(200), Some(5), 7));
        assert_eq!((head.largest, head.largest_name.as_str()), (21, "content-type"));
        let size: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
        assert_eq!(head.size, size as u64);
    }

    #[test]
    fn every_rule_is_found_at_its_field() {
        let cases = [
            (vec![(":status", "200"), ("Server", "x")], Rule::H2FieldNameUpperCase, 1),
            (vec![(":status", "200"), ("a b", "x")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("a:b", "x")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("", "x")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("n\u{e4}me", "x")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("a(b)", "x")], Rule::FieldNameNotToken, 1),
            (vec![(":status", "200"), ("a", "x\0")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("a", "x\r\nb: c")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("a", " x")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("a", "x ")], Rule::H2FieldMalformed, 1),
            (vec![(":status", "200"), ("a", "\u{1b}[0m")], Rule::FieldValueControl, 1),
            (vec![(":status", "200"), ("connection", "close")], Rule::H2ConnectionField, 1),
            (vec![(":status", "200"), ("transfer-encoding", "chunked")], Rule::H2ConnectionField, 1),
            (vec![(":status", "200"), ("keep-alive", "timeout=5")], Rule::H2ConnectionField, 1),
            (vec![(":status", "200"), ("proxy-connection", "close")], Rule::H2ConnectionField, 1),
            (vec![(":status", "200"), ("upgrade", "h2c")], Rule::H2ConnectionField, 1),
            (vec![(":status", "200"), ("te", "gzip")], Rule::H2ConnectionField, 1),
            (vec![("server", "x")], Rule::H2StatusMissing, 0),
            (vec![(":status", "2xx")], Rule::H2StatusMalformed, 0),
            (vec![(":status", "0200")], Rule::H2StatusMalformed, 0),
            (vec![(":status", "101")], Rule::H2StatusMalformed, 0),
            (vec![(":status", "099")], Rule::StatusCodeOutOfRange, 0),
            (vec![("server", "x"), (":status", "200")], Rule::H2PseudoAfterRegular, 1),
            (vec![(":status", "200"), (":path", "/")], Rule::H2PseudoUnknown, 1),
            (vec![(":status", "200"), (":status", "200")], Rule::H2PseudoUnknown, 1),
            (vec![(":status", "200"), ("content-length", "-1")], Rule::ContentLengthMalformed, 1),
            (vec![(":status", "200"), ("location", "/a"), ("location", "/b")], Rule::DuplicateField, 2),
        ];
        for (fields, rule, at) in cases {
            assert_eq!(offences(Section::Head, &fields), [(rule, at)], "{fields:?}");
        }
        let lengths = [(":status", "200"), ("content-length", "5"), ("content-length", "6")];
        assert_eq!(offences(Section::Head, &lengths), [(Rule::ContentLengthDiffers, 2)]);
        assert_eq!(
            offences(Section::Trailers, &[("grpc-status", "0"), (":status", "200")]),
            [(Rule::H2PseudoUnknown, 1)]
        );
    }

    #[test]
    fn an_offence_quotes_the_bytes_around_it() {
        let head =
            judged(Section::Head, &[(":status", "200"), ("a", &format!("{}\0{}", "x".repeat(90), "y".repeat(90)))]);
        let quoted = format!("{}\0{}", "x".repeat(32), "y".repeat(31));
        assert_eq!(head.offences.first().map(|offence| offence.bytes.as_slice()), Some(quoted.as_bytes()));
    }

    #[test]
    fn what_is_unknown_is_not_held_against_a_response() {
        let mut head = ResponseHead::new(Section::Head);
        head.field(Field { at: 0, name: None, value: None });
        head.field(Field { at: 1, name: None, value: Some(b"x") });
        head.complete();
        assert_eq!(head.offences, []);
        assert!(head.unknown_fields);
    }

    #[test]
    fn a_decoded_flood_is_counted_and_not_kept() {
        let mut head = ResponseHead::new(Section::Head);
        let value = vec![b'\0'; 60_000];
        (0..100).for_each(|at| head.field(Field { at, name: Some(b"x-big"), value: Some(&value) }));
        assert_eq!(head.size, 100 * (60_000 + 5 + 32));
        assert_eq!(head.offences.len(), MAX_OFFENCES);
        assert_eq!(head.largest, 60_005);
    }

    #[test]
    fn a_content_length_list_of_one_value_is_that_value() {
        assert_eq!(decimal(b"12, 12"), Some(12));
        for wrong in [&b"12, 13"[..], b"", b"12,", b"+12", b"0x12", b"99999999999999999999"] {
            assert_eq!(decimal(wrong), None, "{}", wrong.escape_ascii());
        }
    }

    #[test]
    fn a_request_keeps_what_identifies_it() {
        let mut head = RequestHead::default();
        let fields =
            [(":method", "POST"), (":path", "/cart"), (":authority", "shop.example"), ("expect", "100-continue")];
        let more = [("cf-ray", "8f3b-FRA"), ("traceparent", "00-1"), ("x-request-id", "2"), ("content-length", "7")];
        for (name, value) in fields.into_iter().chain(more) {
            head.field(Field { at: 0, name: Some(name.as_bytes()), value: Some(value.as_bytes()) });
        }
        assert_eq!(head.method.as_deref(), Some("POST"));
        assert_eq!(head.authority.as_deref(), Some("shop.example"));
        assert_eq!(head.traceparent.as_deref(), Some("00-1"));
        assert_eq!((head.content_length, head.expect_continue), (Some(7), true));
    }
}
