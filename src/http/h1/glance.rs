//! Messages with which nothing can be wrong, told at a glance.
//!
//! What is taken here is taken by [`super::request`] and [`super::response`] without a word, too, and they read the same
//! of it. Whatever is not certain is left to them.

use super::fields::{Field, is_token};
use super::response::{SINGLETONS, singleton};
use crate::tcp::{Answered, Asked};

/// Fields that a head may have.
const FIELDS: u32 = 64;

/// Bytes that a target may have.
const TARGET: usize = 1024;

/// A whole request of HTTP/1.1 for a target on this server, without a body and without a wish but to close.
pub fn request(bytes: &[u8]) -> Option<Asked> {
    let (method, start) = match bytes {
        [b'G', b'E', b'T', b' ', b'/', ..] => ("GET", 4),
        [b'H', b'E', b'A', b'D', b' ', b'/', ..] => ("HEAD", 5),
        _ => return None,
    };
    let target_len = memchr::memchr(b' ', bytes.get(start..)?).filter(|len| *len <= TARGET)?;
    let end = start.checked_add(target_len)?;
    let rest = bytes.get(end..)?.strip_prefix(b" HTTP/1.1\r\n")?;
    let mut close = None;
    let mut fields = Fields { rest, lines: 1 };
    while let Some(field) = fields.next()? {
        match field.name.len() {
            6 if field.is("expect") => return None,
            7 if field.is("upgrade") => return None,
            10 if field.is("connection") => only(&mut close, connection(field.value)?)?,
            14 if field.is("content-length") => return None,
            17 if field.is("transfer-encoding") => return None,
            _ => {}
        }
    }
    let whole = fields.rest.is_empty() && is_plain(bytes, fields.lines);
    whole.then_some(Asked { target_at: start, target_len, method, close: close.unwrap_or(false) })
}

/// The beginning of a response of HTTP/1.1 that holds its whole head: a status from 200 to 499, and a body of known
/// length that is not coded.
pub fn response(asked: &Asked, bytes: &[u8]) -> Option<Answered> {
    let &[a @ b'2'..=b'4', b @ b'0'..=b'9', c @ b'0'..=b'9', b' ', ref rest @ ..] = bytes.strip_prefix(b"HTTP/1.1 ")?
    else {
        return None;
    };
    let digit = |byte: u8| u16::from(byte.wrapping_sub(b'0'));
    let status = digit(a).wrapping_mul(100).wrapping_add(digit(b).wrapping_mul(10)).wrapping_add(digit(c));
    let (mut close, mut length, mut largest, mut count) = (None, None, 0, 0_u32);
    let mut once = [false; SINGLETONS.len()];
    let mut fields = Fields { rest: line_end(rest)?.1, lines: 1 };
    while let Some(field) = fields.next()? {
        count = count.saturating_add(1);
        largest = largest.max(field.len);
        match field.name.len() {
            7 if field.is("upgrade") => return None,
            10 if field.is("connection") => only(&mut close, connection(field.value)?)?,
            11 if field.is("grpc-status") => return None,
            14 if field.is("content-length") => only(&mut length, number(field.value)?)?,
            16 if field.is("content-encoding") => return None,
            17 if field.is("transfer-encoding") => return None,
            _ => {}
        }
        if let Some(place) = singleton(&field).and_then(|nth| once.get_mut(nth))
            && std::mem::replace(place, true)
        {
            return None;
        }
    }
    let head_len = bytes.len().checked_sub(fields.rest.len())?;
    let body_len = match status {
        204 if length.is_some() => return None,
        204 | 304 => 0,
        _ if asked.method == "HEAD" => 0,
        _ => length?,
    };
    let plain = count <= FIELDS && is_plain(bytes.get(..head_len)?, fields.lines);
    plain.then_some(Answered {
        status,
        len: body_len.checked_add(head_len as u64)?,
        head_len: head_len as u64,
        largest_field: largest as u64,
        fields: count,
        close: close.unwrap_or(false),
    })
}

/// What is left of a head, and how many lines of it were read.
struct Fields<'a> {
    rest: &'a [u8],
    lines: usize,
}

