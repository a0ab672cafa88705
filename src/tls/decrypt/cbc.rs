//! AES-CBC with a MAC (RFC 5246 section 6.2.3.2), before or behind the encryption (RFC 7366).

use std::ops::RangeInclusive;

use aes::cipher::array::Array;
use aes::cipher::{BlockModeDecrypt, InnerIvInit, KeyInit};
use aes::{Aes128, Aes256};
use cbc::Decryptor;
use hmac::Hmac;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::suite::{AesKey, MacHash};
use super::tls12::pseudo_header;
use crate::tls::record::Header;

/// A block cipher in CBC mode and a MAC, with their keys.
#[derive(Clone)]
pub(super) struct Cbc {
    cipher: BlockCipher,
    mac: Mac,
    order: MacOrder,
    /// TLS 1.0: the last block of the record before is the IV of the next.
    chained: Option<[u8; BLOCK_LEN]>,
}

/// What the MAC covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tls) enum MacOrder {
    MacThenEncrypt,
    EncryptThenMac,
}

#[derive(Clone)]
enum BlockCipher {
    Aes128(Aes128),
    Aes256(Aes256),
}

#[derive(Clone)]
enum Mac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
}

impl Cbc {
    /// None where a key has the wrong length.
    pub(super) fn new(
        cipher: (AesKey, &[u8]),
        mac: (MacHash, &[u8]),
        order: MacOrder,
        first_iv: Option<&[u8]>,
    ) -> Option<Self> {
        let cipher = match cipher {
            (AesKey::Aes128, key) => BlockCipher::Aes128(Aes128::new_from_slice(key).ok()?),
            (AesKey::Aes256, key) => BlockCipher::Aes256(Aes256::new_from_slice(key).ok()?),
        };
        let mac = match mac {
            (MacHash::Sha1, key) => Mac::Sha1(Hmac::new_from_slice(key).ok()?),
            (MacHash::Sha256, key) => Mac::Sha256(Hmac::new_from_slice(key).ok()?),
            (MacHash::Sha384, key) => Mac::Sha384(Hmac::new_from_slice(key).ok()?),
        };
        let chained = first_iv.map(<[u8; BLOCK_LEN]>::try_from).transpose().ok()?;
        Some(Self { cipher, mac, order, chained })
    }

    /// Decrypts a record that has one of the `numbers` to `plain`; says which.
    pub(super) fn open(
        &mut self,
        header: Header,
        sealed: &[u8],
        numbers: RangeInclusive<u64>,
        plain: &mut Vec<u8>,
    ) -> Option<u64> {
        match self.order {
            MacOrder::EncryptThenMac => {
                let (encrypted, tag) = sealed.split_at_checked(sealed.len().checked_sub(self.mac.len())?)?;
                let number = self.mac.find(header, encrypted, tag, numbers);
                self.decrypt(encrypted, plain)?;
                number
            }
            MacOrder::MacThenEncrypt => {
                self.decrypt(sealed, plain)?;
                let content = plain.len().checked_sub(self.mac.len())?;
                let (content, tag) = plain.split_at_checked(content)?;
                let number = self.mac.find(header, content, tag, numbers)?;
                plain.truncate(content.len());
                Some(number)
            }
        }
    }

    /// Decrypts IV and blocks, and takes the padding off.
    fn decrypt(&mut self, encrypted: &[u8], plain: &mut Vec<u8>) -> Option<()> {
        let (iv, blocks) = match self.chained {
            Some(iv) => (iv, encrypted),
            None => encrypted.split_first_chunk().map(|(iv, blocks)| (*iv, blocks))?,
        };
        if let (Some(_), Some(last)) = (self.chained, blocks.last_chunk()) {
            self.chained = Some(*last);
        }
        plain.clear();
        plain.extend_from_slice(blocks);
        self.cipher.decrypt(iv, plain)?;
        let padding = usize::from(*plain.last()?).checked_add(1)?;
        plain.truncate(plain.len().checked_sub(padding)?);
        Some(())
    }
}

impl BlockCipher {
    fn decrypt(&self, iv: [u8; BLOCK_LEN], bytes: &mut [u8]) -> Option<()> {
        let (blocks, []) = Array::slice_as_chunks_mut(bytes) else { return None };
        let iv = Array::from(iv);
        match self {
            Self::Aes128(cipher) => Decryptor::inner_iv_init(cipher.clone(), &iv).decrypt_blocks(blocks),
            Self::Aes256(cipher) => Decryptor::inner_iv_init(cipher.clone(), &iv).decrypt_blocks(blocks),
        }
        Some(())
    }
}

impl Mac {
    fn len(&self) -> usize {
        match self {
            Self::Sha1(_) => MacHash::Sha1.len(),
            Self::Sha256(_) => MacHash::Sha256.len(),
            Self::Sha384(_) => MacHash::Sha384.len(),
        }
    }

    /// The number under which `tag` is the MAC of `content`.
    fn find(&self, header: Header, content: &[u8], tag: &[u8], mut numbers: RangeInclusive<u64>) -> Option<u64> {
        numbers.find(|&number| {
            let pseudo = pseudo_header(number, header, content.len());
            match self {
                Self::Sha1(mac) => verify(mac, &pseudo, content, tag),
                Self::Sha256(mac) => verify(mac, &pseudo, content, tag),
                Self::Sha384(mac) => verify(mac, &pseudo, content, tag),
            }
        })
    }
}

fn verify<M: hmac::Mac + Clone>(mac: &M, pseudo_header: &[u8], content: &[u8], tag: &[u8]) -> bool {
    mac.clone().chain_update(pseudo_header).chain_update(content).verify_slice(tag).is_ok()
}

const BLOCK_LEN: usize = 16;
