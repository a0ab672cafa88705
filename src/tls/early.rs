//! Early data (RFC 8446 section 4.2.10): sent with the ClientHello, before it is known whether the origin takes it.

use super::handshake::Handshake;
use super::keylog::{KeyLog, Label};
use super::record::{Body, Record};

/// The edge's early data, held until the origin's EncryptedExtensions say what becomes of it.
#[derive(Clone, Debug, Default)]
pub(super) struct EarlyData {
    held: Vec<(Record, Vec<u8>)>,
    bytes: usize,
    taken: bool,
}

impl EarlyData {
    /// True where the edge's encrypted record waits for the origin's decision.
    pub(super) fn holds(&mut self, keys: &KeyLog, handshake: &Handshake, record: &Record, body: &[u8]) -> bool {
        let undecided = handshake.version().is_none() && record.body == Body::Kept;
        let bytes = self.bytes.saturating_add(body.len());
        let offer = handshake.offer.as_ref().filter(|offer| undecided && offer.early_data && bytes <= MAX_HELD);
        let known = offer.is_some_and(|offer| keys.secret(Label::ClientEarlyTraffic, &offer.hello.random).is_some());
        if known {
            self.bytes = bytes;
            self.held.push((*record, body.to_vec()));
        }
        known
    }

    /// The origin takes it.
    pub(super) fn take(&mut self) {
        self.taken = true;
    }

    pub(super) fn is_taken(&self) -> bool {
        self.taken
    }

    /// The records that can be decrypted now.
    pub(super) fn release(&mut self) -> Vec<(Record, Vec<u8>)> {
        if self.taken { std::mem::take(&mut self.held) } else { Vec::new() }
    }
}

/// Most bytes of early data that are held; what is usual is 16 KiB.
const MAX_HELD: usize = 64 * 1_024;
