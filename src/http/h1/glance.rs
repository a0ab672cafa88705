//! Messages with which nothing can be wrong, told at a glance.
//!
//! What is taken here is taken by [`super::request`] and [`super::response`] without a word, too, and they read the same
//! of it. Whatever is not certain is left to them.

use super::fields::{Field, is_token};
use super::response::singleton;
use crate::tcp::{Answered, Asked};

/// Fields that a head may have.
const FIELDS: u32 = 64;

/// Bytes that a target may have.
const TARGET: usize = 1024;

/// A whole request of HTTP/1.1 for a target on this server, without a body and without a wish but to close.
pub fn request(bytes: &[u8]) -> Option<Asked> {
    let (head, start) = match bytes {
        [b'G', b'E', b'T', b' ', b'/', ..] => (false, 4),
        [b'H', b'E', b'A', b'D', b' ', b'/', ..] => (true, 5),
        _ => return None,
    };
    let target_len = memchr::memchr(b' ', bytes.get(start..)?).filter(|len| *len <= TARGET)?;
    let end = start.checked_add(target_len)?;
    let rest = bytes.get(end..)?.strip_prefix(b" HTTP/1.1\r\n")?;
    let mut close = None;
    let mut fields = Fields { rest, lines: 1 };
    while let Some(field) = fields.next()? {
        let name = field.name;
        match name.len() {
            6 if field.is("expect") => return None,
            7 if field.is("upgrade") => return None,
            10 if field.is("connection") => only(&mut close, connection(field.value)?)?,
            14 if field.is("content-length") => return None,
            17 if field.is("transfer-encoding") => return None,
            _ => {}
        }
    }
    let whole = fields.rest.is_empty() && is_plain(bytes, fields.lines);
    whole.then_some(Asked { target_at: start, target_len, head, close: close.unwrap_or(false) })
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
    let mut once = [false; 10];
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
        _ if asked.head => 0,
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
