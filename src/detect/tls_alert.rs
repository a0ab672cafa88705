//! A fatal TLS alert ends the handshake: handshake_failure (40) and all others, with the phase they came in.

use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Alert, HandshakePhase, Peer, Tls, TlsVersion};

pub(super) const CAUSES: &[Cause] = &[
    TLS_HANDSHAKE_FAILURE,
    TLS_VERSION_MISMATCH,
    TLS_CIPHER_MISMATCH,
    TLS_SNI_REJECTED,
    TLS_INTERNAL_ERROR,
    ALPN_REJECTED,
];

const TLS_HANDSHAKE_FAILURE: Cause = Cause("tls-handshake-failure");
const TLS_VERSION_MISMATCH: Cause = Cause("tls-version-mismatch");
const TLS_CIPHER_MISMATCH: Cause = Cause("tls-cipher-mismatch");
const TLS_SNI_REJECTED: Cause = Cause("tls-sni-rejected");
const TLS_INTERNAL_ERROR: Cause = Cause("tls-internal-error");
const ALPN_REJECTED: Cause = Cause("alpn-rejected");

/// The first fatal alert of the handshake, whoever sent it: an alert of the edge says what the origin did wrong.
/// Alerts about certificates are the certificate detectors' business.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(tls) = &case.line.tls else { return Vec::new() };
    let edge_left = case.line.first_close(Peer::Edge).map_or(u64::MAX, |close| close.packet().number);
    let fatal = tls.alerts.iter().find(|alert| {
        // What the origin says after the edge has left is its comment on that.
        let in_time = alert.from == Peer::Edge || alert.packet.number < edge_left;
        alert.fatal() && alert.phase < HandshakePhase::Established && in_time
    });
    if let Some(finding) = version_not_offered(tls) {
        return vec![finding];
    }
    let Some(alert) = fatal.filter(|_| tls.client_hello.is_some()) else {
        return session_broken(case, tls).into_iter().collect();
    };
    let Some(cause) = cause(case, tls, alert) else { return Vec::new() };
    vec![finding(case, tls, alert, cause)]
}

/// The origin chooses a version that the edge did not offer (RFC 8446 section 4.2.1): the handshake fails by that,
/// whatever either side does next.
fn version_not_offered(tls: &Tls) -> Option<Finding> {
    let (hello, chosen) = (tls.client_hello.as_ref()?, tls.server_hello.as_ref()?);
    let agreed = hello.versions.is_empty() || hello.versions.contains(&chosen.version);
    if agreed || tls.phase >= HandshakePhase::Established {
        return None;
    }
    let what = format!("the origin chooses TLS {}, the edge offered {}", chosen.version, versions(&hello.versions));
    Some(Finding {
        cause: TLS_VERSION_MISMATCH,
        scope: Scope::Connection,
        at: chosen.packet,
        actor: Actor::Origin,
        confidence: Confidence::Certain,
        summary: format!("The TLS handshake failed: {what}."),
        evidence: vec![Evidence::new(hello.packet, offered(tls)), Evidence::new(chosen.packet, what)],
        edge_status: None,
    })
}

/// The edge ends an established session with a fatal alert while an exchange waits: what came was no TLS of
/// this session (RFC 8446 section 5.2).
fn session_broken(case: &Case<'_>, tls: &Tls) -> Option<Finding> {
    let alert = tls.alerts.iter().find(|alert| {
        alert.from == Peer::Edge
            && alert.phase == HandshakePhase::Established
            && alert.description.is_some()
            && alert.fatal()
    })?;
    let exchange = case.unfinished().find(|exchange| exchange.request.start.packet.number < alert.packet.number)?;
    let said = alert.description.map_or_else(String::new, |description| description.to_string());
    Some(Finding {
        cause: TLS_HANDSHAKE_FAILURE,
        scope: Scope::Exchange(exchange.number),
        at: alert.packet,
        actor: Actor::Origin,
        confidence: Confidence::Likely,
        summary: format!(
            "The edge ended the TLS session with alert {said} while it waited for a response: what the \
                          origin sent was no record of this session."
        ),
        evidence: vec![
            case.request_sent(exchange),
            Evidence::new(alert.packet, format!("fatal alert {said} from the edge, {}", alert.phase)),
        ],
        edge_status: Some(520),
    })
}

