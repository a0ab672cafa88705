//! Key derivation: the PRF of TLS 1.0 to 1.2 (RFC 5246 section 5) and HKDF-Expand-Label of TLS 1.3 (RFC 8446
//! section 7.1).

use hkdf::Hkdf;
use hmac::digest::typenum::Unsigned;
use hmac::digest::{FixedOutput, KeyInit, OutputSizeUser, Update};
use hmac::{EagerHash, Hmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha256, Sha384};

use super::suite::Hash;

/// The pseudo-random function that a version uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Prf {
    /// TLS 1.0 and 1.1 (RFC 2246 section 5).
    Md5AndSha1,
    /// TLS 1.2.
    Hash(Hash),
}

impl Prf {
    /// Fills `out` with PRF(secret, label, seed).
    pub(super) fn fill(self, secret: &[u8], label: &[u8], seed: &[&[u8]], out: &mut [u8]) {
        let seed = [&[label], seed].concat();
        match self {
            Self::Hash(Hash::Sha256) => xor_p_hash::<Sha256>(secret, &seed, out),
            Self::Hash(Hash::Sha384) => xor_p_hash::<Sha384>(secret, &seed, out),
            Self::Md5AndSha1 => {
                let half = secret.len().div_ceil(2);
                xor_p_hash::<Md5>(secret.get(..half).unwrap_or_default(), &seed, out);
                let second = secret.len().saturating_sub(half);
                xor_p_hash::<Sha1>(secret.get(second..).unwrap_or_default(), &seed, out);
            }
        }
    }
}

/// HKDF-Expand-Label(secret, label, "", out.len()); none where the secret is too short for the hash.
pub(super) fn expand_label(hash: Hash, secret: &[u8], label: &[u8], out: &mut [u8]) -> Option<()> {
    let len = u16::try_from(out.len()).ok()?.to_be_bytes();
    let label_len = [u8::try_from(label.len().checked_add(PREFIX.len())?).ok()?];
    let info = [&len[..], &label_len, PREFIX, label, &[0]].concat();
    match hash {
        Hash::Sha256 => Hkdf::<Sha256>::from_prk(secret).ok()?.expand(&info, out).ok(),
        Hash::Sha384 => Hkdf::<Sha384>::from_prk(secret).ok()?.expand(&info, out).ok(),
    }
}

const PREFIX: &[u8] = b"tls13 ";

/// `out` XOR P_hash(secret, seed), for as many bytes as `out` has.
fn xor_p_hash<H: EagerHash>(secret: &[u8], seed: &[&[u8]], out: &mut [u8])
where
    Hmac<H>: KeyInit + Update + FixedOutput + Clone,
{
    let Ok(keyed) = <Hmac<H> as KeyInit>::new_from_slice(secret) else { return };
    let hash = |parts: &[&[u8]]| {
        let mut state = keyed.clone();
        parts.iter().for_each(|part| Update::update(&mut state, part));
        state.finalize_fixed()
    };
    let mut a = hash(seed);
    for chunk in out.chunks_mut(<Hmac<H> as OutputSizeUser>::OutputSize::USIZE) {
        let block = hash(&[&[&a[..]], seed].concat());
        chunk.iter_mut().zip(block.iter()).for_each(|(byte, mask)| *byte ^= mask);
        a = hash(&[&a]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
    }

    /// The vector that IETF's TLS working group published for P_SHA256.
    #[test]
    fn the_prf_of_tls_1_2_gives_the_published_vector() {
        let secret = bytes("9bbe436ba940f017b17652849a71db35");
        let seed = bytes("a0ba9f936cda311827a6f796ffd5198c");
        let mut out = [0; 100];
        Prf::Hash(Hash::Sha256).fill(&secret, b"test label", &[&seed], &mut out);
        assert_eq!(out[..16], bytes("e3f229ba727be17b8d122620557cd453"));
        assert_eq!(out[96..], bytes("87347b66"));
    }

    /// RFC 8448 section 3: the client's handshake traffic key and IV.
    #[test]
    fn expand_label_gives_the_keys_of_rfc_8448() {
        let secret = bytes("b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21");
        let (mut key, mut iv) = ([0; 16], [0; 12]);
        expand_label(Hash::Sha256, &secret, b"key", &mut key).expect("a key");
        expand_label(Hash::Sha256, &secret, b"iv", &mut iv).expect("an IV");
        assert_eq!(key[..], bytes("dbfaa693d1762c5b666af5d950258d01"));
        assert_eq!(iv[..], bytes("5bd3c71b836e0b76bb73265f"));
    }

    #[test]
    fn a_secret_that_is_too_short_gives_no_key() {
        assert_eq!(expand_label(Hash::Sha384, &[1; 32], b"key", &mut [0; 16]), None);
    }
}
