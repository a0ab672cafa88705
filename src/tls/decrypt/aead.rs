//! Authenticated decryption: one interface for the AEAD algorithms.

use std::rc::Rc;

use aes::{Aes128, Aes256};
use aes_gcm::aead::array::typenum::Unsigned;
use aes_gcm::aead::consts::{U8, U12, U16};
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ccm::Ccm;
use chacha20poly1305::ChaCha20Poly1305;

use super::suite::{Aead, AesKey};

/// An AEAD algorithm with its key.
pub(super) trait Unseal {
    /// Decrypts `sealed`, which ends with the tag, to `plain`; false where key, nonce or additional data are not
    /// those that it was sealed with, and then `plain` holds nothing of use.
    fn unseal(&self, nonce: &[u8; NONCE_LEN], additional: &[u8], sealed: &[u8], plain: &mut Vec<u8>) -> bool;

    /// Bytes of the tag.
    fn tag_len(&self) -> usize;
}

/// The algorithm with its key; none where the key has the wrong length.
pub(super) fn with_key(aead: Aead, key: &[u8]) -> Option<Rc<dyn Unseal>> {
    match aead {
        Aead::Gcm(AesKey::Aes128) => boxed::<Aes128Gcm>(key),
        Aead::Gcm(AesKey::Aes256) => boxed::<Aes256Gcm>(key),
        Aead::Ccm(AesKey::Aes128) => boxed::<Ccm<Aes128, U16, U12>>(key),
        Aead::Ccm(AesKey::Aes256) => boxed::<Ccm<Aes256, U16, U12>>(key),
        Aead::Ccm8(AesKey::Aes128) => boxed::<Ccm<Aes128, U8, U12>>(key),
        Aead::Ccm8(AesKey::Aes256) => boxed::<Ccm<Aes256, U8, U12>>(key),
        Aead::ChaCha20Poly1305 => boxed::<ChaCha20Poly1305>(key),
    }
}

/// Bytes of a nonce.
pub(super) const NONCE_LEN: usize = 12;

fn boxed<A: KeyInit + Unseal + 'static>(key: &[u8]) -> Option<Rc<dyn Unseal>> {
    Some(Rc::new(A::new_from_slice(key).ok()?))
}

impl<A: AeadInOut + AeadCore<NonceSize = U12>> Unseal for A {
    fn unseal(&self, nonce: &[u8; NONCE_LEN], additional: &[u8], sealed: &[u8], plain: &mut Vec<u8>) -> bool {
        let Some(len) = sealed.len().checked_sub(A::TagSize::USIZE) else { return false };
        let (ciphertext, tag) = sealed.split_at(len);
        let Ok(tag) = <&Tag<A>>::try_from(tag) else { return false };
        plain.resize(len, 0);
        let Ok(buffer) = InOutBuf::new(ciphertext, plain.as_mut_slice()) else { return false };
        self.decrypt_inout_detached(&Nonce::<A>::from(*nonce), additional, buffer, tag).is_ok()
    }

    fn tag_len(&self) -> usize {
        A::TagSize::USIZE
    }
}
