//! The origin demands a client certificate (Authenticated Origin Pulls), and the edge has none that it takes.

use super::tls_alert::lost_request;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding};
use crate::timeline::{Alert, Close, HandshakePhase, Peer, RstSender, Tls};

pub(super) const CAUSES: &[Cause] = &[TLS_CLIENT_CERT_REQUIRED];

const TLS_CLIENT_CERT_REQUIRED: Cause = Cause("tls-client-cert-required");

/// CertificateRequest, then an empty certificate (or one that is refused), then alert 40 to 49 or 116, or the origin's
/// close without another byte. In TLS 1.3 the refusal comes after the edge's Finished, so the edge may have sent its
/// first request.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(tls) = &case.line.tls else { return Vec::new() };
    let refusal = tls.alerts.iter().find(|alert| alert.from == Peer::Origin && refuses(tls, alert));
    let (at, said, confidence) = match refusal {
        Some(alert) => {
            let said = alert.description.map_or_else(String::new, |description| format!("fatal alert {description}"));
            (alert.packet, said, Confidence::Certain)
        }
        None => match left_without_a_word(case, tls) {
            Some(Close::Fin { fin, .. }) => (fin.packet, "a FIN and no alert".to_owned(), Confidence::Likely),
            Some(Close::Rst { rst, .. }) => (rst.packet, "a RST and no alert".to_owned(), Confidence::Likely),
            None => return Vec::new(),
        },
    };
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
    evidence.push(Evidence::new(at, format!("{said} from the origin")));
    vec![Finding {
        cause: TLS_CLIENT_CERT_REQUIRED,
        scope: lost_request(case),
        at,
        actor: Actor::Origin,
        confidence,
        summary: format!("The origin demands a client certificate and ended the connection with {said}: {sent}."),
        evidence,
        edge_status: None,
    }]
}

/// The close of an origin that asked for a certificate, got an empty message, and sent not one byte after it: neither its
/// Finished (RFC 5246 section 7.4.6) nor a ticket or a response (RFC 8446 section 4.4.2.4).
fn left_without_a_word<'a>(case: &Case<'a>, tls: &Tls) -> Option<Close<'a>> {
    tls.certificate_request?;
    let (empty, _) = tls.client_certificate.filter(|&(_, present)| !present)?;
    let silent = case.line.direction.origin.last_data.is_none_or(|last| last.number < empty.number);
    let close = case.line.closes().next()?;
    let left = match close {
        Close::Fin { from, .. } => from == Peer::Origin,
        Close::Rst { from, rst } => from == Peer::Origin && rst.sender == RstSender::Claimed,
    };
    (silent && left && empty.number < close.packet().number && !case.line.has_holes()).then_some(close)
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

    /// The origin asks for a certificate, gets `sent`, and leaves after it has sent another byte or not.
    fn left(sent: bool, another_byte: bool) -> Vec<&'static str> {
        let told = connected().with(|told| {
            let [request, answer] = [told.packet(), told.packet()];
            told.line.direction.origin.last_data = Some(if another_byte { told.packet() } else { request });
            let tls = told.line.tls.get_or_insert_default();
            (tls.certificate_request, tls.client_certificate) = (Some(request), Some((answer, sent)));
            tls.phase = HandshakePhase::ServerDone;
        });
        told.fin(Peer::Origin).causes(detect)
    }

    #[test]
    fn a_close_right_behind_an_empty_certificate_asks_for_one() {
        assert_eq!(left(false, false), ["tls-client-cert-required"]);
        assert!(left(true, false).is_empty(), "it sent one");
        assert!(left(false, true).is_empty(), "the origin went on without one");
    }

    #[test]
    fn an_alert_for_another_reason_is_not_about_the_certificate_that_was_sent() {
        assert_eq!(asked(true, 48).causes(detect), ["tls-client-cert-required"]);
        assert!(asked(true, 50).found_by(detect).is_empty());
        assert!(asked(false, 0).found_by(detect).is_empty());
    }
}
