//! Cipher suites: which algorithms a number stands for, by the registry that `tls-parser` carries.

use tls_parser::{TlsCipherEnc, TlsCipherEncMode, TlsCipherMac, TlsCipherSuite, TlsPRF};

/// The algorithms of a cipher suite whose records can be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) struct Suite {
    pub(super) cipher: Cipher,
    /// Of the key schedule, and of the Finished messages.
    pub(super) hash: Hash,
}

/// How records are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cipher {
    Aead(Aead),
    Cbc { key: AesKey, mac: MacHash },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Aead {
    Gcm(AesKey),
    Ccm(AesKey),
    /// With a tag of 8 bytes.
    Ccm8(AesKey),
    ChaCha20Poly1305,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AesKey {
    Aes128,
    Aes256,
}

/// The hash of the key schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hash {
    Sha256,
    Sha384,
}

/// The hash of a record's MAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MacHash {
    Sha1,
    Sha256,
    Sha384,
}

impl Suite {
    /// The suite with this IANA number; none where it is not known or its cipher is not supported.
    pub(in crate::tls) fn of(number: u16) -> Option<Self> {
        let entry = TlsCipherSuite::from_id(number)?;
        let hash = match entry.prf {
            TlsPRF::Sha384 => Hash::Sha384,
            TlsPRF::Sha256 | TlsPRF::Default => Hash::Sha256,
            _ => return None,
        };
        Some(Self { cipher: Cipher::of(entry)?, hash })
    }

    /// Bytes that the protection adds to the contents of a record in `version`; with CBC the least.
    pub(in crate::tls) fn overhead(&self, tls13: Tls13) -> u32 {
        let explicit_nonce = match self.cipher {
            Cipher::Aead(Aead::ChaCha20Poly1305) => 0,
            Cipher::Aead(_) => EXPLICIT_NONCE,
            Cipher::Cbc { mac, .. } => {
                return CBC_IV.saturating_add(mac.len() as u32).saturating_add(CBC_LEAST_PADDING);
            }
        };
        let tag = self.aead().map_or(0, |aead| aead.tag_len());
        match tls13 {
            Tls13::Yes => tag.saturating_add(INNER_TYPE),
            Tls13::No => tag.saturating_add(explicit_nonce),
        }
    }

    /// Bytes of `verify_data` in a Finished message of TLS 1.3 (RFC 8446 section 4.4.4).
    pub(in crate::tls) fn verify_data_len(&self) -> u32 {
        self.hash.len() as u32
    }

    fn aead(&self) -> Option<Aead> {
        match self.cipher {
            Cipher::Aead(aead) => Some(aead),
            Cipher::Cbc { .. } => None,
        }
    }
}

/// Which of the two record protections is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) enum Tls13 {
    Yes,
    No,
}

impl Cipher {
    fn of(entry: &TlsCipherSuite) -> Option<Self> {
        let key = match (entry.enc, entry.enc_size) {
            (TlsCipherEnc::Chacha20_Poly1305, _) => return Some(Self::Aead(Aead::ChaCha20Poly1305)),
            (TlsCipherEnc::Aes, 128) => AesKey::Aes128,
            (TlsCipherEnc::Aes, 256) => AesKey::Aes256,
            _ => return None,
        };
        let mac = match entry.mac {
            TlsCipherMac::HmacSha1 => Some(MacHash::Sha1),
            TlsCipherMac::HmacSha256 => Some(MacHash::Sha256),
            TlsCipherMac::HmacSha384 => Some(MacHash::Sha384),
            _ => None,
        };
        Some(match entry.enc_mode {
            TlsCipherEncMode::Gcm => Self::Aead(Aead::Gcm(key)),
            TlsCipherEncMode::Ccm if entry.name.contains("_CCM_8") => Self::Aead(Aead::Ccm8(key)),
            TlsCipherEncMode::Ccm => Self::Aead(Aead::Ccm(key)),
            TlsCipherEncMode::Cbc => Self::Cbc { key, mac: mac? },
            TlsCipherEncMode::Null => return None,
        })
    }
}

impl Aead {
    pub(super) fn key_len(self) -> usize {
        match self {
            Self::Gcm(key) | Self::Ccm(key) | Self::Ccm8(key) => key.len(),
            Self::ChaCha20Poly1305 => 32,
        }
    }

    fn tag_len(self) -> u32 {
        if matches!(self, Self::Ccm8(_)) { 8 } else { 16 }
    }
}

impl AesKey {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes256 => 32,
        }
    }
}

impl Hash {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

impl MacHash {
    pub(super) fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
        }
    }
}

/// The part of the nonce that stands in a record of TLS 1.2 (RFC 5288 section 3).
const EXPLICIT_NONCE: u32 = 8;
/// The type that is encrypted with the contents in TLS 1.3 (RFC 8446 section 5.2).
const INNER_TYPE: u32 = 1;
const CBC_IV: u32 = 16;
const CBC_LEAST_PADDING: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_for_their_algorithms() {
        let cases = [
            (0x1301, Cipher::Aead(Aead::Gcm(AesKey::Aes128)), Hash::Sha256),
            (0x1302, Cipher::Aead(Aead::Gcm(AesKey::Aes256)), Hash::Sha384),
            (0x1303, Cipher::Aead(Aead::ChaCha20Poly1305), Hash::Sha256),
            (0x1304, Cipher::Aead(Aead::Ccm(AesKey::Aes128)), Hash::Sha256),
            (0x1305, Cipher::Aead(Aead::Ccm8(AesKey::Aes128)), Hash::Sha256),
            (0xc030, Cipher::Aead(Aead::Gcm(AesKey::Aes256)), Hash::Sha384),
            (0xcca8, Cipher::Aead(Aead::ChaCha20Poly1305), Hash::Sha256),
            (0xc0af, Cipher::Aead(Aead::Ccm8(AesKey::Aes256)), Hash::Sha256),
            (0x002f, Cipher::Cbc { key: AesKey::Aes128, mac: MacHash::Sha1 }, Hash::Sha256),
            (0xc028, Cipher::Cbc { key: AesKey::Aes256, mac: MacHash::Sha384 }, Hash::Sha384),
            (0x003c, Cipher::Cbc { key: AesKey::Aes128, mac: MacHash::Sha256 }, Hash::Sha256),
        ];
        for (number, cipher, hash) in cases {
            assert_eq!(Suite::of(number), Some(Suite { cipher, hash }), "{number:#06x}");
        }
        assert_eq!(Suite::of(0x0005), None, "RC4");
        assert_eq!(Suite::of(0x000a), None, "3DES");
        assert_eq!(Suite::of(0x1a1a), None, "GREASE");
    }

    #[test]
    fn an_alert_has_its_known_sizes() {
        let len = |number, tls13| Suite::of(number).map(|suite| 2 + suite.overhead(tls13));
        assert_eq!(len(0x1301, Tls13::Yes), Some(19));
        assert_eq!(len(0x1305, Tls13::Yes), Some(11));
        assert_eq!(len(0xc02f, Tls13::No), Some(26));
        assert_eq!(len(0xcca8, Tls13::No), Some(18));
    }
}
