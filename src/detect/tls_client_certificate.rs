//! The origin demands a client certificate (Authenticated Origin Pulls), and the edge has none that it takes.

use super::tls_alert::lost_request;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding};
use crate::timeline::{Alert, HandshakePhase, Peer, Tls};

pub(super) const CAUSES: &[Cause] = &[TLS_CLIENT_CERT_REQUIRED];

const TLS_CLIENT_CERT_REQUIRED: Cause = Cause("tls-client-cert-required");

/// CertificateRequest, then an empty certificate (or one that is refused), then alert 40 to 49 or 116. In TLS 1.3
/// the refusal comes after the edge's Finished, so the edge may have sent its first request.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(tls) = &case.line.tls else { return Vec::new() };
    let refusal = tls.alerts.iter().find(|alert| alert.from == Peer::Origin && refuses(tls, alert));
    let Some(alert) = refusal else { return Vec::new() };
    let said = alert.description.map_or_else(String::new, |description| description.to_string());
    let sent = match tls.client_certificate {
        Some((_, true)) => "the origin did not accept the edge's certificate",
        _ => "the edge sent none",
    };
    let mut evidence = Vec::new();
    if let Some(request) = tls.certificate_request {
        evidence.push(Evidence::new(request, "CertificateRequest: the origin asks for a client certificate"));
    }
    if let Some((packet, present)) = tls.client_certificate {
        let what =
            if present { "the edge sends a client certificate" } else { "the edge's Certificate message is empty" };
        evidence.push(Evidence::new(packet, what));
    }
    evidence.push(Evidence::new(alert.packet, format!("fatal alert {said} from the origin")));
    vec![Finding {
        cause: TLS_CLIENT_CERT_REQUIRED,
        scope: lost_request(case),
        at: alert.packet,
        actor: Actor::Origin,
        confidence: Confidence::Certain,
        summary: format!("The origin demands a client certificate and ended the connection with alert {said}: {sent}."),
        evidence,
        edge_status: None,
    }]
}

/// An alert that stands for a client certificate, or any that answers an empty one which was asked for.
fn refuses(tls: &Tls, alert: &Alert) -> bool {
    let Some(description) = alert.description else { return false };
    let empty = tls.client_certificate.is_some_and(|(packet, present)| {
        !present && packet.number < alert.packet.number && alert.phase < HandshakePhase::Established
    });
    let named = matches!(description.0, 40..=49);
    description.0 == 116 || (tls.certificate_request.is_some() && (named || empty && alert.fatal()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::AlertDescription;

    /// The origin asks for a certificate, gets one or an empty message, and says `alert`.
    fn asked(sent: bool, alert: u8) -> Told {
        connected().with(|told| {
            let [request, answer, refusal] = [told.packet(), told.packet(), told.packet()];
            let tls = told.line.tls.get_or_insert_default();
            tls.certificate_request = Some(request);
            tls.client_certificate = Some((answer, sent));
            tls.phase = HandshakePhase::ServerDone;
            let description = Some(AlertDescription(alert));
            tls.alerts.push(Alert {
                packet: refusal,
                from: Peer::Origin,
                level: Some(2),
                description,
                phase: tls.phase,
            });
        })
    }

    #[test]
    fn whatever_alert_answers_an_empty_certificate_asks_for_one() {
        for alert in [40, 42, 116, 50] {
            assert_eq!(asked(false, alert).causes(detect), ["tls-client-cert-required"], "{alert}");
        }
    }

    #[test]
    fn an_alert_for_another_reason_is_not_about_the_certificate_that_was_sent() {
        assert_eq!(asked(true, 48).causes(detect), ["tls-client-cert-required"]);
        assert!(asked(true, 50).found_by(detect).is_empty());
        assert!(asked(false, 0).found_by(detect).is_empty());
    }
}
