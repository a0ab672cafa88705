//! What decryption costs: a TLS 1.3 response through [`Session`], in segments as TCP hands them on, and beside it the
//! same records through the crypto library alone: `cargo bench --bench decryption`.

use std::net::{IpAddr, Ipv4Addr};

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadCore, AeadInOut, KeyInit, Nonce, Tag};
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use chacha20poly1305::ChaCha20Poly1305;
use divan::Bencher;
use divan::counter::BytesCount;
use hkdf::Hkdf;
use pcap520::tcp::Application;
use pcap520::timeline::{Endpoint, Mark, PacketRef, Peer, Time, Timeline};
use pcap520::tls::{KeyLog, Session, TrustAnchors};
use sha2::{Sha256, Sha384};

fn main() {
    divan::main();
}

#[divan::bench(args = [Suite::Aes128Gcm, Suite::Aes256Gcm, Suite::ChaCha20Poly1305])]
fn through_the_session(bencher: Bencher<'_, '_>, suite: Suite) {
    let records = suite.records();
    let bytes = records.concat();
    bencher.counter(BytesCount::new(bytes.len())).with_inputs(|| suite.session()).bench_local_values(
        |(mut session, mut line)| {
            let mut plain = Counted(0);
            let mut at = mark(SERVER_HELLO_PACKET);
            for segment in bytes.chunks(SEGMENT) {
                session.data(&mut line, Peer::Origin, segment, at, &mut plain);
                at.packet.number += 1;
                at.offset += segment.len() as u64;
            }
            assert_eq!(plain.0, RECORDS * RECORD, "everything is decrypted");
        },
    );
}

#[divan::bench(args = [Suite::Aes128Gcm, Suite::Aes256Gcm, Suite::ChaCha20Poly1305])]
fn the_library_alone(bencher: Bencher<'_, '_>, suite: Suite) {
    let records = suite.records();
    bencher.counter(BytesCount::new(records.concat().len())).bench_local(|| match suite {
        Suite::Aes128Gcm => open_all(&Aes128Gcm::new_from_slice(&suite.key()).unwrap(), suite, &records),
        Suite::Aes256Gcm => open_all(&Aes256Gcm::new_from_slice(&suite.key()).unwrap(), suite, &records),
        Suite::ChaCha20Poly1305 => open_all(&ChaCha20Poly1305::new_from_slice(&suite.key()).unwrap(), suite, &records),
    });
}

/// The suites of TLS 1.3 (RFC 8446 appendix B.4).
#[derive(Clone, Copy, Debug)]
enum Suite {
    Aes128Gcm = 0x1301,
    Aes256Gcm = 0x1302,
    ChaCha20Poly1305 = 0x1303,
}

impl std::fmt::Display for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self:?}")
    }
}

impl Suite {
    /// The response of the origin, sealed under its application traffic secret.
    fn records(self) -> Vec<Vec<u8>> {
        match self {
            Self::Aes128Gcm => seal_all(&Aes128Gcm::new_from_slice(&self.key()).unwrap(), self),
            Self::Aes256Gcm => seal_all(&Aes256Gcm::new_from_slice(&self.key()).unwrap(), self),
            Self::ChaCha20Poly1305 => seal_all(&ChaCha20Poly1305::new_from_slice(&self.key()).unwrap(), self),
        }
    }

    fn secret(self) -> Vec<u8> {
        vec![7; if matches!(self, Self::Aes256Gcm) { 48 } else { 32 }]
    }

    fn key(self) -> Vec<u8> {
        self.expand("key", if matches!(self, Self::Aes128Gcm) { 16 } else { 32 })
    }

    /// HKDF-Expand-Label (RFC 8446 section 7.1).
    fn expand(self, label: &str, len: u8) -> Vec<u8> {
        let label = format!("tls13 {label}");
        let info = [&[0, len, label.len() as u8], label.as_bytes(), &[0]].concat();
        let mut out = vec![0; usize::from(len)];
        match self {
            Self::Aes256Gcm => Hkdf::<Sha384>::from_prk(&self.secret()).unwrap().expand(&info, &mut out).unwrap(),
            _ => Hkdf::<Sha256>::from_prk(&self.secret()).unwrap().expand(&info, &mut out).unwrap(),
        }
        out
    }

