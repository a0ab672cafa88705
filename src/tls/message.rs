//! Handshake messages (RFC 8446 section 4), put together from the records that carry them.

use super::reader::Reader;

/// The handshake messages of one peer: a record may hold several, and a message may span several records.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    buffer: Vec<u8>,
    read: usize,
    /// Bytes of a message that is too long to be kept.
    skip: usize,
}

/// `HandshakeType`; unknown ones keep their number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HandshakeType(pub(super) u8);

impl HandshakeType {
    pub(super) const CLIENT_HELLO: Self = Self(1);
    pub(super) const SERVER_HELLO: Self = Self(2);
    pub(super) const HELLO_RETRY_REQUEST: Self = Self(6);
    pub(super) const ENCRYPTED_EXTENSIONS: Self = Self(8);
    pub(super) const CERTIFICATE: Self = Self(11);
    pub(super) const SERVER_KEY_EXCHANGE: Self = Self(12);
    pub(super) const CERTIFICATE_REQUEST: Self = Self(13);
    pub(super) const SERVER_HELLO_DONE: Self = Self(14);
    pub(super) const CERTIFICATE_VERIFY: Self = Self(15);
    pub(super) const FINISHED: Self = Self(20);
    pub(super) const KEY_UPDATE: Self = Self(24);
}

impl Messages {
    /// The handshake bytes of one record.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let skipped = self.skip.min(bytes.len());
        self.skip = self.skip.saturating_sub(skipped);
        self.buffer.drain(..self.read.min(self.buffer.len()));
        self.read = 0;
        self.buffer.extend_from_slice(bytes.get(skipped..).unwrap_or_default());
    }

    /// The next complete message.
    pub(super) fn next(&mut self) -> Option<(HandshakeType, &[u8])> {
        let mut rest = Reader::new(self.buffer.get(self.read..)?);
        let kind = HandshakeType(rest.u8()?);
        let len = usize::try_from(rest.u24()?).ok()?;
        if len > MAX_MESSAGE {
            self.skip = len.saturating_sub(rest.rest().len());
            self.clear_buffer_of(len);
            return None;
        }
        rest.take(len)?;
        let start = self.read.saturating_add(MESSAGE_HEADER_LEN);
        let end = start.saturating_add(len);
        self.read = end;
        self.buffer.get(start..end).map(|body| (kind, body))
    }

    /// True where `bytes` begin with a message that is of a known type and whole: what follows a gap may be the
    /// rest of anything.
    pub(super) fn fits(bytes: &[u8]) -> bool {
        let mut bytes = Reader::new(bytes);
        bytes.u8().is_some_and(|kind| kind <= MAX_TYPE) && bytes.vector24().is_some()
    }

    /// Forgets the bytes of a message that is not complete: bytes of the stream are missing.
    pub(super) fn tear(&mut self) {
        *self = Self::default();
    }

    /// True where nothing waits for more bytes.
    pub(super) fn is_idle(&self) -> bool {
        self.read >= self.buffer.len() && self.skip == 0
    }

    fn clear_buffer_of(&mut self, len: usize) {
        let end = self.read.saturating_add(MESSAGE_HEADER_LEN).saturating_add(len);
        self.buffer.drain(..end.min(self.buffer.len()));
        self.read = 0;
    }
}

/// Bytes of a handshake message's header.
pub(super) const MESSAGE_HEADER_LEN: usize = 4;
/// Highest type of a message that is in use (CompressedCertificate, RFC 8879).
const MAX_TYPE: u8 = 25;
/// Most bytes of a handshake message that is kept: longer than any chain that an edge takes.
const MAX_MESSAGE: usize = 256 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(messages: &mut Messages) -> Vec<(u8, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some((kind, body)) = messages.next() {
            all.push((kind.0, body.to_vec()));
        }
        all
    }

    #[test]
    fn one_record_may_hold_two_messages() {
        let mut messages = Messages::default();
        messages.push(&[2, 0, 0, 1, 7, 14, 0, 0, 0]);
        assert_eq!(drain(&mut messages), [(2, vec![7]), (14, vec![])]);
        assert!(messages.is_idle());
    }

    #[test]
    fn a_message_may_span_records() {
        let mut messages = Messages::default();
        for byte in [11, 0, 0, 3, 1, 2] {
            messages.push(&[byte]);
            assert_eq!(drain(&mut messages), []);
        }
        assert!(!messages.is_idle());
        messages.push(&[3, 20, 0, 0, 0]);
        assert_eq!(drain(&mut messages), [(11, vec![1, 2, 3]), (20, vec![])]);
    }

    #[test]
    fn a_message_of_impossible_length_is_skipped_and_not_kept() {
        let mut messages = Messages::default();
        messages.push(&[1, 5, 0, 0, 9, 9]);
        assert_eq!(drain(&mut messages), []);
        assert!(messages.buffer.is_empty());
        messages.push(&vec![9; 0x05_0000 - 2]);
        messages.push(&[14, 0, 0, 0]);
        assert_eq!(drain(&mut messages), [(14, vec![])]);
    }
}
