//! What the handshake messages say (RFC 8446 section 4, RFC 5246 section 7.4), and how far they came.

use super::certificate::{chain_tls12, chain_tls13};
use super::decrypt::{Suite, Tls13};
use super::hello::{Choice, Extras, Offer};
use super::message::HandshakeType;
use super::reader::Reader;
use super::record::HEADER_LEN;
use super::trust::TrustAnchors;
use crate::timeline::{ByPeer, HandshakeMessage, HandshakePhase, PacketRef, Peer, ServerHello, Tls, TlsVersion};

/// The handshake of one connection, as far as its messages could be read.
#[derive(Clone, Debug)]
pub(super) struct Handshake {
    trust: TrustAnchors,
    /// The latest ClientHello.
    pub(super) offer: Option<Offer>,
    /// The latest ServerHello.
    pub(super) choice: Option<Choice>,
    /// The HelloRetryRequest.
    retry: Option<Choice>,
    finished: ByPeer<Option<PacketRef>>,
    server_hello_done: bool,
    /// Messages are missing or could not be read: nothing is concluded from what did not come.
    pub(super) damaged: bool,
}

/// What a message changes for the records that follow it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// Version and cipher suite are agreed on.
    Negotiated,
    /// The origin takes the edge's early data.
    EarlyDataTaken,
    /// The sender's next records are under its next key (RFC 8446 section 4.6.3).
    KeyUpdate,
}

impl Handshake {
    pub(super) fn new(trust: TrustAnchors) -> Self {
        Self {
            trust,
            offer: None,
            choice: None,
            retry: None,
            finished: ByPeer::default(),
            server_hello_done: false,
            damaged: false,
        }
    }

    /// The negotiated version, which a HelloRetryRequest fixes as well.
    pub(super) fn version(&self) -> Option<TlsVersion> {
        self.choice.as_ref().or(self.retry.as_ref()).map(|choice| choice.version)
    }

    /// True for TLS 1.3 and its drafts: records of application data may hold anything.
    pub(super) fn is_tls13(&self) -> bool {
        self.version().is_some_and(is_tls13)
    }

    /// The cipher suite, where its algorithms are known.
    pub(super) fn suite(&self) -> Option<Suite> {
        self.choice.as_ref().and_then(|choice| Suite::of(choice.cipher))
    }

    /// The length of an encrypted record's contents, as near as its own length tells.
    pub(super) fn plain_len(&self, record_len: u32) -> u32 {
        let tls13 = if self.is_tls13() { Tls13::Yes } else { Tls13::No };
        record_len.saturating_sub(self.suite().map_or(USUAL_OVERHEAD, |suite| suite.overhead(tls13)))
    }

    /// Bytes of `records` encrypted records beside their contents, as near as the cipher suite tells.
    pub(super) fn overhead_of(&self, records: u64) -> u64 {
        let tls13 = if self.is_tls13() { Tls13::Yes } else { Tls13::No };
        let overhead = self.suite().map_or(USUAL_OVERHEAD, |suite| suite.overhead(tls13));
        records.saturating_mul(u64::from(overhead).saturating_add(HEADER_LEN as u64))
    }

    /// One handshake message of `from`, complete with `packet`.
    pub(super) fn message(
        &mut self,
        tls: &mut Tls,
        from: Peer,
        kind: HandshakeType,
        body: &[u8],
        packet: PacketRef,
    ) -> Effect {
        note_message(tls, HandshakeMessage { packet, from, kind: kind.0 });
        match (from, kind) {
            (Peer::Edge, HandshakeType::CLIENT_HELLO) => self.client_hello(tls, Offer::parse(body, packet)),
            (Peer::Origin, HandshakeType::SERVER_HELLO) => return self.server_hello(tls, body, packet),
            (Peer::Origin, HandshakeType::HELLO_RETRY_REQUEST) => tls.hello_retry = tls.hello_retry.or(Some(packet)),
            (Peer::Origin, HandshakeType::ENCRYPTED_EXTENSIONS) => return encrypted_extensions(tls, body),
            (Peer::Origin, HandshakeType::SERVER_KEY_EXCHANGE) => server_key_exchange(tls, body),
            (Peer::Origin, HandshakeType::CERTIFICATE_VERIFY) => {
                note_signature(tls, Reader::new(body).u16());
            }
            (Peer::Origin, HandshakeType::CERTIFICATE) => self.origin_certificate(tls, body, packet),
            (Peer::Origin, HandshakeType::CERTIFICATE_REQUEST) => {
                tls.certificate_request = tls.certificate_request.or(Some(packet));
            }
            (Peer::Origin, HandshakeType::SERVER_HELLO_DONE) => {
                self.server_hello_done = true;
                tls.phase = tls.phase.max(HandshakePhase::ServerDone);
            }
            (Peer::Edge, HandshakeType::CERTIFICATE) => {
                let holds_one = self.holds_certificate(body);
                tls.client_certificate = tls.client_certificate.or(Some((packet, holds_one)));
            }
            (_, HandshakeType::FINISHED) => self.finished(tls, from, packet),
            (_, HandshakeType::KEY_UPDATE) => return Effect::KeyUpdate,
            _ => {}
        }
        Effect::None
    }

    /// A ClientHello; none where it could not be read.
    pub(super) fn client_hello(&mut self, tls: &mut Tls, offer: Option<Offer>) {
        tls.phase = tls.phase.max(HandshakePhase::ClientHello);
        tls.joined_late = false;
        let Some(offer) = offer else {
            self.damaged = true;
            return;
        };
        if tls.client_hello.is_none() {
            tls.client_hello = Some(offer.hello.clone());
        }
        // A second one follows a HelloRetryRequest, or asks for a new handshake on the same connection.
        self.offer = Some(offer);
    }

