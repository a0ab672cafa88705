//! The status line (RFC 9112 section 4).
//!
//! > status-line = HTTP-version SP status-code SP [ reason-phrase ]

use super::fields;
use super::head::Line;
use crate::timeline::Rule;

/// What could be read of a status line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct StatusLine {
    pub(super) minor_version: Option<u8>,
    pub(super) status: Option<u16>,
}

/// Whether bytes begin a status line, good or bad.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Begins {
    /// As HTTP, in whatever case and version.
    Http,
    /// As something else.
    Other,
    /// Too few bytes to tell.
    TooShort,
}

/// What a response begins as.
pub(super) fn begins(bytes: &[u8]) -> Begins {
    const NAME: &[u8] = b"HTTP";
    let seen = bytes.get(..bytes.len().min(NAME.len())).unwrap_or_default();
    if !seen.eq_ignore_ascii_case(NAME.get(..seen.len()).unwrap_or_default()) {
        return Begins::Other;
    }
    match bytes.get(NAME.len()) {
        None => Begins::TooShort,
        Some(b'/' | b' ' | b'\t' | b'\r' | b'\n') => Begins::Http,
        Some(byte) if byte.is_ascii_digit() => Begins::Http,
        Some(_) => Begins::Other,
    }
}

/// Reads a status line and tells `broken` every rule that it breaks, with the offset in the head.
pub(super) fn judge(line: Line<'_>, broken: &mut impl FnMut(Rule, usize)) -> StatusLine {
    fields::judge_line_end(line, broken);
    fields::judge_carriage_returns(line, broken);
    let text = line.content;
    let version_len = text.iter().position(|&byte| byte == b' ' || byte == b'\t').unwrap_or(text.len());
    let (version, rest) = text.split_at_checked(version_len).unwrap_or((text, &[]));
    let minor_version = match version {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', minor] if minor.is_ascii_digit() => Some(minor.saturating_sub(b'0')),
        _ => {
            broken(Rule::VersionMalformed, line.at);
            None
        }
    };
    let code = rest.trim_ascii_start();
    let code_at = line.at.saturating_add(text.len()).saturating_sub(code.len());
    let blank = rest.len().saturating_sub(code.len());
    if blank > 1 || rest.first().is_some_and(|&byte| byte != b' ') {
        broken(Rule::StatusLineMalformed, line.at.saturating_add(version_len));
    }
    let code_len = code.iter().position(|&byte| byte == b' ' || byte == b'\t').unwrap_or(code.len());
    let (code, reason) = code.split_at_checked(code_len).unwrap_or((code, &[]));
    if reason.first() == Some(&b'\t') {
        broken(Rule::StatusLineMalformed, code_at.saturating_add(code_len));
    }
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\r');
    if let Some(bad) = reason.iter().position(control) {
        broken(Rule::ReasonPhraseControl, code_at.saturating_add(code_len).saturating_add(bad));
    }
    StatusLine { minor_version, status: status(code, code_at, broken) }
}

/// > status-code = 3DIGIT
///
/// RFC 9110 section 15: the classes go from 1 to 5.
fn status(code: &[u8], at: usize, broken: &mut impl FnMut(Rule, usize)) -> Option<u16> {
    if !code.iter().any(u8::is_ascii_digit) {
        broken(Rule::StatusCodeMissing, at);
        return None;
    }
    let [a, b, c] = code else {
        broken(Rule::StatusCodeNotThreeDigits, at);
        return None;
    };
    if !code.iter().all(u8::is_ascii_digit) {
        broken(Rule::StatusCodeNotThreeDigits, at);
        return None;
    }
    let digit = |byte: &u8| u16::from(byte.saturating_sub(b'0'));
    let status =
        [a, b, c].into_iter().fold(0, |status: u16, byte| status.saturating_mul(10).saturating_add(digit(byte)));
    if !(100..600).contains(&status) {
        broken(Rule::StatusCodeOutOfRange, at);
    }
    Some(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(line: &str) -> (StatusLine, Vec<(Rule, usize)>) {
        let mut broken = Vec::new();
        let line = Line { at: 0, content: line.as_bytes(), len: line.len() + 2, crlf: true };
        (judge(line, &mut |rule, at| broken.push((rule, at))), broken)
    }

    #[test]
    fn a_good_status_line_breaks_nothing() {
        for line in ["HTTP/1.1 200 OK", "HTTP/1.0 404 ", "HTTP/1.1 200", "HTTP/1.1 503 Service Unavailable \u{fc}"] {
            let (read, broken) = rules(line);
            assert_eq!(broken, [], "{line}");
            assert!(read.status.is_some() && read.minor_version.is_some());
        }
    }

    #[test]
    fn each_fault_is_named_at_its_byte() {
        let table = [
            ("HTTP/1.1", Rule::StatusCodeMissing, 8),
            ("HTTP/1.1 OK", Rule::StatusCodeMissing, 9),
            ("HTTP/1.1 2xx Odd", Rule::StatusCodeNotThreeDigits, 9),
            ("HTTP/1.1 42 Odd", Rule::StatusCodeNotThreeDigits, 9),
            ("HTTP/1.1 2000 OK", Rule::StatusCodeNotThreeDigits, 9),
            ("HTTP/1.1 000 Odd", Rule::StatusCodeOutOfRange, 9),
            ("HTTP/1.1 999 Odd", Rule::StatusCodeOutOfRange, 9),
            ("HTTP/1.1 600 Odd", Rule::StatusCodeOutOfRange, 9),
            ("HTTP 200 OK", Rule::VersionMalformed, 0),
            ("http/1.1 200 OK", Rule::VersionMalformed, 0),
            ("HTTP/one.one 200 OK", Rule::VersionMalformed, 0),
            ("HTTP/2 200", Rule::VersionMalformed, 0),
            ("HTTP/1.1  200 OK", Rule::StatusLineMalformed, 8),
            ("HTTP/1.1\t200 OK", Rule::StatusLineMalformed, 8),
            ("HTTP/1.1 200\tOK", Rule::StatusLineMalformed, 12),
            ("HTTP/1.1 200 O\rK", Rule::BareCarriageReturn, 14),
            ("HTTP/1.1 200 O\x01K", Rule::ReasonPhraseControl, 14),
        ];
        for (line, rule, at) in table {
            assert_eq!(rules(line).1, [(rule, at)], "{line}");
        }
    }
}
