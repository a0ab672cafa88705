//! The edge refuses the origin's certificate.

use super::negotiation::edge_owed_answer;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Alert, CertificateFault, Close, HandshakePhase, PacketRef, Peer, Tls, TlsVersion};

pub(super) const CAUSES: &[Cause] = &[EXPIRED, NOT_YET_VALID, SELF_SIGNED, UNTRUSTED, NAME_MISMATCH];

const EXPIRED: Cause = Cause("tls-cert-expired");
const NOT_YET_VALID: Cause = Cause("tls-cert-not-yet-valid");
const SELF_SIGNED: Cause = Cause("tls-cert-self-signed");
const UNTRUSTED: Cause = Cause("tls-cert-untrusted");
const NAME_MISMATCH: Cause = Cause("tls-cert-name-mismatch");

/// What the edge's laxer modes would do with such a certificate.
const OTHER_MODES: &str = "Full would take it, and Flexible would speak plain HTTP to the origin";

/// An edge that leaves because of a certificate leaves within this time of seeing it.
const AT_ONCE_S: f64 = 1.0;

/// The edge answers the certificate with an alert about it, or leaves at once. Where the certificate can be read
/// its fault is named; else the alert's number names it.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(tls) = &case.line.tls else { return Vec::new() };
    let Some((refused_at, alert)) = refusal(case, tls) else { return Vec::new() };
    let number = alert.and_then(|alert| alert.description).map(|description| description.0);
    let fault = fault(tls, number);
    let by_alert = || number.map_or(alert.map(|_| UNTRUSTED), cause_of_alert);
    let Some(cause) = fault.map(cause_of).or_else(by_alert) else { return Vec::new() };
    vec![finding(case, tls, cause, fault, refused_at, alert)]
}

/// The packet in which the edge turned away, with its alert where there is one.
fn refusal<'a>(case: &Case<'a>, tls: &'a Tls) -> Option<(PacketRef, Option<&'a Alert>)> {
    let alert = tls.alerts.iter().find(|alert| {
        alert.from == Peer::Edge && alert.description.is_some_and(|description| matches!(description.0, 41..=46 | 48))
    });
    if let Some(alert) = alert {
        return Some((alert.packet, Some(alert)));
    }
    if case.line.has_holes() {
        // The handshake may have gone on in them.
        return None;
    }
    if let Some(alert) = unreadable(case, tls) {
        return Some((alert.packet, Some(alert)));
    }
    let seen = tls.certificate_at.filter(|_| !taken_elsewhere(case, tls))?;
    let at_once = |packet: PacketRef| {
        let waits = edge_owed_answer(case, tls, packet);
        packet.number > seen.number && (waits || packet.seconds_since(seen) < AT_ONCE_S)
    };
    let close = case.line.closes().next().filter(|close| at_once(close.packet()))?;
    let alerted = tls.alerts.iter().any(|alert| alert.packet.number < close.packet().number);
    if alerted || tls.phase >= HandshakePhase::ClientFinished || tls.certificate_faults.is_empty() {
        return None;
    }
    match close {
        Close::Fin { from: Peer::Edge, .. } | Close::Rst { from: Peer::Edge, .. } => Some((close.packet(), None)),
        _ => None,
    }
}

/// True where the edge completed a handshake with the same certificate on another connection: it does not refuse it.
fn taken_elsewhere(case: &Case<'_>, tls: &Tls) -> bool {
    let leaf = tls.certificates.first().map(|leaf| (leaf.subject.clone(), leaf.not_after));
    leaf.is_some_and(|leaf| case.origin().is_some_and(|origin| origin.taken_certificates.contains(&leaf)))
}

/// An alert of the edge that nobody can read, behind the origin's part of a TLS 1.3 handshake: what an edge refuses
/// there is the certificate as a rule.
fn unreadable<'a>(case: &Case<'_>, tls: &'a Tls) -> Option<&'a Alert> {
    let close = case.line.closes().next()?.packet();
    let open = tls.phase < HandshakePhase::ClientFinished && tls.version() == Some(TlsVersion::TLS_1_3);
    tls.alerts.iter().find(|alert| {
        let here = alert.phase >= HandshakePhase::ServerHello && alert.packet.number <= close.number;
        open && here && alert.from == Peer::Edge && alert.description.is_none()
    })
}

