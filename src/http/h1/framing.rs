//! How the length of a body is told (RFC 9112 section 6.3), and what contradicts itself about it.

use super::fields::{Field, is_token, trim};
use crate::timeline::{Framing, Rule};

/// What the framing fields of one message say.
#[derive(Clone, Debug, Default)]
pub(super) struct FramingFields {
    length: Length,
    length_at: usize,
    coding: Option<Codings>,
    coding_at: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    Absent,
    Bytes(u64),
    /// Not a number, or several that differ.
    Unusable,
}

/// What Transfer-Encoding lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Codings {
    /// Compressed, and chunked is still to come.
    Compressed,
    /// chunked, once and last.
    Chunked,
    /// Anything else.
    NotUnderstood,
}

impl FramingFields {
    /// Looks at a field, and tells `broken` what it breaks.
    #[inline]
    pub(super) fn see(&mut self, field: &Field<'_>, broken: &mut impl FnMut(Rule, usize)) {
        if field.is("content-length") {
            self.length_at = field.at;
            self.see_length(field, broken);
        } else if field.is("transfer-encoding") {
            self.coding_at = field.at;
            self.coding = Some(codings(self.coding, field.value));
        }
    }

    /// > Content-Length = 1*DIGIT
    ///
    /// A list of equal numbers counts as one (RFC 9110 section 8.6).
    fn see_length(&mut self, field: &Field<'_>, broken: &mut impl FnMut(Rule, usize)) {
        for member in field.value.split(|&byte| byte == b',') {
            let Some(bytes) = number(trim(member)) else {
                broken(Rule::ContentLengthMalformed, field.at);
                self.length = Length::Unusable;
                return;
            };
            self.length = match self.length {
                Length::Bytes(before) if before != bytes => {
                    broken(Rule::ContentLengthDiffers, field.at);
                    Length::Unusable
                }
                Length::Unusable => Length::Unusable,
                _ => Length::Bytes(bytes),
            };
        }
    }

    /// The framing of a response that may have a body. Transfer-Encoding wins over Content-Length; what cannot be
    /// used leaves the close to end the body.
    pub(super) fn of_response(&self, minor: Option<u8>, broken: &mut impl FnMut(Rule, usize)) -> Framing {
        if let Some(codings) = self.coding {
            if self.length != Length::Absent {
                broken(Rule::TransferEncodingAndLength, self.length_at.max(self.coding_at));
            }
            if minor == Some(0) {
                broken(Rule::TransferEncodingInHttp10, self.coding_at);
            }
            return match codings {
                Codings::Chunked => Framing::Chunked,
                Codings::Compressed | Codings::NotUnderstood => {
                    broken(Rule::TransferEncodingUnknown, self.coding_at);
                    Framing::UntilClose
                }
            };
        }
        match self.length {
            Length::Bytes(bytes) => Framing::Length(bytes),
            Length::Absent | Length::Unusable => Framing::UntilClose,
        }
    }

    /// Tells `broken` of framing fields where no body can be: in 1xx and 204 (RFC 9112 section 6.1, RFC 9110
    /// section 8.6). Many servers send a Content-Length of 0 there, which is at least true.
    pub(super) fn without_body(&self, broken: &mut impl FnMut(Rule, usize)) {
        if self.coding.is_some() {
            broken(Rule::FramingWhereNoBody, self.coding_at);
        } else if matches!(self.length, Length::Bytes(1..)) {
            broken(Rule::FramingWhereNoBody, self.length_at);
        }
    }