impl<'a> Fields<'a> {
    /// The next field; `Some(None)` at the end of the head, and none where a line is out of the ordinary, or not whole.
    #[inline]
    fn next(&mut self) -> Option<Option<Field<'a>>> {
        let (line, rest) = line_end(self.rest)?;
        let len = self.rest.len().checked_sub(rest.len())?;
        self.rest = rest;
        self.lines = self.lines.checked_add(1)?;
        if line.is_empty() {
            return Some(None);
        }
        let colon = line.iter().position(|&byte| !is_token(byte)).filter(|&at| at > 0)?;
        let (name, value) = (line.get(..colon)?, line.get(colon..)?);
        let value = value.strip_prefix(b":")?;
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let filled = value.last().is_some_and(|&last| last != b' ');
        filled.then_some(Some(Field { name, value, at: 0, len }))
    }
}

/// The bytes before the next CRLF, and those behind it.
fn line_end(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = memchr::memchr(b'\n', bytes)?;
    Some((bytes.get(..end)?.strip_suffix(b"\r")?, bytes.get(end.checked_add(1)?..)?))
}

/// True where a head holds nothing but printable ASCII and the ends of its lines. Every byte is looked at without a
/// branch, which the compiler turns into vector instructions.
fn is_plain(head: &[u8], lines: usize) -> bool {
    let odd =
        |chunk: &[u8]| chunk.iter().fold(0_u8, |odd, &byte| odd.wrapping_add((!(b' '..=b'~').contains(&byte)).into()));
    let odd = head.chunks(255).map(|chunk| usize::from(odd(chunk))).sum::<usize>();
    odd == lines.saturating_mul(2)
}

/// What `Connection` says of the connection's end, where it says nothing else.
fn connection(value: &[u8]) -> Option<bool> {
    match value.len() {
        5 if value.eq_ignore_ascii_case(b"close") => Some(true),
        10 if value.eq_ignore_ascii_case(b"keep-alive") => Some(false),
        _ => None,
    }
}

fn number(value: &[u8]) -> Option<u64> {
    let digits = (1..=15).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let add = |sum: u64, digit: &u8| sum.wrapping_mul(10).wrapping_add(digit.wrapping_sub(b'0').into());
    digits.then(|| value.iter().fold(0, add))
}

/// Takes a value that may stand once; none where it does not.
fn only<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.replace(value).is_none().then_some(())
}

#[cfg(test)]
mod tests {
    use super::super::head::{Places, end_of_head};
    use super::super::{Recognised, recognise_request, request as requests, response as responses};
    use super::*;
    use crate::timeline::{Framing, Mark, Response};

    const REQUESTS: [&[u8]; 3] = [
        b"GET /a?b=c HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nCF-Ray: 45f3995bddd689b5-FRA\r\nAccept: */*\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nhost: shop.example\r\nconnection: keep-alive\r\nX-Request-Id: 7\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade-Insecure-Requests: 1\r\nCookie: a=b; c=d\r\n\r\n",
    ];

    const RESPONSES: [&[u8]; 4] = [
        b"HTTP/1.1 200 OK\r\nServer: nginx\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: 36\r\n\r\n<html>",
        b"HTTP/1.1 304 Not Modified\r\nDate: Thu, 26 Nov 2026 02:15:01 GMT\r\nETag: \"abc\"\r\n\r\n",
        b"HTTP/1.1 404 \r\ncontent-length: 0\r\nconnection: Keep-Alive\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nAge: 1\r\nVia: 1.1 cache\r\nExpires: 0\r\nLocation: /\r\n\r\n",
    ];