    /// The origin's hello in the record format of SSL 2.0. The rest of the connection is not read: nothing is missing
    /// from its handshake that anyone could name.
    pub(super) fn ssl2_server_hello(&mut self, tls: &mut Tls, packet: PacketRef) {
        tls.server_hello = Some(ServerHello { packet, version: TlsVersion::SSL_2, ..ServerHello::default() });
        tls.phase = HandshakePhase::Established;
        self.damaged = true;
    }

    /// ChangeCipherSpec of TLS 1.2 and below.
    pub(super) fn change_cipher_spec(&mut self, tls: &mut Tls, from: Peer) {
        let short = from == Peer::Origin && !self.server_hello_done && self.choice.is_some();
        if short && !self.damaged && tls.phase == HandshakePhase::ServerHello {
            tls.resumed = true;
        }
    }

    /// The Finished of `from`, read or told from its record.
    pub(super) fn finished(&mut self, tls: &mut Tls, from: Peer, packet: PacketRef) {
        self.finished[from] = self.finished[from].or(Some(packet));
        let both = self.finished.edge.is_some() && self.finished.origin.is_some();
        let phase = match from {
            _ if both => HandshakePhase::Established,
            Peer::Edge => HandshakePhase::ClientFinished,
            Peer::Origin => HandshakePhase::ServerDone,
        };
        tls.phase = tls.phase.max(phase);
        if both {
            tls.handshake_done = tls.handshake_done.or(Some(packet));
        }
    }

    pub(super) fn has_finished(&self, from: Peer) -> bool {
        self.finished[from].is_some()
    }

    fn server_hello(&mut self, tls: &mut Tls, body: &[u8], packet: PacketRef) -> Effect {
        let Some(choice) = Choice::parse(body) else {
            tls.phase = tls.phase.max(HandshakePhase::ServerHello);
            self.damaged = true;
            return Effect::None;
        };
        if choice.is_hello_retry_request() {
            tls.hello_retry = tls.hello_retry.or(Some(packet));
            tls.hello_retry_group = tls.hello_retry_group.or(choice.group);
            self.retry = Some(choice);
            return Effect::None;
        }
        if tls.phase < HandshakePhase::Established {
            tls.server_hello = Some(ServerHello {
                packet,
                version: choice.version,
                cipher: choice.cipher,
                group: choice.group,
                signature_scheme: None,
            });
            tls.alpn = choice.alpn.clone();
            tls.resumed = choice.pre_shared_key && is_tls13(choice.version);
            tls.phase = tls.phase.max(HandshakePhase::ServerHello);
        }
        self.server_hello_done = false;
        self.choice = Some(choice);
        Effect::Negotiated
    }

    /// The origin's chain is judged once: a connection has one.
    fn origin_certificate(&self, tls: &mut Tls, body: &[u8], packet: PacketRef) {
        if tls.certificate_at.is_some() {
            return;
        }
        let chain = if self.is_tls13() { chain_tls13(body) } else { chain_tls12(body) };
        tls.certificate_at = Some(packet);
        let wanted = tls.client_hello.as_ref().and_then(|hello| hello.sni.as_deref());
        (tls.certificates, tls.certificate_faults) = self.trust.judge(&chain, wanted, packet.time);
    }

    fn holds_certificate(&self, body: &[u8]) -> bool {
        let mut body = Reader::new(body);
        if self.is_tls13() {
            let _context = body.vector8();
        }
        body.vector24().is_some_and(|list| !list.is_empty())
    }
}

fn encrypted_extensions(tls: &mut Tls, body: &[u8]) -> Effect {
    let extras = Extras::parse(body);
    tls.alpn = extras.alpn.or(tls.alpn.take());
    if extras.early_data { Effect::EarlyDataTaken } else { Effect::None }
}

/// The named curve of ECDHE, the origin's public key and the scheme that it is signed with (RFC 8422 section 5.4,
/// RFC 5246 section 7.4.3); other key exchanges name no group.
fn server_key_exchange(tls: &mut Tls, body: &[u8]) {
    let mut body = Reader::new(body);
    if body.u8() != Some(NAMED_CURVE) {
        return;
    }
    let group = body.u16();
    let scheme = body.vector8().and_then(|_key| body.u16()).filter(|_| tls.version() == Some(TlsVersion::TLS_1_2));
    if let Some(hello) = &mut tls.server_hello {
        hello.group = hello.group.or(group);
    }
    note_signature(tls, scheme);
}

/// A message that could be read.
pub(super) fn note_message(tls: &mut Tls, message: HandshakeMessage) {
    if tls.messages.len() < MAX_MESSAGES {
        tls.messages.push(message);
    }
}

fn note_signature(tls: &mut Tls, scheme: Option<u16>) {
    if let Some(hello) = &mut tls.server_hello {
        hello.signature_scheme = hello.signature_scheme.or(scheme);
    }
}

/// The drafts of TLS 1.3 had numbers of their own (RFC 8446 section 4.2.1.1 of the drafts: 0x7f00 and the draft).
fn is_tls13(version: TlsVersion) -> bool {
    version == TlsVersion::TLS_1_3 || version.0 & 0xff00 == 0x7f00
}

/// Bytes that an AEAD cipher adds to the contents of a record.
const USUAL_OVERHEAD: u32 = 17;
/// `ECCurveType` for a curve with a number.
const NAMED_CURVE: u8 = 3;
/// Most handshake messages of one connection that are told: a handshake has about ten.
const MAX_MESSAGES: usize = 64;
