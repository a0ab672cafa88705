//! Alerts (RFC 8446 section 6).

use crate::timeline::{Alert, AlertDescription, HandshakePhase, PacketRef, Peer, Tls};

/// The alerts of one record that could be read: level and description, two bytes each.
pub(super) fn readable(tls: &mut Tls, from: Peer, bytes: &[u8], packet: PacketRef) {
    let (alerts, _cut) = bytes.as_chunks::<2>();
    for &[level, description] in alerts {
        let description = Some(AlertDescription(description));
        note(tls, Alert { packet, from, level: Some(level), description, phase: tls.phase });
    }
}

/// An alert that is encrypted.
pub(super) fn unreadable(tls: &mut Tls, from: Peer, packet: PacketRef) {
    unreadable_at(tls, from, packet, tls.phase);
}

/// An alert that is encrypted, and is known as one only now; `phase` is how far the handshake was then.
pub(super) fn unreadable_at(tls: &mut Tls, from: Peer, packet: PacketRef, phase: HandshakePhase) {
    note(tls, Alert { packet, from, level: None, description: None, phase });
}

fn note(tls: &mut Tls, alert: Alert) {
    if tls.alerts.len() < MAX_ALERTS {
        tls.alerts.push(alert);
        tls.alerts.sort_by_key(|alert| alert.packet.number);
    }
}

/// Most alerts kept of one connection.
const MAX_ALERTS: usize = 64;