    /// The framing of a request: without framing fields it has no body.
    pub(super) fn of_request(&self) -> Framing {
        match (self.coding, self.length) {
            (Some(_), _) => Framing::Chunked,
            (None, Length::Bytes(bytes)) if bytes > 0 => Framing::Length(bytes),
            _ => Framing::None,
        }
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// > Transfer-Encoding = #transfer-coding
///
/// compress, deflate and gzip may stand before chunked; chunked stands once, and last.
fn codings(before: Option<Codings>, value: &[u8]) -> Codings {
    let mut so_far = before;
    // Empty members of a list are skipped (RFC 9110 section 5.6.1.2).
    for member in value.split(|&byte| byte == b',').map(trim).filter(|member| !member.is_empty()) {
        let name_len = member.iter().position(|&byte| !is_token(byte)).unwrap_or(member.len());
        let name = member.get(..name_len).unwrap_or_default();
        let known = ["gzip", "x-gzip", "deflate", "compress", "x-compress"];
        let chunked = name.eq_ignore_ascii_case(b"chunked") && name_len == member.len();
        so_far = match so_far {
            Some(Codings::Chunked) => Some(Codings::NotUnderstood),
            Some(Codings::NotUnderstood) => so_far,
            _ if chunked => Some(Codings::Chunked),
            _ if known.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes())) => Some(Codings::Compressed),
            _ => Some(Codings::NotUnderstood),
        };
    }
    so_far.unwrap_or(Codings::NotUnderstood)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn framing(fields: &[(&str, &str)]) -> (Framing, Vec<Rule>) {
        let (mut framing, mut rules) = (FramingFields::default(), Vec::new());
        for (name, value) in fields {
            let field = Field { name: name.as_bytes(), value: value.as_bytes(), at: 0, len: 0 };
            framing.see(&field, &mut |rule, _| rules.push(rule));
        }
        let result = framing.of_response(Some(1), &mut |rule, _| rules.push(rule));
        (result, rules)
    }

    /// Fields, the framing that they give, and the rules that they break.
    struct Row(&'static [(&'static str, &'static str)], Framing, &'static [Rule]);

    #[test]
    fn the_length_of_a_body_is_told_as_rfc_9112_has_it() {
        let table = [
            Row(&[], Framing::UntilClose, &[]),
            Row(&[("Content-Length", "0")], Framing::Length(0), &[]),
            Row(&[("content-length", "12")], Framing::Length(12), &[]),
            Row(&[("Content-Length", "12, 12")], Framing::Length(12), &[]),
            Row(&[("Content-Length", "12"), ("Content-Length", "12")], Framing::Length(12), &[]),
            Row(&[("Content-Length", "3, 4")], Framing::UntilClose, &[Rule::ContentLengthDiffers]),
            Row(
                &[("Content-Length", "3"), ("Content-Length", "4")],
                Framing::UntilClose,
                &[Rule::ContentLengthDiffers],
            ),
            Row(&[("Content-Length", "-1")], Framing::UntilClose, &[Rule::ContentLengthMalformed]),
            Row(&[("Content-Length", "+3")], Framing::UntilClose, &[Rule::ContentLengthMalformed]),
            Row(&[("Content-Length", "")], Framing::UntilClose, &[Rule::ContentLengthMalformed]),
            Row(&[("Content-Length", "0x10")], Framing::UntilClose, &[Rule::ContentLengthMalformed]),
            Row(&[("Content-Length", "1 2")], Framing::UntilClose, &[Rule::ContentLengthMalformed]),
            Row(&[("Content-Length", "99999999999999999999")], Framing::UntilClose, &[Rule::ContentLengthMalformed]),
            Row(&[("Transfer-Encoding", "chunked")], Framing::Chunked, &[]),
            Row(&[("Transfer-Encoding", "gzip, Chunked")], Framing::Chunked, &[]),
            Row(&[("Transfer-Encoding", "gzip"), ("Transfer-Encoding", "chunked")], Framing::Chunked, &[]),
            Row(&[("Transfer-Encoding", "gzip")], Framing::UntilClose, &[Rule::TransferEncodingUnknown]),
            Row(&[("Transfer-Encoding", ", chunked,")], Framing::Chunked, &[]),
            Row(&[("Transfer-Encoding", "")], Framing::UntilClose, &[Rule::TransferEncodingUnknown]),
            Row(&[("Transfer-Encoding", "identity")], Framing::UntilClose, &[Rule::TransferEncodingUnknown]),
            Row(&[("Transfer-Encoding", "xchunked")], Framing::UntilClose, &[Rule::TransferEncodingUnknown]),
            Row(&[("Transfer-Encoding", "chunked, gzip")], Framing::UntilClose, &[Rule::TransferEncodingUnknown]),
            Row(&[("Transfer-Encoding", "chunked, chunked")], Framing::UntilClose, &[Rule::TransferEncodingUnknown]),
            Row(&[("Transfer-Encoding", "chunked;q=1")], Framing::UntilClose, &[Rule::TransferEncodingUnknown]),
            Row(
                &[("Transfer-Encoding", "chunked"), ("Content-Length", "3")],
                Framing::Chunked,
                &[Rule::TransferEncodingAndLength],
            ),
        ];
        for Row(fields, wanted, rules) in table {
            assert_eq!(framing(fields), (wanted, rules.to_vec()), "{fields:?}");
        }
    }
}
