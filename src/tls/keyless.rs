//! What encrypted records tell that nobody can read: how far the handshake came, alerts, exchanges.

use super::alert;
use super::flight::{Flights, Sealed, finished_len};
use super::handshake::Handshake;
use super::inferred::{Inferred, OriginTickets};
use super::record::ContentType;
use crate::timeline::{CutRecord, Peer, Timeline};

/// The part of a connection that is told without keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Keyless {
    flights: Flights,
    inferred: Option<Inferred>,
}

impl Keyless {
    /// An encrypted record of `from`, of the outer type `kind`.
    pub(super) fn record(
        &mut self,
        line: &mut Timeline,
        handshake: &mut Handshake,
        from: Peer,
        kind: ContentType,
        record: Sealed,
    ) {
        let tls = line.tls.get_or_insert_default();
        match kind {
            ContentType::ApplicationData if handshake.is_tls13() => self.tls13(line, handshake, from, record),
            ContentType::ApplicationData => self.infer(line, handshake, from, record),
            ContentType::Handshake if !handshake.has_finished(from) => handshake.finished(tls, from, record.packet()),
            ContentType::Alert => alert::unreadable(tls, from, record.packet()),
            _ => {}
        }
    }

    /// Records are missing.
    pub(super) fn gap(&mut self, line: &mut Timeline, handshake: &mut Handshake) {
        match &self.inferred {
            Some(inferred) => inferred.gap(line),
            // The first exchange may be among them.
            None => handshake.damaged = true,
        }
    }

    /// The connection can be decrypted after all.
    pub(super) fn withdraw(&mut self, line: &mut Timeline) {
        if let Some(inferred) = self.inferred.take() {
            inferred.withdraw(line);
        }
    }

    /// Nothing more will come; `cut` is the record inside which the origin's stream ends.
    pub(super) fn finish(&mut self, line: &mut Timeline, handshake: &mut Handshake, cut: Option<CutRecord>) {
        self.conclude_flight(line, handshake);
        if let Some(mut inferred) = self.inferred.take() {
            inferred.finish(line, cut);
        }
    }

    /// In TLS 1.3 an encrypted record may hold anything: where the handshake stands says what is due.
    fn tls13(&mut self, line: &mut Timeline, handshake: &mut Handshake, from: Peer, record: Sealed) {
        if from == Peer::Origin && self.flights.is_waiting() {
            self.conclude_flight(line, handshake);
        }
        if handshake.has_finished(Peer::Edge) {
            return self.infer(line, handshake, from, record);
        }
        let finished = finished_len(handshake.suite().map_or(USUAL_VERIFY_DATA, |suite| suite.verify_data_len()));
        let tls = line.tls.get_or_insert_default();
        match from {
            _ if record.may_be_alert() => alert::unreadable(tls, from, record.packet()),
            Peer::Origin => self.flights.origin(handshake, tls, record, finished),
            Peer::Edge => self.flights.edge(handshake, tls, record, finished),
        }
        if self.flights.is_overdue() {
            self.conclude_flight(line, handshake);
        }
    }

    fn conclude_flight(&mut self, line: &mut Timeline, handshake: &mut Handshake) {
        for record in self.flights.conclude(handshake, line.tls.get_or_insert_default()) {
            self.infer(line, handshake, Peer::Edge, record);
        }
    }

    /// Application data: part of an exchange.
    fn infer(&mut self, line: &mut Timeline, handshake: &mut Handshake, from: Peer, record: Sealed) {
        let tls = line.tls.get_or_insert_default();
        if tls.joined_late || handshake.damaged || handshake.choice.is_none() {
            // Nor from what follows: the handshake is not known, or the edge sends early data.
            handshake.damaged = true;
            return;
        }
        let phase = tls.phase;
        let inferred = self.inferred.get_or_insert_with(|| Inferred::new(tls, origin_tickets(handshake)));
        if handshake.is_tls13() && record.may_be_alert() {
            inferred.alert_or_record(line, from, record, phase);
        } else {
            inferred.record(line, from, record);
        }
    }
}

fn origin_tickets(handshake: &Handshake) -> OriginTickets {
    match &handshake.offer {
        _ if !handshake.is_tls13() => OriginTickets::InHandshake,
        Some(offer) if offer.takes_tickets => OriginTickets::AsRecords,
        _ => OriginTickets::NotTaken,
    }
}

/// Bytes of `verify_data` with SHA-256.
const USUAL_VERIFY_DATA: u32 = 32;