/// The fault that the edge meant: of several, the first that its alert stands for (RFC 8446 section 6.2).
fn fault(tls: &Tls, alert: Option<u8>) -> Option<&CertificateFault> {
    let order: &[Cause] = match alert {
        Some(45) => &[EXPIRED, NOT_YET_VALID],
        Some(48) => &[SELF_SIGNED, UNTRUSTED],
        _ => &[EXPIRED, NOT_YET_VALID, SELF_SIGNED, NAME_MISMATCH, UNTRUSTED],
    };
    let find = |cause: &Cause| tls.certificate_faults.iter().find(|fault| cause_of(fault) == *cause);
    order.iter().find_map(find).or_else(|| tls.certificate_faults.first())
}

fn cause_of(fault: &CertificateFault) -> Cause {
    match fault {
        CertificateFault::Expired { .. } => EXPIRED,
        CertificateFault::NotYetValid { .. } => NOT_YET_VALID,
        CertificateFault::SelfSigned => SELF_SIGNED,
        CertificateFault::NameMismatch { .. } => NAME_MISMATCH,
        CertificateFault::Untrusted { .. } | CertificateFault::Weak { .. } => UNTRUSTED,
    }
}

/// What an alert says of a certificate that cannot be read.
fn cause_of_alert(number: u8) -> Option<Cause> {
    match number {
        45 => Some(EXPIRED),
        48 => Some(UNTRUSTED),
        // OpenSSL and BoringSSL answer a wrong name, and a date in the future, with bad_certificate.
        42 | 46 => Some(NAME_MISMATCH),
        43 | 44 => Some(UNTRUSTED),
        _ => None,
    }
}

fn finding(
    case: &Case<'_>,
    tls: &Tls,
    cause: Cause,
    fault: Option<&CertificateFault>,
    refused_at: PacketRef,
    alert: Option<&Alert>,
) -> Finding {
    let said = alert.map(|alert| match alert.description {
        Some(description) => format!("alert {description}"),
        None => "an alert that is encrypted".to_owned(),
    });
    let what = fault.map_or_else(|| "the certificate itself is encrypted".to_owned(), ToString::to_string);
    let how = match &said {
        Some(said) => format!("with {said}"),
        None => "by leaving".to_owned(),
    };
    let mut evidence = Vec::new();
    if let Some(hello) = &tls.client_hello {
        let name = hello.sni.as_deref().unwrap_or("no name");
        evidence.push(Evidence::new(hello.packet, format!("the edge asks for {name}")));
    }
    if let Some(packet) = tls.certificate_at {
        evidence.push(Evidence::new(packet, format!("the origin's certificate: {what}")));
    }
    evidence
        .push(Evidence::new(refused_at, format!("the edge refuses it {how}, as Full (strict) does: {OTHER_MODES}")));
    let readable = alert.is_none_or(|alert| alert.description.is_some());
    // Who left without a word may have been called off: that the edge takes this certificate elsewhere would tell.
    let unseen = said.is_none() && case.origin().is_some_and(|origin| origin.unseen_handshakes);
    let confidence = match (fault, &said, cause) {
        _ if !readable || unseen => Confidence::Possible,
        // A private CA may be right; whether the name is, nobody knows without the ClientHello.
        (Some(_), Some(_), UNTRUSTED) if tls.client_hello.is_none() => Confidence::Likely,
        (Some(_), Some(_), _) | (None, Some(_), EXPIRED) => Confidence::Certain,
        (Some(_), None, _) | (None, Some(_), UNTRUSTED) => Confidence::Likely,
        _ => Confidence::Possible,
    };
    Finding {
        cause,
        scope: Scope::Connection,
        at: tls.certificate_at.unwrap_or(refused_at),
        actor: Actor::Origin,
        confidence,
        summary: format!("The edge refused the certificate of {} {how}: {what}.", case.line.endpoint.origin),
        evidence,
        edge_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;

    /// An edge that sees a certificate at fault and closes without an alert.
    fn left_at_sight() -> Told {
        let told = connected().with(|told| {
            told.line.tls = Some(Box::new(Tls {
                certificate_at: Some(told.packet()),
                certificate_faults: vec![CertificateFault::SelfSigned],
                phase: HandshakePhase::ServerDone,
                ..Tls::default()
            }));
        });
        told.fin(Peer::Edge)
    }

    #[test]
    fn an_edge_that_leaves_at_the_sight_of_a_bad_certificate_refuses_it() {
        let found = left_at_sight().found_by(detect);
        assert_eq!((found[0].cause, found[0].confidence), (SELF_SIGNED, Confidence::Likely));
    }

    #[test]
    fn where_the_edge_may_have_taken_it_unseen_it_may_have_been_called_off() {
        let told = left_at_sight().with(|told| told.facts().unseen_handshakes = true);
        assert_eq!(told.found_by(detect)[0].confidence, Confidence::Possible);
    }
}
