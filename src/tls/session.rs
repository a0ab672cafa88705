//! One TLS connection: takes both streams, writes facts, hands decrypted bytes on.

use super::alert;
use super::buffers::Buffers;
use super::decrypt::Opener;
use super::early::EarlyData;
use super::flight::Sealed;
use super::handshake::{Effect, Handshake, note_message};
use super::hello::Offer;
use super::keyless::Keyless;
use super::keylog::KeyLog;
use super::message::{HandshakeType, Messages};
use super::record::{Body, ContentType, Found, HEADER_LEN, Input, Interest, Record, Records};
use super::trust::TrustAnchors;
use crate::tcp::Application;
use crate::timeline::{
    ByPeer, CutRecord, HandshakeMessage, HandshakePhase, Mark, NotTls, PacketRef, Peer, Response, Spoken, Timeline,
    Tls, TlsVersion,
};

/// The TLS layer of one connection.
///
/// Both streams are given in the order of their bytes, as [`Application`] has them; decrypted application data
/// goes on to another [`Application`]: the mark of each piece is the packet that completed the record, and the
/// stream offset of the record's first byte. Bytes that cannot be decrypted there become gaps, whose length is as
/// near to the plain text's as record headers tell.
#[derive(Clone, Debug)]
pub struct Session {
    keys: KeyLog,
    side: ByPeer<Side>,
    handshake: Handshake,
    early: EarlyData,
    keyless: Keyless,
    buffers: Buffers,
}

/// The stream of one peer.
#[derive(Clone, Debug, Default)]
struct Side {
    records: Records,
    messages: Messages,
    reading: Reading,
    /// The capture misses bytes of this stream.
    torn: bool,
    missing: Option<Missing>,
}

/// Bytes of the stream that nobody could decrypt: how many records they were is known once the next one is read.
#[derive(Clone, Copy, Debug)]
struct Missing {
    first: Mark,
    bytes: u64,
    /// Records among them that were seen.
    seen: u64,
}

/// How the records of one peer are read.
#[derive(Clone, Debug, Default)]
enum Reading {
    /// They are not encrypted yet.
    #[default]
    Clear,
    /// They are encrypted, and there are no keys.
    Sealed,
    /// They are encrypted, and there are keys, which may be wrong: so many records in a row could not be read.
    Keyed { opener: Opener, failures: u32 },
}

impl Session {
    /// A connection of which nothing was seen yet.
    #[must_use]
    pub fn new(keys: KeyLog, trust: TrustAnchors) -> Self {
        Self {
            buffers: keys.buffers(),
            keys,
            side: ByPeer { edge: Side::default(), origin: Side::default() },
            handshake: Handshake::new(trust),
            early: EarlyData::default(),
            keyless: Keyless::default(),
        }
    }

