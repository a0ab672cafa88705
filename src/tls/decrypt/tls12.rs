//! Records of TLS 1.0 to 1.2 (RFC 5246 section 6.2.3).

use std::ops::RangeInclusive;
use std::rc::Rc;

use super::aead::{NONCE_LEN, Unseal, with_key};
use super::cbc::{Cbc, MacOrder};
use super::schedule::Prf;
use super::sequence::Sequence;
use super::suite::{Aead, Cipher, Suite};
use super::tls13::nonce;
use crate::timeline::{Peer, TlsVersion};
use crate::tls::record::{ContentType, Header};

/// Decrypts the records of one peer.
#[derive(Clone)]
pub(in crate::tls) struct Opener {
    protection: Protection,
    sequence: Sequence,
}

#[derive(Clone)]
enum Protection {
    /// The nonce is the salt, and eight bytes that stand in the record (RFC 5288 section 3).
    ExplicitNonce {
        aead: Rc<dyn Unseal>,
        salt: [u8; SALT_LEN],
    },
    /// The nonce is the IV mixed with the record's number (RFC 7905 section 2).
    ImplicitNonce {
        aead: Rc<dyn Unseal>,
        iv: [u8; NONCE_LEN],
    },
    Cbc(Box<Cbc>),
}

/// What both peers agreed on.
pub(in crate::tls) struct Agreed<'a> {
    pub(in crate::tls) version: TlsVersion,
    pub(in crate::tls) client_random: &'a [u8; 32],
    pub(in crate::tls) server_random: &'a [u8; 32],
    pub(in crate::tls) mac_order: MacOrder,
}

impl Opener {
    /// For the records of `from`; none where the secret does not fit the suite.
    pub(super) fn new(suite: Suite, agreed: &Agreed<'_>, master_secret: &[u8], from: Peer) -> Option<Self> {
        let mut block = [0; MAX_KEY_BLOCK];
        let seed: [&[u8]; 2] = [agreed.server_random, agreed.client_random];
        prf(suite, agreed.version)?.fill(master_secret, b"key expansion", &seed, &mut block);
        let keys = KeyBlock { rest: &block, from };
        Some(Self { protection: Protection::new(suite, agreed, keys)?, sequence: Sequence::default() })
    }

    /// Decrypts one record to `plain`; its type stands in the header.
    pub(super) fn open(&mut self, header: Header, sealed: &[u8], plain: &mut Vec<u8>) -> Option<ContentType> {
        let numbers = self.sequence.candidates();
        let number = match &mut self.protection {
            Protection::Cbc(cbc) => cbc.open(header, sealed, numbers, plain)?,
            Protection::ExplicitNonce { aead, salt } => {
                let (explicit, sealed) = sealed.split_first_chunk::<EXPLICIT_LEN>()?;
                let nonce = explicit_nonce(*salt, *explicit);
                unseal(aead.as_ref(), header, sealed, numbers, |_| nonce, plain)?
            }
            Protection::ImplicitNonce { aead, iv } => {
                unseal(aead.as_ref(), header, sealed, numbers, |number| nonce(*iv, number), plain)?
            }
        };
        self.sequence.read(number);
        Some(header.kind)
    }

    pub(super) fn skip(&mut self) {
        self.sequence.skip();
    }

    pub(super) fn jumped(&self) -> u64 {
        self.sequence.jumped()
    }

    pub(super) fn lose(&mut self, bytes: u64) {
        self.sequence.lose(bytes);
    }
}

impl Protection {
    fn new(suite: Suite, agreed: &Agreed<'_>, mut keys: KeyBlock<'_>) -> Option<Self> {
        Some(match suite.cipher {
            Cipher::Aead(aead @ Aead::ChaCha20Poly1305) => {
                let aead = with_key(aead, keys.own(aead.key_len())?)?;
                Self::ImplicitNonce { aead, iv: keys.own(NONCE_LEN)?.try_into().ok()? }
            }
            Cipher::Aead(aead) => {
                let aead = with_key(aead, keys.own(aead.key_len())?)?;
                Self::ExplicitNonce { aead, salt: keys.own(SALT_LEN)?.try_into().ok()? }
            }
            Cipher::Cbc { key, mac } => {
                let mac_key = keys.own(mac.len())?;
                let aes_key = keys.own(key.len())?;
                let chained = (agreed.version <= TlsVersion::TLS_1_0).then(|| keys.own(IV_LEN)).flatten();
                Self::Cbc(Box::new(Cbc::new((key, aes_key), (mac, mac_key), agreed.mac_order, chained)?))
            }
        })
    }
}

/// The key block (RFC 5246 section 6.3): for each kind of key the edge's, then the origin's.
struct KeyBlock<'a> {
    rest: &'a [u8],
    from: Peer,
}

impl<'a> KeyBlock<'a> {
    /// The peer's own key of the next kind.
    fn own(&mut self, len: usize) -> Option<&'a [u8]> {
        let (edge, rest) = self.rest.split_at_checked(len)?;
        let (origin, rest) = rest.split_at_checked(len)?;
        self.rest = rest;
        Some(match self.from {
            Peer::Edge => edge,
            Peer::Origin => origin,
        })
    }
}

fn prf(suite: Suite, version: TlsVersion) -> Option<Prf> {
    match version {
        TlsVersion::TLS_1_2 => Some(Prf::Hash(suite.hash)),
        TlsVersion::TLS_1_0 | TlsVersion::TLS_1_1 => Some(Prf::Md5AndSha1),
        _ => None,
    }
}

fn explicit_nonce(salt: [u8; SALT_LEN], explicit: [u8; EXPLICIT_LEN]) -> [u8; NONCE_LEN] {
    let [a, b, c, d] = salt;
    let [e, f, g, h, i, j, k, l] = explicit;
    [a, b, c, d, e, f, g, h, i, j, k, l]
}

/// What AEAD and MAC cover beside the contents (RFC 5246 section 6.2.3.1).
pub(super) fn pseudo_header(number: u64, header: Header, content_len: usize) -> [u8; 13] {
    let mut bytes = [0; 13];
    let [kind, major, minor, ..] = header.bytes();
    let [.., high, low] = content_len.to_be_bytes();
    let fields = [&number.to_be_bytes()[..], &[kind, major, minor, high, low]];
    bytes.iter_mut().zip(fields.into_iter().flatten()).for_each(|(place, &byte)| *place = byte);
    bytes
}

/// Decrypts a record of an AEAD cipher that has one of the `numbers`; says which.
fn unseal(
    aead: &dyn Unseal,
    header: Header,
    sealed: &[u8],
    mut numbers: RangeInclusive<u64>,
    nonce: impl Fn(u64) -> [u8; NONCE_LEN],
    plain: &mut Vec<u8>,
) -> Option<u64> {
    let content_len = sealed.len().checked_sub(aead.tag_len())?;
    numbers.find(|&number| aead.unseal(&nonce(number), &pseudo_header(number, header, content_len), sealed, plain))
}

const SALT_LEN: usize = 4;
const EXPLICIT_LEN: usize = 8;
const IV_LEN: usize = 16;
/// Two keys for MACs, two for encryption and two IVs, each as long as any suite has them.
const MAX_KEY_BLOCK: usize = 2 * (48 + 32 + 16);
