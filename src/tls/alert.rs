//! Alerts (RFC 8446 section 6).

use crate::timeline::{Alert, AlertDescription, HandshakePhase, PacketRef, Peer, Tls};

/// The alerts of one record that could be read: level and description, two bytes each. What has another form is
/// an alert that is encrypted, on a connection whose handshake the capture does not hold.
pub(super) fn readable(tls: &mut Tls, from: Peer, bytes: &[u8], packet: PacketRef) {
    let (alerts, cut) = bytes.as_chunks::<2>();
    if !cut.is_empty() || alerts.iter().any(|[level, _]| !LEVELS.contains(level)) {
        return unreadable(tls, from, packet);
    }
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

/// Warning and fatal.
const LEVELS: std::ops::RangeInclusive<u8> = 1..=2;
/// Most alerts kept of one connection.
const MAX_ALERTS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_of_another_form_is_an_encrypted_one() {
        let mut tls = Tls::default();
        readable(&mut tls, Peer::Origin, &[2, 40], PacketRef::default());
        readable(&mut tls, Peer::Origin, &[0xa5; 26], PacketRef::default());
        readable(&mut tls, Peer::Origin, &[1], PacketRef::default());
        let told: Vec<_> = tls.alerts.iter().map(|alert| alert.description).collect();
        assert_eq!(told, [Some(AlertDescription::HANDSHAKE_FAILURE), None, None]);
    }
}