    /// RFC 8446 section 5.3.
    fn nonce<A: AeadCore>(self, number: usize) -> Nonce<A> {
        let mut nonce = self.expand("iv", 12);
        nonce.iter_mut().rev().zip(number.to_le_bytes()).for_each(|(byte, mask)| *byte ^= mask);
        Nonce::<A>::try_from(nonce.as_slice()).unwrap()
    }

    /// A session that has seen both hellos and has the keys.
    fn session(self) -> (Session, Timeline) {
        let keys = KeyLog::new();
        let secret: String = self.secret().iter().map(|byte| format!("{byte:02x}")).collect();
        for label in ["CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"] {
            keys.add(format!("{label} {} {secret}\n", "05".repeat(32)).as_bytes());
        }
        let end = |port| Endpoint { address: IpAddr::V4(Ipv4Addr::LOCALHOST), port };
        let mut line = Timeline::new(0, end(40_000), end(443), mark(1).packet);
        let mut session = Session::new(keys, TrustAnchors::bundled());
        let suite = (self as u16).to_be_bytes();
        let versions = [0, 43, 0, 3, 2, 3, 4];
        let hello = [&[3, 3][..], &[5; 32], &[0, 0, 2], &suite, &[1, 0, 0, 7], &versions].concat();
        session.data(&mut line, Peer::Edge, &handshake(1, &hello), mark(1), &mut Counted(0));
        let version = [0, 43, 0, 2, 3, 4];
        let hello = [&[3, 3][..], &[6; 32], &[0], &suite, &[0, 0, 6], &version].concat();
        session.data(&mut line, Peer::Origin, &handshake(2, &hello), mark(2), &mut Counted(0));
        (session, line)
    }
}

fn seal_all<A: AeadInOut>(aead: &A, suite: Suite) -> Vec<Vec<u8>> {
    let seal = |number| {
        let mut contents = [&[b'x'; RECORD][..], &[23]].concat();
        let buffer = InOutBuf::from(contents.as_mut_slice());
        let tag = aead.encrypt_inout_detached(&suite.nonce::<A>(number), &HEADER, buffer).unwrap();
        [&HEADER[..], &contents, &tag].concat()
    };
    (0..RECORDS).map(seal).collect()
}

fn open_all<A: AeadInOut>(aead: &A, suite: Suite, records: &[Vec<u8>]) -> usize {
    let iv = suite.nonce::<A>(0);
    let mut plain = vec![0; RECORD + 1];
    for (number, record) in records.iter().enumerate() {
        let mut nonce = iv.clone();
        nonce.iter_mut().rev().zip(number.to_le_bytes()).for_each(|(byte, mask)| *byte ^= mask);
        let (sealed, tag) = record[HEADER.len()..].split_at(RECORD + 1);
        let buffer = InOutBuf::new(sealed, plain.as_mut_slice()).unwrap();
        aead.decrypt_inout_detached(&nonce, &HEADER, buffer, <&Tag<A>>::try_from(tag).unwrap()).unwrap();
    }
    plain.len()
}

/// A handshake message in a record of its own.
fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u16;
    [&[22, 3, 3][..], &(len + 4).to_be_bytes(), &[kind, 0], &len.to_be_bytes(), body].concat()
}

fn mark(number: u64) -> Mark {
    Mark { packet: PacketRef { number, time: Time(0) }, offset: 0 }
}

/// Bytes that were decrypted.
struct Counted(usize);

impl Application for Counted {
    fn data(&mut self, _: &mut Timeline, _: Peer, bytes: &[u8], _: Mark) {
        self.0 += bytes.len();
    }
    fn gap(&mut self, _: &mut Timeline, _: Peer, _: u64, _: Mark) {}
    fn end_of_stream(&mut self, _: &mut Timeline, _: Peer, _: Mark) {}
    fn finish(&mut self, _: &mut Timeline) {}
}

/// Plain bytes of one record, and the header of the sealed one: type and tag are 17 bytes.
const RECORD: usize = 16_384;
const HEADER: [u8; 5] = [23, 3, 3, 0x40, 0x11];
const RECORDS: usize = 64;
/// Payload of a full segment.
const SEGMENT: usize = 1_448;
const SERVER_HELLO_PACKET: u64 = 3;
