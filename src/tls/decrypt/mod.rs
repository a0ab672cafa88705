//! Decryption of records with the secrets of a key log. All cryptography is that of the RustCrypto crates.

mod aead;
mod cbc;
mod schedule;
mod sequence;
mod suite;
mod tls12;
mod tls13;

pub(super) use suite::{Suite, Tls13};
pub(super) use tls13::Stage;

use self::cbc::MacOrder;
use self::tls12::Agreed;
use super::hello::Choice;
use super::keylog::{KeyLog, Label};
use super::record::{ContentType, Header};
use crate::timeline::{Peer, TlsVersion};

/// Decrypts the records of one peer.
#[derive(Clone)]
pub(super) enum Opener {
    Tls12(tls12::Opener),
    Tls13(tls13::Opener),
}

impl Opener {
    /// For the encrypted records of `from`; none where the key log has no secrets, or the suite is not supported.
    pub(super) fn new(keys: &KeyLog, client_random: &[u8; 32], choice: &Choice, from: Peer) -> Option<Self> {
        match choice.version {
            TlsVersion::TLS_1_3 => Self::tls13(keys, client_random, choice, from),
            _ => Self::tls12(keys, client_random, choice, from),
        }
    }

    /// TLS 1.2 and below: for the records behind ChangeCipherSpec.
    fn tls12(keys: &KeyLog, client_random: &[u8; 32], choice: &Choice, from: Peer) -> Option<Self> {
        let suite = Suite::of(choice.cipher)?;
        let secret = keys.secret(Label::ClientRandom, client_random)?;
        let mac_order = if choice.encrypt_then_mac { MacOrder::EncryptThenMac } else { MacOrder::MacThenEncrypt };
        let agreed = Agreed { version: choice.version, client_random, server_random: &choice.random, mac_order };
        tls12::Opener::new(suite, &agreed, secret.bytes(), from).map(Self::Tls12)
    }

    /// TLS 1.3. Application data is decrypted only where the secrets of both peers are known: half of a
    /// conversation would tell lies.
    fn tls13(keys: &KeyLog, client_random: &[u8; 32], choice: &Choice, from: Peer) -> Option<Self> {
        let suite = Suite::of(choice.cipher)?;
        let secret = |label| keys.secret(label, client_random);
        let both = secret(Label::ClientTraffic0).zip(secret(Label::ServerTraffic0));
        let (early, handshake, application) = match from {
            Peer::Edge => {
                (secret(Label::ClientEarlyTraffic), secret(Label::ClientHandshakeTraffic), both.map(|both| both.0))
            }
            Peer::Origin => (None, secret(Label::ServerHandshakeTraffic), both.map(|both| both.1)),
        };
        let stages = [(Stage::EarlyData, early), (Stage::Handshake, handshake), (Stage::Application, application)];
        let secrets: Vec<_> = stages.into_iter().filter_map(|(stage, secret)| Some((stage, secret?))).collect();
        tls13::Opener::new(suite, &secrets).map(Self::Tls13)
    }

    /// Decrypts one record to `plain`; says what it holds. None where no key fits.
    pub(super) fn open(&mut self, header: Header, sealed: &[u8], plain: &mut Vec<u8>) -> Option<ContentType> {
        match self {
            Self::Tls12(opener) => opener.open(header, sealed, plain),
            Self::Tls13(opener) => opener.open(header, sealed, plain),
        }
    }

    /// True where the record that was decrypted last was early data.
    pub(super) fn is_early(&self) -> bool {
        matches!(self, Self::Tls13(opener) if opener.stage() == Some(Stage::EarlyData))
    }

    /// The sender goes on under its next key.
    pub(super) fn update_key(&mut self) {
        if let Self::Tls13(opener) = self {
            opener.update_key();
        }
    }

    /// One record could not be read.
    pub(super) fn skip(&mut self) {
        match self {
            Self::Tls12(opener) => opener.skip(),
            Self::Tls13(opener) => opener.skip(),
        }
    }

    /// How many records are missing before the one that was decrypted last.
    pub(super) fn jumped(&self) -> u64 {
        match self {
            Self::Tls12(opener) => opener.jumped(),
            Self::Tls13(opener) => opener.jumped(),
        }
    }

    /// `bytes` of the stream are missing.
    pub(super) fn lose(&mut self, bytes: u64) {
        match self {
            Self::Tls12(opener) => opener.lose(bytes),
            Self::Tls13(opener) => opener.lose(bytes),
        }
    }
}

/// Keys stay out of messages and logs.
impl std::fmt::Debug for Opener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Tls12(_) => "Opener::Tls12",
            Self::Tls13(_) => "Opener::Tls13",
        })
    }
}
