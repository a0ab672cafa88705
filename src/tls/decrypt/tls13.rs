//! Records of TLS 1.3 (RFC 8446 section 5.2).

use std::rc::Rc;

use super::aead::{NONCE_LEN, Unseal, with_key};
use super::schedule::expand_label;
use super::sequence::Sequence;
use super::suite::{Cipher, Hash, Suite};
use crate::tls::keylog::Secret;
use crate::tls::record::{ContentType, Header};

/// Decrypts the records of one peer: under its handshake key first, then under its application key.
#[derive(Clone)]
pub(in crate::tls) struct Opener {
    suite: Suite,
    /// The key in use first, then those that may follow.
    epochs: Vec<Epoch>,
}

/// Which key a record was under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) enum Stage {
    EarlyData,
    Handshake,
    Application,
}

#[derive(Clone)]
struct Epoch {
    stage: Stage,
    secret: Secret,
    aead: Rc<dyn Unseal>,
    iv: [u8; NONCE_LEN],
    sequence: Sequence,
}

impl Opener {
    /// With the secrets in the order in which they are used; none where there are none that fit the suite.
    pub(super) fn new(suite: Suite, secrets: &[(Stage, Secret)]) -> Option<Self> {
        let epochs: Option<Vec<Epoch>> =
            secrets.iter().map(|&(stage, secret)| Epoch::new(suite, stage, secret)).collect();
        Some(Self { suite, epochs: epochs.filter(|epochs| !epochs.is_empty())? })
    }

    /// Decrypts one record to `plain`; says what it holds.
    pub(super) fn open(&mut self, header: Header, sealed: &[u8], plain: &mut Vec<u8>) -> Option<ContentType> {
        let used = self.epochs.iter_mut().position(|epoch| epoch.open(header, sealed, plain))?;
        self.epochs.drain(..used);
        // The type is the last byte that is not 0; zeros behind it are padding.
        let content_type = plain.iter().rposition(|&byte| byte != 0)?;
        let kind = plain.get(content_type).copied().and_then(ContentType::of);
        plain.truncate(content_type);
        kind
    }

    pub(super) fn stage(&self) -> Option<Stage> {
        self.epochs.first().map(|epoch| epoch.stage)
    }

    /// The sender's KeyUpdate was the last record under its key (RFC 8446 section 7.2).
    pub(super) fn update_key(&mut self) {
        let suite = self.suite;
        let Some(epoch) = self.epochs.first_mut() else { return };
        if let Some(next) = epoch.next_secret(suite.hash).and_then(|next| Epoch::new(suite, epoch.stage, next)) {
            *epoch = next;
        }
    }

    pub(super) fn skip(&mut self) {
        if let Some(epoch) = self.epochs.first_mut() {
            epoch.sequence.skip();
        }
    }

    pub(super) fn jumped(&self) -> u64 {
        self.epochs.first().map_or(0, |epoch| epoch.sequence.jumped())
    }

    pub(super) fn lose(&mut self, bytes: u64) {
        self.epochs.iter_mut().for_each(|epoch| epoch.sequence.lose(bytes));
    }
}

impl Epoch {
    fn new(suite: Suite, stage: Stage, secret: Secret) -> Option<Self> {
        let Cipher::Aead(aead) = suite.cipher else { return None };
        let mut key = [0; MAX_KEY];
        let key = key.get_mut(..aead.key_len())?;
        let mut iv = [0; NONCE_LEN];
        expand_label(suite.hash, secret.bytes(), b"key", key)?;
        expand_label(suite.hash, secret.bytes(), b"iv", &mut iv)?;
        Some(Self { stage, secret, aead: with_key(aead, key)?, iv, sequence: Sequence::default() })
    }

    fn open(&mut self, header: Header, sealed: &[u8], plain: &mut Vec<u8>) -> bool {
        let additional = header.bytes();
        let mut candidates = self.sequence.candidates();
        let fits = candidates.find(|&number| self.aead.unseal(&nonce(self.iv, number), &additional, sealed, plain));
        fits.map(|number| self.sequence.read(number)).is_some()
    }

    fn next_secret(&self, hash: Hash) -> Option<Secret> {
        let mut next = [0; MAX_HASH];
        let next = next.get_mut(..hash.len())?;
        expand_label(hash, self.secret.bytes(), b"traffic upd", next)?;
        Secret::new(next)
    }
}

/// The IV with the record's number mixed into its end (RFC 8446 section 5.3).
pub(super) fn nonce(mut iv: [u8; NONCE_LEN], number: u64) -> [u8; NONCE_LEN] {
    let mix = number.to_be_bytes();
    iv.iter_mut().rev().zip(mix.iter().rev()).for_each(|(byte, mask)| *byte ^= mask);
    iv
}

const MAX_KEY: usize = 32;
const MAX_HASH: usize = 48;