    /// Each message, and what becomes of it where single bytes are changed, dropped, doubled or moved.
    fn variants(messages: &[&'static [u8]]) -> impl Iterator<Item = Vec<u8>> {
        const ODD: &[u8] = b"\r\n\t :,;0a\x00\x7f\xff-\"";
        messages.iter().flat_map(|&message| {
            let whole = std::iter::once(message.to_vec());
            let places = 0..message.len();
            let changed = places
                .clone()
                .flat_map(move |at| ODD.iter().map(move |&odd| [&message[..at], &[odd], &message[at + 1..]].concat()));
            let added = places
                .clone()
                .flat_map(move |at| ODD.iter().map(move |&odd| [&message[..at], &[odd], &message[at..]].concat()));
            let cut = places.clone().flat_map(move |at| {
                (1..9).map(move |len| [&message[..at], message.get(at + len..).unwrap_or(&[])].concat())
            });
            let doubled = places.clone().flat_map(move |at| {
                (1..40).filter_map(move |len| Some([message.get(..at + len)?, &message[at..]].concat()))
            });
            let upper = places.map(move |at| [&message[..at], &message[at..].to_ascii_uppercase()].concat());
            whole.chain(changed).chain(added).chain(cut).chain(doubled).chain(upper)
        })
    }

    #[test]
    fn a_request_that_is_taken_at_a_glance_reads_the_same() {
        let mut taken = 0;
        for bytes in variants(&REQUESTS) {
            let Some(asked) = request(&bytes) else { continue };
            taken += 1;
            let text = String::from_utf8_lossy(&bytes);
            let (read, asks) = requests::read(&bytes, Mark::default());
            assert_eq!(end_of_head(&bytes), Some(bytes.len()), "{text}");
            assert_eq!(recognise_request(&bytes), Recognised::Yes, "{text}");
            assert_eq!((read.framing, read.close, read.expect_continue), (Framing::None, asked.close, false), "{text}");
            assert_eq!(read.target.as_bytes(), &bytes[asked.target_at..][..asked.target_len], "{text}");
            assert_eq!(read.method, asked.method, "{text}");
            assert_eq!(
                (asks.head, asks.connect, asks.upgrade, asks.simple),
                (asked.method == "HEAD", false, false, false),
                "{text}"
            );
        }
        assert!(taken > 3_000, "{taken}");
    }

    #[test]
    fn a_response_that_is_taken_at_a_glance_breaks_nothing_and_reads_the_same() {
        let mut taken = 0;
        for bytes in variants(&RESPONSES) {
            let Some(answered) = response(&Asked::default(), &bytes) else { continue };
            taken += 1;
            let text = String::from_utf8_lossy(&bytes);
            let len = end_of_head(&bytes).unwrap_or_else(|| panic!("no end: {text}"));
            let mut places = Places::default();
            places.add(0, Mark::default());
            let mut read = Response::begun(Mark::default());
            let said = responses::read(&bytes[..len], &places, &mut read);
            assert_eq!(read.deviations, [], "{text}");
            assert!(said.coded.is_none() && said.upgrade == responses::Upgrade::None, "{text}");
            assert_eq!((read.minor_version, read.status), (Some(1), Some(answered.status)), "{text}");
            assert_eq!((read.close, read.fields, read.grpc_status), (answered.close, answered.fields, None), "{text}");
            assert_eq!((read.largest_field, len as u64), (answered.largest_field, answered.head_len), "{text}");
            let mut broken = Vec::new();
            let framing = said.framing.of_response(Some(1), &mut |rule, _| broken.push(rule));
            let body_len = answered.len - answered.head_len;
            match answered.status {
                204 => said.framing.without_body(&mut |rule, _| broken.push(rule)),
                304 => assert_eq!(body_len, 0, "{text}"),
                _ => assert_eq!(framing, Framing::Length(body_len), "{text}"),
            }
            assert_eq!(broken, [], "{text}");
        }
        assert!(taken > 3_000, "{taken}");
    }

    #[test]
    fn what_is_not_certain_is_left_to_others() {
        let get = |fields: &str| request(format!("GET / HTTP/1.1\r\n{fields}\r\n").as_bytes());
        assert!(get("").is_some());
        for fields in
            ["Expect: 100-continue\r\n", "Upgrade: h2c\r\n", "Content-Length: 0\r\n", "Transfer-Encoding: chunked\r\n"]
        {
            assert_eq!(get(fields), None, "{fields}");
        }
        let ok = |status: &str, fields: &str| {
            response(&Asked::default(), format!("HTTP/1.1 {status} X\r\n{fields}\r\n").as_bytes())
        };
        assert!(ok("200", "Content-Length: 5\r\n").is_some());
        for (status, fields) in [
            ("200", ""),
            ("101", "Content-Length: 5\r\n"),
            ("502", "Content-Length: 5\r\n"),
            ("204", "Content-Length: 0\r\n"),
            ("200", "Content-Length: 5\r\nContent-Length: 5\r\n"),
            ("200", "Content-Length: 5\r\nContent-Encoding: gzip\r\n"),
            ("200", "Transfer-Encoding: chunked\r\n"),
        ] {
            assert_eq!(ok(status, fields), None, "{status} {fields}");
        }
    }
}
