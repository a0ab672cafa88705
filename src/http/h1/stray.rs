//! Response bytes that belong to no request.

use super::response::quote;
use crate::timeline::{Mark, Timeline, Unsolicited};

/// The first of them, after the exchange that was answered last.
pub(super) fn begin(line: &mut Timeline, after_exchange: Option<u32>, bytes: &[u8], start: Mark) {
    line.unsolicited.push(Unsolicited { start, bytes: 0, after_exchange, status: None, preview: Vec::new() });
    go_on(line, bytes);
}

/// More of them.
pub(super) fn go_on(line: &mut Timeline, bytes: &[u8]) {
    let Some(last) = line.unsolicited.last_mut() else { return };
    last.bytes = last.bytes.saturating_add(bytes.len() as u64);
    quote(&mut last.preview, bytes);
    last.status = status(&last.preview);
}

/// > HTTP-version SP status-code SP
fn status(bytes: &[u8]) -> Option<u16> {
    let code = bytes.strip_prefix(b"HTTP/1.")?.get(1..5)?.strip_prefix(b" ")?;
    let ends = bytes.get(12).is_some_and(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    std::str::from_utf8(code).ok().filter(|code| ends && code.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_read_of_a_status_line_only() {
        assert_eq!(status(b"HTTP/1.1 408 Request Timeout\r\n"), Some(408));
        assert_eq!(status(b"HTTP/1.0 500\r\n"), Some(500));
        assert_eq!(status(b"HTTP/1.1 408"), None);
        assert_eq!(status(b"HTTP/1.1 4080 "), None);
        assert_eq!(status(b"more of the body"), None);
    }
}
