//! Requests (RFC 9112 section 3): read as well as can be, never judged: the edge made them.

use std::borrow::Cow;

use super::Recognised;
use super::fields;
use super::framing::FramingFields;
use super::head::lines;
use crate::timeline::{Mark, Request};

/// Methods that are worth no allocation (RFC 9110 section 9.1 and its registry).
const METHODS: [&str; 12] =
    ["GET", "POST", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE", "PROPFIND", "PURGE", "REPORT"];

/// Bytes of a target, host or identifier that are kept.
const TEXT_LIMIT: usize = 4096;

/// What the head of a request says beyond its record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Asks {
    /// The response has no body.
    pub(super) head: bool,
    /// A tunnel.
    pub(super) connect: bool,
    /// Another protocol (RFC 9110 section 7.8).
    pub(super) upgrade: bool,
    /// Bare content: its line has no version (HTTP/0.9, RFC 1945 section 4.1).
    pub(super) simple: bool,
}

/// Whether bytes begin a request: a method, a space, a target.
#[must_use]
pub fn recognise(bytes: &[u8]) -> Recognised {
    // A line end before the request line is skipped (RFC 9112 section 2.2).
    let bytes = bytes.trim_ascii_start();
    let method = bytes.iter().position(|&byte| !byte.is_ascii_uppercase() && byte != b'-' && byte != b'_');
    match method {
        None if bytes.len() < 24 => Recognised::TooShort,
        Some(len @ 2..24) if bytes.get(len) == Some(&b' ') => {
            let method = bytes.get(..len).unwrap_or_default();
            // The connection preface of HTTP/2 is made to look like a request (RFC 9113 section 3.4).
            if method == b"PRI" {
                return Recognised::No;
            }
            match bytes.get(len.saturating_add(1)) {
                None => Recognised::TooShort,
                Some(b'/' | b'*' | b'h' | b'H') => Recognised::Yes,
                Some(byte) if method == b"CONNECT" && byte.is_ascii_graphic() => Recognised::Yes,
                Some(_) => Recognised::No,
            }
        }
        _ => Recognised::No,
    }
}

/// Reads the head of a request, whole or cut.
pub(super) fn read(head: &[u8], start: Mark) -> (Request, Asks) {
    let mut lines = lines(head);
    let first = lines.next().map_or(&[][..], |line| line.content);
    let mut words = first.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let method = words.next().unwrap_or_default();
    let target = words.next().unwrap_or_default();
    let version = words.next();
    let close = version == Some(b"HTTP/1.0");
    let simple = version.is_none() && head.contains(&b'\n');
    let mut request = Request { method: known(method), target: text(target), close, ..Request::begun(start) };
    let mut framing = FramingFields::default();
    let mut upgrade = false;
    for line in lines {
        let Some(field) = fields::read(line) else { continue };
        upgrade |= field.is("upgrade");
        framing.see(&field, &mut |_, _| {});
        see(&mut request, &field);
    }
    request.framing = framing.of_request();
    (request, Asks { head: method == b"HEAD", connect: method == b"CONNECT", upgrade, simple })
}

fn see(request: &mut Request, field: &fields::Field<'_>) {
    match field.name.len() {
        4 if field.is("host") => request.host = Some(text(field.value)),
        6 if field.is("cf-ray") => request.ray = Some(text(field.value)),
        6 if field.is("expect") => request.expect_continue = field.value.eq_ignore_ascii_case(b"100-continue"),
        10 if field.is("connection") => {
            request.close =
                has_member(field.value, "close") || (request.close && !has_member(field.value, "keep-alive"));
        }
        11 if field.is("traceparent") => {
            request.traceparent.get_or_insert_with(|| text(field.value));
        }
        12 if field.is("x-request-id") => {
            request.request_id.get_or_insert_with(|| text(field.value));
        }
        _ => {}
    }
}

/// True where a comma-separated list holds `member`.
pub(super) fn has_member(list: &[u8], member: &str) -> bool {
    list.split(|&byte| byte == b',').any(|item| fields::trim(item).eq_ignore_ascii_case(member.as_bytes()))
}

fn known(method: &[u8]) -> Cow<'static, str> {
    match METHODS.iter().find(|known| known.as_bytes() == method) {
        Some(known) => Cow::Borrowed(known),
        None => Cow::Owned(text(method)),
    }
}

/// Bytes of a stranger as text: what is no UTF-8 is replaced, and what is too long is cut.
pub(super) fn text(bytes: &[u8]) -> String {
    let kept = bytes.get(..bytes.len().min(TEXT_LIMIT)).unwrap_or_default();
    match std::str::from_utf8(kept) {
        Ok(text) => text.to_owned(),
        Err(_) => String::from_utf8_lossy(kept).into_owned(),
    }
}
