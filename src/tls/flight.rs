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
#[derive(Debug, Default)]
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
