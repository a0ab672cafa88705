//! The encrypted part of a TLS 1.3 handshake, told from the sizes of its records where there are no keys.
//!
//! The origin sends EncryptedExtensions to Finished; then the edge sends its Finished, with Certificate and
//! CertificateVerify before it where the origin asked for them (RFC 8446 section 2). Messages come in a record each,
//! or several in one. What a Finished or an empty Certificate takes is known to the byte.

use super::handshake::Handshake;
use super::message::MESSAGE_HEADER_LEN;
use crate::timeline::{Mark, PacketRef, Peer, Tls};

/// An encrypted record that nobody can read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Sealed {
    /// The first byte of its header.
    pub(super) start: Mark,
    /// Its last byte.
    pub(super) end: Mark,
    /// Bytes of its contents, padding among them.
    pub(super) plain: u32,
}

impl Sealed {
    pub(super) fn packet(&self) -> PacketRef {
        self.end.packet
    }

    /// True for the size of an alert: level and description.
    pub(super) fn may_be_alert(&self) -> bool {
        self.plain == ALERT_LEN
    }
}

/// The flights of both peers.
#[derive(Clone, Debug, Default)]
pub(super) struct Flights {
    /// Records of the edge before its Finished.
    edge: Vec<Sealed>,
    /// Records of the origin.
    origin: u64,
}

impl Flights {
    /// An encrypted record of the origin before the edge's Finished.
    pub(super) fn origin(&mut self, handshake: &mut Handshake, tls: &mut Tls, record: Sealed, finished: u32) {
        self.origin = self.origin.saturating_add(1);
        if record.plain == finished && self.origin > 1 {
            handshake.finished(tls, Peer::Origin, record.packet());
        }
    }

    /// An encrypted record of the edge that is no alert, up to its Finished.
    pub(super) fn edge(&mut self, handshake: &mut Handshake, tls: &mut Tls, record: Sealed, finished: u32) {
        if !handshake.has_finished(Peer::Origin) {
            // The edge answers only what is complete.
            handshake.finished(tls, Peer::Origin, record.packet());
        }
        let empty_and_finished = self.edge.is_empty() && record.plain == finished.saturating_add(EMPTY_CERTIFICATE);
        if record.plain == EMPTY_CERTIFICATE || empty_and_finished {
            tls.client_certificate = tls.client_certificate.or(Some((record.packet(), false)));
        }
        if record.plain == finished || empty_and_finished {
            self.edge.clear();
            handshake.finished(tls, Peer::Edge, record.packet());
        } else {
            self.edge.push(record);
        }
    }

    /// True where records of the edge wait for its Finished.
    pub(super) fn is_waiting(&self) -> bool {
        !self.edge.is_empty()
    }

    /// True where the edge has sent more than an edge sends before its Finished.
    pub(super) fn is_overdue(&self) -> bool {
        self.edge.len() > MOST_BEFORE_FINISHED
    }

    /// No record had the size of a Finished, but the edge's flight is over: it was all in the first record. What
    /// came behind it is returned.
    pub(super) fn conclude(&mut self, handshake: &mut Handshake, tls: &mut Tls) -> Vec<Sealed> {
        let mut rest = std::mem::take(&mut self.edge).into_iter();
        if let Some(first) = rest.next() {
            handshake.finished(tls, Peer::Edge, first.packet());
        }
        rest.collect()
    }
}

/// Bytes of a Finished message with this much `verify_data`.
pub(super) fn finished_len(verify_data: u32) -> u32 {
    verify_data.saturating_add(MESSAGE_HEADER_LEN as u32)
}

/// Bytes of an alert.
const ALERT_LEN: u32 = 2;
/// Bytes of a Certificate message without a certificate (RFC 8446 section 4.4.2): header, empty context, empty list.
const EMPTY_CERTIFICATE: u32 = 8;
/// Certificate and CertificateVerify, one of them perhaps in two records.
const MOST_BEFORE_FINISHED: usize = 3;

#[cfg(test)]
mod tests {
    use crate::timeline::{HandshakePhase, Peer};
    use crate::tls::testing::{Driver, FINISHED, Seen, keyless, sealed};

    /// What became of a handshake in which the edge answers the origin's flight with `records`.
    fn answered(records: &[usize], more: impl Fn(&mut Driver)) -> Seen {
        let mut driver = Driver::new(keyless());
        driver.handshake_up_to_origin(&["http/1.1"]);
        let bytes: Vec<u8> = records.iter().flat_map(|&plain| sealed(plain)).collect();
        driver.edge(&bytes, 0.2);
        more(&mut driver);
        driver.finish()
    }

    fn nothing(_: &mut Driver) {}

    #[test]
    fn the_origins_finished_is_told_by_its_size() {
        let mut driver = Driver::new(keyless());
        driver.handshake_up_to_origin(&["http/1.1"]);
        let seen = driver.finish();
        assert_eq!(seen.tls().phase, HandshakePhase::ServerDone);
        assert_eq!(seen.tls().handshake_done, None);
    }

    #[test]
    fn the_edges_finished_completes_the_handshake() {
        let seen = answered(&[FINISHED], nothing);
        assert_eq!(seen.tls().phase, HandshakePhase::Established);
        assert_eq!(seen.tls().handshake_done.map(|packet| packet.number), Some(3));
        assert_eq!(seen.tls().client_certificate, None);
    }

    #[test]
    fn an_empty_certificate_is_told_by_its_size() {
        for records in [&[8, FINISHED][..], &[8 + FINISHED]] {
            let seen = answered(records, nothing);
            assert_eq!(seen.tls().client_certificate.map(|(_, held)| held), Some(false), "{records:?}");
            assert_eq!(seen.tls().phase, HandshakePhase::Established);
        }
    }

    #[test]
    fn a_certificate_comes_before_the_finished() {
        let seen = answered(&[900, 264, FINISHED, 300], |driver| {
            driver.origin(&sealed(1_500), 0.3).fin(Peer::Origin, 0.4);
        });
        assert_eq!(seen.tls().phase, HandshakePhase::Established);
        assert_eq!(seen.line.exchanges.len(), 1);
        assert_eq!(seen.line.exchanges[0].request.body_bytes, 300);
    }

    #[test]
    fn a_flight_in_one_record_is_over_once_the_origin_answers() {
        let seen = answered(&[1_300, 300], |driver| {
            driver.origin(&sealed(1_500), 0.3).fin(Peer::Origin, 0.4);
        });
        assert_eq!(seen.tls().phase, HandshakePhase::Established);
        assert_eq!(seen.line.exchanges[0].request.body_bytes, 300);
        assert!(seen.line.exchanges[0].response.is_some());
    }

    #[test]
    fn an_alert_of_the_edge_ends_the_handshake() {
        let seen = answered(&[2], |driver| {
            driver.fin(Peer::Edge, 0.3);
        });
        let alert = &seen.tls().alerts[0];
        assert_eq!((alert.from, alert.description, alert.phase), (Peer::Edge, None, HandshakePhase::ServerDone));
        assert_eq!(seen.tls().phase, HandshakePhase::ServerDone);
        assert!(seen.line.exchanges.is_empty());
    }
}
