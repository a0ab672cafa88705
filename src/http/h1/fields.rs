//! Field lines (RFC 9112 section 5), judged one by one.
//!
//! > field-line   = field-name ":" OWS field-value OWS
//! > field-name   = token

use super::head::Line;
use crate::timeline::Rule;

/// A field line that could be read, whatever rules it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    /// Without the white space around it.
    pub(super) value: &'a [u8],
    /// Offset of the line in the head.
    pub(super) at: usize,
    /// Length of the line with its end.
    pub(super) len: usize,
}

impl Field<'_> {
    #[inline]
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// Reads one field line as well as can be.
#[inline]
pub(super) fn read(line: Line<'_>) -> Option<Field<'_>> {
    let colon = memchr::memchr(b':', line.content)?;
    let (name, value) = (line.content.get(..colon)?, line.content.get(colon.saturating_add(1)..)?);
    let blank = name.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    Some(Field { name: name.get(..name.len().saturating_sub(blank))?, value: trim(value), at: line.at, len: line.len })
}

/// Reads one field line and tells `broken` every rule that it breaks, with the offset in the head.
pub(super) fn judge<'a>(line: Line<'a>, broken: &mut impl FnMut(Rule, usize)) -> Option<Field<'a>> {
    let content = line.content;
    judge_line_end(line, broken);
    judge_carriage_returns(line, broken);
    let Some(colon) = memchr::memchr(b':', content) else {
        // A line of nothing but CR is no field at all.
        if content.iter().any(|&byte| byte != b'\r') {
            broken(Rule::FieldNoColon, line.at);
        }
        return None;
    };
    let (name, value) = (content.get(..colon)?, content.get(colon.saturating_add(1)..)?);
    let field = read(line)?;
    let trimmed = field.name;
    if trimmed.is_empty() {
        broken(Rule::FieldNameEmpty, line.at);
    } else if trimmed.len() < name.len() {
        broken(Rule::FieldSpaceBeforeColon, line.at.saturating_add(trimmed.len()));
    }
    if let Some(bad) = trimmed.iter().position(|&byte| !is_token(byte) && byte != b'\r') {
        broken(Rule::FieldNameNotToken, line.at.saturating_add(bad));
    }
    judge_value(value, line.at.saturating_add(colon).saturating_add(1), broken);
    Some(field)
}

/// A line that goes on with the value of the field before it (RFC 9112 section 5.2).
pub(super) fn judge_folded(line: Line<'_>, broken: &mut impl FnMut(Rule, usize)) {
    judge_line_end(line, broken);
    judge_carriage_returns(line, broken);
    judge_value(line.content, line.at, broken);
}

/// LF without CR (RFC 9112 section 2.2).
pub(super) fn judge_line_end(line: Line<'_>, broken: &mut impl FnMut(Rule, usize)) {
    if !line.crlf {
        broken(Rule::LineFeedAlone, line.at.saturating_add(line.content.len()));
    }
}

/// CR without LF (RFC 9112 section 2.2).
pub(super) fn judge_carriage_returns(line: Line<'_>, broken: &mut impl FnMut(Rule, usize)) {
    if let Some(at) = memchr::memchr(b'\r', line.content) {
        broken(Rule::BareCarriageReturn, line.at.saturating_add(at));
    }
}

/// A value, or the continuation of one, holds visible characters, spaces, tabs and bytes above 127
/// (RFC 9110 section 5.5).
fn judge_value(value: &[u8], at: usize, broken: &mut impl FnMut(Rule, usize)) {
    for (nth, &byte) in value.iter().enumerate() {
        match byte {
            0 => broken(Rule::FieldValueNul, at.saturating_add(nth)),
            b'\t' | b'\r' => {}
            1..=31 | 127 => broken(Rule::FieldValueControl, at.saturating_add(nth)),
            _ => {}
        }
    }
}

/// OWS is spaces and tabs only.
pub(super) fn trim(value: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !blank(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !blank(byte)).map_or(start, |last| last.saturating_add(1));
    value.get(start..end).unwrap_or_default()
}

/// > tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~" / DIGIT / ALPHA
#[inline]
pub(super) fn is_token(byte: u8) -> bool {
    // Written as one pattern, it becomes a look into a set of bits.
    matches!(
        byte,
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~'
    )
}