fn cause(case: &Case<'_>, tls: &Tls, alert: &Alert) -> Option<Cause> {
    let number = alert.description?.0;
    Some(match (alert.from, number) {
        (Peer::Edge, 41..=46 | 48) => return None,
        (Peer::Edge, 49) => TLS_HANDSHAKE_FAILURE,
        (_, 70 | 86) => TLS_VERSION_MISMATCH,
        (_, 71) => TLS_CIPHER_MISMATCH,
        (Peer::Origin, 112) => TLS_SNI_REJECTED,
        (_, 80) => TLS_INTERNAL_ERROR,
        (_, 120) => ALPN_REJECTED,
        (Peer::Origin, 40) if alert.phase == HandshakePhase::ClientHello => refused_hello(case, tls),
        _ => TLS_HANDSHAKE_FAILURE,
    })
}

/// handshake_failure straight after the ClientHello: what other connections to the same origin were given tells
/// whether it was the suites or the name.
fn refused_hello(case: &Case<'_>, tls: &Tls) -> Cause {
    let (Some(hello), Some(origin)) = (&tls.client_hello, case.capture().origins.get(&case.line.endpoint.origin))
    else {
        return TLS_HANDSHAKE_FAILURE;
    };
    if origin.handshakes == 0 {
        return TLS_HANDSHAKE_FAILURE;
    }
    let shares_suite = hello.ciphers.iter().any(|cipher| origin.ciphers.contains_key(cipher));
    let known_name = hello.sni.as_ref().is_some_and(|sni| origin.names.contains_key(sni));
    match (shares_suite, known_name) {
        (false, _) => TLS_CIPHER_MISMATCH,
        (true, false) => TLS_SNI_REJECTED,
        (true, true) => TLS_HANDSHAKE_FAILURE,
    }
}

fn finding(case: &Case<'_>, tls: &Tls, alert: &Alert, cause: Cause) -> Finding {
    let said = alert.description.map_or_else(String::new, |description| description.to_string());
    let why = why(tls, cause);
    let mut evidence = Vec::new();
    if let Some(hello) = &tls.client_hello {
        evidence.push(Evidence::new(hello.packet, offered(tls)));
    }
    if let Some(hello) = &tls.server_hello {
        evidence.push(Evidence::new(
            hello.packet,
            format!("the origin chooses TLS {} and suite {:#06x}", hello.version, hello.cipher),
        ));
    }
    evidence.push(Evidence::new(alert.packet, format!("fatal alert {said} from the {}, {}", alert.from, alert.phase)));
    let guess = matches!(cause, TLS_CIPHER_MISMATCH | TLS_SNI_REJECTED)
        && alert.description.is_some_and(|description| description.0 == 40);
    Finding {
        cause,
        scope: lost_request(case),
        at: alert.packet,
        actor: Actor::Origin,
        confidence: if guess { Confidence::Likely } else { Confidence::Certain },
        summary: format!("The {} ended the TLS handshake with alert {said} {}{why}.", alert.from, alert.phase,),
        evidence,
        edge_status: None,
    }
}

/// An edge that sent its request with its Finished, before it heard of the refusal, lost that request.
pub(super) fn lost_request(case: &Case<'_>) -> Scope {
    case.unanswered().next().map_or(Scope::Connection, |exchange| Scope::Exchange(exchange.number))
}

fn why(tls: &Tls, cause: Cause) -> String {
    let hello = tls.client_hello.as_ref();
    let sni = hello.and_then(|hello| hello.sni.as_deref());
    match (cause, hello) {
        (TLS_VERSION_MISMATCH, Some(hello)) => format!(": the edge offered TLS {}", versions(&hello.versions)),
        (TLS_CIPHER_MISMATCH, Some(hello)) => {
            format!(": it takes none of the {} cipher suites that the edge offered", hello.ciphers.len())
        }
        (TLS_SNI_REJECTED, _) => match sni {
            Some(name) => format!(": it does not serve the name {name}"),
            None => ": the edge named no server (SNI)".to_owned(),
        },
        (ALPN_REJECTED, Some(hello)) => {
            format!(": it speaks none of the protocols that the edge offered ({})", hello.alpn.join(", "))
        }
        _ => String::new(),
    }
}

/// What the edge offered, as evidence.
pub(super) fn offered(tls: &Tls) -> String {
    let Some(hello) = &tls.client_hello else { return "ClientHello".to_owned() };
    let alpn = if hello.alpn.is_empty() { "no ALPN".to_owned() } else { format!("ALPN {}", hello.alpn.join(", ")) };
    format!(
        "ClientHello: TLS {}, {} suites, SNI {}, {alpn}",
        versions(&hello.versions),
        hello.ciphers.len(),
        hello.sni.as_deref().unwrap_or("none"),
    )
}

fn versions(versions: &[TlsVersion]) -> String {
    let names: Vec<String> = versions.iter().map(ToString::to_string).collect();
    names.join(", ")
}