    /// The next `bytes` of the stream of `from`; `start` is the first of them.
    pub fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark, plain: &mut dyn Application) {
        if from == Peer::Origin && start.offset == 0 && facts(line).phase == HandshakePhase::ClientHello {
            // Nothing of the origin comes before the ClientHello: its stream begins here, though the capture joined it.
            self.side.origin = Side::default();
        }
        if matches!(self.side[from].reading, Reading::Keyed { .. }) && self.side[from].records.needs_buffer() {
            self.side[from].records.lend(self.buffers.take());
        }
        let mut input = Input::new(bytes, start);
        while let Some(found) = self.side[from].records.next(&mut input) {
            self.found(line, from, found, plain);
        }
        if let Some(buffer) = self.side[from].records.unused_buffer() {
            self.buffers.give_back(buffer);
        }
    }

    /// The capture does not hold the next `len` bytes of the stream of `from`; 0 where it joins the connection.
    pub fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark, plain: &mut dyn Application) {
        self.side[from].torn = true;
        let torn = self.side[from].records.gap(len, start);
        if let Some(found) = torn.found {
            self.found(line, from, found, plain);
        }
        if torn.lost > 0 {
            self.lost(line, from, torn.lost, start);
        }
    }

    /// The stream of `from` has ended in order.
    pub fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, _at: Mark, plain: &mut dyn Application) {
        if let Some(found) = self.side[from].records.end() {
            self.found(line, from, found, plain);
        }
        self.tell_missing(line, from, plain);
    }

    /// Nothing more will come on this connection.
    pub fn finish(&mut self, line: &mut Timeline, plain: &mut dyn Application) {
        for from in [Peer::Edge, Peer::Origin] {
            if let Some(found) = self.side[from].records.end() {
                self.found(line, from, found, plain);
            }
            self.tell_missing(line, from, plain);
        }
        // The records of SSL 2.0 behind its hello have a header of their own.
        let ssl2 = facts(line).server_hello.as_ref().is_some_and(|hello| hello.version == TlsVersion::SSL_2);
        if let Some(foreign) = self.side.origin.records.foreign_bytes().filter(|_| !ssl2) {
            not_tls(line, Peer::Origin, foreign.at, &foreign.bytes);
        }
        let cut = self.side.origin.records.open_record().filter(|_| !self.side.origin.torn);
        facts(line).cut_record = cut;
        self.keyless.finish(line, &mut self.handshake, cut);
        if let Some(cut) = cut.filter(|_| facts(line).decrypted) {
            begin_response(line, cut);
        }
    }

    fn found(&mut self, line: &mut Timeline, from: Peer, found: Found, plain: &mut dyn Application) {
        let body = self.side[from].records.take_body();
        match found {
            Found::Record(record) => self.record(line, from, &record, &body, plain),
            Found::NotTls(at) => not_tls(line, from, at, &body),
        }
        let records = &mut self.side[from].records;
        if records.needs_buffer() {
            let mut body = body;
            body.clear();
            records.lend(body);
        }
    }

    fn record(&mut self, line: &mut Timeline, from: Peer, record: &Record, body: &[u8], plain: &mut dyn Application) {
        if record.skipped > 0 {
            self.lost(line, from, record.skipped, record.start);
        }
        self.notice_late_join(line, from, record.header.kind);
        if self.is_sealed(from, record.header.kind) {
            self.sealed(line, from, record, body, plain);
        } else if record.body == Body::Damaged {
            self.miss_message(from);
        } else {
            self.readable(line, from, record.header.kind, body, record.packet());
        }
        for (record, body) in self.early.release() {
            self.sealed(line, Peer::Edge, &record, &body, plain);
        }
    }

    /// The first record of a connection that the capture sees from its beginning is the edge's ClientHello.
    fn notice_late_join(&mut self, line: &mut Timeline, from: Peer, kind: ContentType) {
        let tls = facts(line);
        let may_be_hello = from == Peer::Edge && matches!(kind, ContentType::Handshake | ContentType::Ssl2);
        if tls.phase == HandshakePhase::Start && !may_be_hello && !tls.joined_late {
            tls.joined_late = true;
            self.read_no_application_data();
        }
    }

    /// In TLS 1.3 the outer type of encrypted records is application data; below, all is encrypted behind
    /// ChangeCipherSpec.
    fn is_sealed(&self, from: Peer, kind: ContentType) -> bool {
        match kind {
            ContentType::ApplicationData => true,
            ContentType::Ssl2 => false,
            _ => !self.handshake.is_tls13() && !matches!(self.side[from].reading, Reading::Clear),
        }
    }

    /// A record that is encrypted.
    fn sealed(&mut self, line: &mut Timeline, from: Peer, record: &Record, body: &[u8], plain: &mut dyn Application) {
        if from == Peer::Edge && self.early.holds(&self.keys, &self.handshake, record, body) {
            return;
        }
        self.notice_missed_change(line, from);
        let mut contents = self.buffers.take();
        if let Some(kind) = self.open(from, record, body, &mut contents) {
            self.tell_missing(line, from, plain);
            self.opened(line, from, kind, record, &contents, plain);
        } else if facts(line).decrypted {
            self.hide(line, from, record, plain);
        } else {
            self.unreadable(line, from, record);
        }
        self.buffers.give_back(contents);
    }

    /// TLS 1.2 and below: application data without ChangeCipherSpec before it, which the capture missed.
    fn notice_missed_change(&mut self, line: &mut Timeline, from: Peer) {
        let missed = matches!(self.side[from].reading, Reading::Clear) && self.handshake.choice.is_some();
        if missed && !self.handshake.is_tls13() {
            self.change_cipher_spec(line, from);
            self.skip_numbers(from, MISSED_WITH_CHANGE);
        }
    }

    /// Decrypts a record to `contents`; says what they are.
    fn open(&mut self, from: Peer, record: &Record, body: &[u8], contents: &mut Vec<u8>) -> Option<ContentType> {
        let Reading::Keyed { opener, failures } = &mut self.side[from].reading else { return None };
        let whole = record.body == Body::Kept;
        if let Some(kind) = whole.then(|| opener.open(record.header, body, contents)).flatten() {
            *failures = 0;
            return Some(kind);
        }
        opener.skip();
        *failures = failures.saturating_add(1);
        if *failures >= MAX_FAILURES {
            self.side[from].reading = Reading::Sealed;
            self.side[from].records.set_interest(Interest::NoApplicationData);
        }
        None
    }

    fn opened(
        &mut self,
        line: &mut Timeline,
        from: Peer,
        kind: ContentType,
        record: &Record,
        bytes: &[u8],
        plain: &mut dyn Application,
    ) {
        let start = Mark { packet: record.packet(), offset: record.start.offset };
        if kind != ContentType::ApplicationData {
            self.readable(line, from, kind, bytes, record.packet());
            if kind == ContentType::Alert && matches!(bytes, [_, 0]) && from == Peer::Origin && facts(line).decrypted {
                // close_notify: nothing more will come, whether or not the FIN follows (RFC 8446 section 6.1).
                plain.end_of_stream(line, from, start);
            }
            return;
        }
        let early = matches!(&self.side[from].reading, Reading::Keyed { opener, .. } if opener.is_early());
        if early && !self.early.is_taken() {
            return;
        }
        self.keyless.withdraw(line);
        let tls = facts(line);
        tls.decrypted = true;
        tls.keys_missing = false;
        plain.data(line, from, bytes, start);
    }

    /// Application data that cannot be decrypted, though other data of the connection was.
    fn hide(&mut self, line: &mut Timeline, from: Peer, record: &Record, plain: &mut dyn Application) {
        if record.header.kind != ContentType::ApplicationData {
            return;
        }
        if let Some(missing) = &mut self.side[from].missing {
            let whole = u64::from(record.header.len).saturating_add(HEADER_LEN as u64);
            missing.bytes = missing.bytes.saturating_add(whole);
            missing.seen = missing.seen.saturating_add(1);
            return;
        }
        let start = Mark { packet: record.packet(), offset: record.start.offset };
        plain.gap(line, from, u64::from(self.handshake.plain_len(record.header.len)), start);
    }

    /// A record in clear, or the contents of one that was decrypted.
    fn readable(&mut self, line: &mut Timeline, from: Peer, kind: ContentType, bytes: &[u8], packet: PacketRef) {
        match kind {
            ContentType::Handshake => self.handshake_bytes(line, from, bytes, packet),
            ContentType::Alert => alert::readable(facts(line), from, bytes, packet),
            ContentType::ChangeCipherSpec => self.change_cipher_spec(line, from),
            ContentType::Ssl2 => self.ssl2(line, from, bytes, packet),
            ContentType::ApplicationData | ContentType::Heartbeat => {}
        }
    }

    fn handshake_bytes(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], packet: PacketRef) {
        let side = &mut self.side[from];
        if side.torn && side.messages.is_idle() && !Messages::fits(bytes) {
            return self.miss_message(from);
        }
        let mut messages = std::mem::take(&mut side.messages);
        messages.push(bytes);
        while let Some((kind, body)) = messages.next() {
            let effect = self.handshake.message(facts(line), from, kind, body, packet);
            self.apply(from, effect);
        }
        if !messages.is_idle() {
            self.side[from].messages = messages;
        }
    }

    fn apply(&mut self, from: Peer, effect: Effect) {
        match effect {
            Effect::Negotiated if self.handshake.is_tls13() => {
                for from in [Peer::Edge, Peer::Origin] {
                    self.seal(from);
                }
            }
            Effect::EarlyDataTaken => self.early.take(),
            Effect::KeyUpdate => self.update_key(from),
            Effect::Negotiated | Effect::None => {}
        }
    }

    /// The records of `from` are encrypted from here on.
    fn seal(&mut self, from: Peer) {
        let opener = self.opener(from);
        let side = &mut self.side[from];
        let interest = if opener.is_some() { Interest::Everything } else { Interest::NoApplicationData };
        side.records.set_interest(interest);
        side.reading = opener.map_or(Reading::Sealed, |opener| Reading::Keyed { opener, failures: 0 });
    }

    fn opener(&self, from: Peer) -> Option<Opener> {
        let client_random = &self.handshake.offer.as_ref()?.hello.random;
        Opener::new(&self.keys, client_random, self.handshake.choice.as_ref()?, from)
    }

    fn update_key(&mut self, from: Peer) {
        if let Reading::Keyed { opener, .. } = &mut self.side[from].reading {
            opener.update_key();
        }
    }

    fn skip_numbers(&mut self, from: Peer, bytes: u64) {
        if let Reading::Keyed { opener, .. } = &mut self.side[from].reading {
            opener.lose(bytes);
        }
    }

    /// TLS 1.2 and below: what follows is encrypted. In TLS 1.3 it means nothing (RFC 8446 appendix D.4), and
    /// before the ServerHello only TLS 1.3 has it.
    fn change_cipher_spec(&mut self, line: &mut Timeline, from: Peer) {
        let meaningless = self.handshake.is_tls13() || self.handshake.version().is_none() && !self.handshake.damaged;
        if meaningless {
            return;
        }
        self.handshake.change_cipher_spec(facts(line), from);
        self.seal(from);
    }

    fn ssl2(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], packet: PacketRef) {
        match from {
            Peer::Edge => {
                note_message(facts(line), HandshakeMessage { packet, from, kind: HandshakeType::CLIENT_HELLO.0 });
                self.handshake.client_hello(facts(line), Offer::parse_ssl2(bytes, packet));
            }
            Peer::Origin => self.handshake.ssl2_server_hello(facts(line), packet),
        }
    }

    /// A record that is encrypted, and cannot be decrypted.
    fn unreadable(&mut self, line: &mut Timeline, from: Peer, record: &Record) {
        if record.body != Body::Damaged && self.should_have_keys() {
            facts(line).keys_missing = true;
        }
        let plain = self.handshake.plain_len(record.header.len);
        let sealed = Sealed { start: record.start, end: record.end, plain };
        self.keyless.record(line, &mut self.handshake, from, record.header.kind, sealed);
    }

    fn should_have_keys(&self) -> bool {
        !self.keys.is_empty() && self.handshake.offer.is_some() && self.handshake.suite().is_some()
    }

    /// Records are missing.
    fn lost(&mut self, line: &mut Timeline, from: Peer, bytes: u64, at: Mark) {
        self.side[from].torn = true;
        self.skip_numbers(from, bytes);
        if facts(line).handshake_done.is_none() {
            self.miss_message(from);
        }
        self.keyless.gap(line, &mut self.handshake);
        // Behind its Finished a side sends data: the first of it may be what is missing.
        let keyed = matches!(self.side[from].reading, Reading::Keyed { .. }) && self.handshake.has_finished(from);
        if keyed || facts(line).decrypted {
            let missing = self.side[from].missing.get_or_insert(Missing { first: at, bytes: 0, seen: 0 });
            missing.bytes = missing.bytes.saturating_add(bytes);
        }
    }

    /// Hands a loss on, as long as the contents of its records are.
    fn tell_missing(&mut self, line: &mut Timeline, from: Peer, plain: &mut dyn Application) {
        let Some(missing) = self.side[from].missing.take() else { return };
        let unseen = match &self.side[from].reading {
            Reading::Keyed { opener, failures: 0 } => opener.jumped(),
            _ => 0,
        };
        let overhead = self.handshake.overhead_of(unseen.saturating_add(missing.seen));
        plain.gap(line, from, missing.bytes.saturating_sub(overhead), missing.first);
    }

    fn miss_message(&mut self, from: Peer) {
        self.side[from].messages.tear();
        self.handshake.damaged = true;
    }

    fn read_no_application_data(&mut self) {
        for from in [Peer::Edge, Peer::Origin] {
            self.side[from].records.set_interest(Interest::NoApplicationData);
        }
    }
}

fn facts(line: &mut Timeline) -> &mut Tls {
    line.tls.get_or_insert_default()
}

/// An origin that sends a record has begun to answer, though its bytes cannot be decrypted before its end.
fn begin_response(line: &mut Timeline, cut: CutRecord) {
    let Some(exchange) = line.exchanges.last_mut() else { return };
    let before = exchange.request.start.packet.number < cut.start.packet.number;
    if before && exchange.response.is_none() && exchange.stream.is_none() {
        exchange.response = Some(Response::begun(cut.start));
    }
}

fn not_tls(line: &mut Timeline, from: Peer, at: Mark, preview: &[u8]) {
    if from == Peer::Origin {
        let spoken = Spoken::of(preview);
        facts(line).not_tls.get_or_insert(NotTls { at, spoken, preview: preview.to_vec() });
    }
}

/// Bytes that may be missing with a ChangeCipherSpec: the Finished behind it.
const MISSED_WITH_CHANGE: u64 = 64;
/// Records that cannot be read, one behind the other, after which keys are taken for wrong ones.
const MAX_FAILURES: u32 = 64;
