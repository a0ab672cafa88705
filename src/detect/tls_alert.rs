//! A fatal TLS alert ends the handshake: handshake_failure (40) and all others, with the phase they came in.

use super::case::request_name;
use super::http09_response::quote;
use super::negotiation::{group_list, negotiation, versions};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Alert, ClientHello, HandshakePhase, Peer, Tls};

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
    if let Some(finding) = version_not_offered(case, tls) {
        return vec![finding];
    }
    let Some(alert) = fatal.filter(|_| tls.client_hello.is_some()) else {
        return unreadable(case, tls).or_else(|| session_broken(case, tls)).into_iter().collect();
    };
    let Some(cause) = cause(case, tls, alert) else { return Vec::new() };
    vec![finding(case, tls, alert, cause)]
}

/// The origin chooses a version that the edge did not offer (RFC 8446 section 4.2.1): the handshake fails by that,
/// whatever either side does next.
fn version_not_offered(case: &Case<'_>, tls: &Tls) -> Option<Finding> {
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
        evidence: negotiation(case, tls),
        edge_status: None,
    })
}

/// An alert during the handshake that nobody can read: behind the ServerHello TLS 1.3 encrypts them. A peer that
/// says something there and leaves has given up.
fn unreadable(case: &Case<'_>, tls: &Tls) -> Option<Finding> {
    if case.line.has_holes() {
        // Behind a hole nobody can tell how far the handshake had come.
        return None;
    }
    let close = case.line.closes().next()?.packet();
    let alert = tls.alerts.iter().find(|alert| {
        let here = (HandshakePhase::ServerHello..HandshakePhase::ClientFinished).contains(&alert.phase);
        alert.description.is_none() && here && alert.packet.number <= close.number
    })?;
    let from_origin = alert.from == Peer::Origin;
    if tls.phase >= HandshakePhase::ClientFinished || tls.client_hello.is_none() {
        return None;
    }
    let what = format!("an alert from the {} that is encrypted, {}", alert.from, alert.phase);
    let mut evidence = negotiation(case, tls);
    evidence.push(Evidence::new(alert.packet, what.clone()));
    Some(Finding {
        cause: TLS_HANDSHAKE_FAILURE,
        scope: lost_request(case),
        at: alert.packet,
        actor: Actor::Origin,
        confidence: if from_origin { Confidence::Likely } else { Confidence::Possible },
        summary: format!("The TLS handshake ended with {what}: only a key log can show which."),
        evidence,
        edge_status: None,
    })
}

/// What the origin sends in an established session is no record of it, while an exchange waits: no record at all, or
/// the edge's fatal alert says so (RFC 8446 section 5.2).
fn session_broken(case: &Case<'_>, tls: &Tls) -> Option<Finding> {
    let alert = tls.alerts.iter().find(|alert| {
        alert.from == Peer::Edge
            && alert.phase == HandshakePhase::Established
            && alert.description.is_some()
            && alert.fatal()
    });
    let not_tls = tls.not_tls.as_ref().filter(|_| tls.phase == HandshakePhase::Established);
    let at = not_tls.map(|not| not.at.packet).or(alert.map(|alert| alert.packet))?;
    let whole = !case.line.has_holes();
    let exchange = case.line.exchanges.iter().find(|exchange| {
        // A record that cannot be decrypted obscures the exchange; that is what the alert is about.
        let waits = exchange.response.as_ref().is_none_or(|response| response.end.is_none());
        whole && waits && exchange.request.start.packet.number < at.number
    })?;
    let mut evidence = vec![case.request_sent(exchange)];
    let mut what = "what the origin sent was no record of this TLS session".to_owned();
    if let Some(not) = not_tls {
        what = format!("the origin sent \"{}\" where a TLS record was due", quote(&not.preview));
        evidence.push(Evidence::new(at, what.clone()));
    }
    if let Some((alert, said)) = alert.and_then(|alert| Some((alert, alert.description?))) {
        let note = format!("fatal alert {said} from the edge, {}", alert.phase);
        what = format!("{what}: the edge ended the session with alert {said}");
        evidence.push(Evidence::new(alert.packet, note));
    }
    Some(Finding {
        cause: TLS_HANDSHAKE_FAILURE,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: Confidence::Likely,
        summary: format!("In answer to {}, {what}.", request_name(exchange)),
        evidence,
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
/// whether it was the suites, the groups or the name.
fn refused_hello(case: &Case<'_>, tls: &Tls) -> Cause {
    let (Some(hello), Some(origin)) = (&tls.client_hello, case.origin()) else { return TLS_HANDSHAKE_FAILURE };
    if origin.handshakes == 0 {
        return TLS_HANDSHAKE_FAILURE;
    }
    let shares_version =
        hello.versions.iter().any(|version| origin.given.values().any(|given| given.choice.version == *version));
    if !shares_version && !origin.given.is_empty() {
        return TLS_VERSION_MISMATCH;
    }
    if !shares_suite(case, hello) || !shares_group(case, hello) {
        TLS_CIPHER_MISMATCH
    } else if origin.given.contains_key(&hello.sni) {
        TLS_HANDSHAKE_FAILURE
    } else {
        TLS_SNI_REJECTED
    }
}

/// True where the origin took one of these suites on another connection.
fn shares_suite(case: &Case<'_>, hello: &ClientHello) -> bool {
    case.origin().is_some_and(|origin| hello.ciphers.iter().any(|cipher| origin.ciphers.contains_key(cipher)))
}

/// False where the origin took other groups than these on all other connections.
fn shares_group(case: &Case<'_>, hello: &ClientHello) -> bool {
    let known: Vec<u16> = case
        .origin()
        .map_or_else(Vec::new, |origin| origin.given.values().filter_map(|given| given.choice.group).collect());
    known.is_empty() || hello.groups.is_empty() || hello.groups.iter().any(|group| known.contains(group))
}

/// True where the origin completed a handshake with another name and the same lists otherwise.
fn only_the_name_differs(case: &Case<'_>, tls: &Tls) -> bool {
    let (Some(hello), Some(origin)) = (&tls.client_hello, case.origin()) else { return false };
    origin.given.values().any(|given| {
        let lists = |hello: &ClientHello| {
            (hello.versions.clone(), hello.ciphers.clone(), hello.groups.clone(), hello.signature_schemes.clone())
        };
        given.offer.sni != hello.sni && given.offer.alpn == hello.alpn && lists(&given.offer) == lists(hello)
    })
}

fn finding(case: &Case<'_>, tls: &Tls, alert: &Alert, cause: Cause) -> Finding {
    let said = alert.description.map_or_else(String::new, |description| description.to_string());
    let why = why(case, tls, cause);
    let mut evidence = negotiation(case, tls);
    evidence.push(Evidence::new(alert.packet, format!("fatal alert {said} from the {}, {}", alert.from, alert.phase)));
    let unnamed = alert.description.is_some_and(|description| description.0 == 40);
    // What the edge complains of is not in the capture where the origin had not sent a byte in it.
    let unheard = case.line.direction.origin.first_data.is_none_or(|data| data.number > alert.packet.number);
    let confidence = match cause {
        _ if alert.from == Peer::Edge && unheard => Confidence::Likely,
        TLS_SNI_REJECTED if unnamed && !only_the_name_differs(case, tls) => Confidence::Possible,
        TLS_CIPHER_MISMATCH | TLS_SNI_REJECTED | TLS_VERSION_MISMATCH if unnamed => Confidence::Likely,
        _ => Confidence::Certain,
    };
    Finding {
        cause,
        scope: lost_request(case),
        at: alert.packet,
        actor: Actor::Origin,
        confidence,
        summary: format!("The {} ended the TLS handshake with alert {said} {}{why}.", alert.from, alert.phase,),
        evidence,
        edge_status: None,
    }
}

/// An edge that sent its request with its Finished, before it heard of the refusal, lost that request.
pub(super) fn lost_request(case: &Case<'_>) -> Scope {
    case.unanswered().next().map_or(Scope::Connection, |exchange| Scope::Exchange(exchange.number))
}

fn why(case: &Case<'_>, tls: &Tls, cause: Cause) -> String {
    let hello = tls.client_hello.as_ref();
    let sni = hello.and_then(|hello| hello.sni.as_deref());
    match (cause, hello) {
        (TLS_VERSION_MISMATCH, Some(hello)) => format!(": the edge offered TLS {}", versions(&hello.versions)),
        (TLS_CIPHER_MISMATCH, Some(hello)) if shares_suite(case, hello) && !shares_group(case, hello) => {
            format!(": it takes none of the groups that the edge offered ({})", group_list(&hello.groups))
        }
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

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::{AlertDescription, Given, NotTls, ServerHello, Spoken, TlsVersion};

    /// An edge that offers TLS 1.2, two suites and one group, for `sni`.
    fn hello(sni: &str) -> ClientHello {
        ClientHello {
            versions: vec![TlsVersion::TLS_1_2],
            ciphers: vec![0xc02f, 0xc030],
            groups: vec![29],
            sni: Some(sni.to_owned()),
            ..ClientHello::default()
        }
    }

    /// A ClientHello for `sni` and the origin's alert 40, where it completed one handshake for `known` with `choice`.
    fn refused(sni: &str, known: &str, choice: ServerHello) -> Told {
        let told = alerted(connected(), Peer::Origin, Some(40), HandshakePhase::ClientHello);
        told.fin(Peer::Origin).with(|told| {
            tls(told).client_hello = Some(hello(sni));
            let facts = told.facts();
            facts.handshakes = 1;
            facts.ciphers.insert(choice.cipher, 1);
            let given = Given { connection: 7, offer: hello(known), choice, alpn: None };
            facts.given.insert(Some(known.to_owned()), given);
        })
    }

    fn chosen(version: TlsVersion, cipher: u16, group: u16) -> ServerHello {
        ServerHello { version, cipher, group: Some(group), ..ServerHello::default() }
    }

    fn tls(told: &mut Told) -> &mut Tls {
        told.line.tls.get_or_insert_default()
    }

    fn alerted(told: Told, from: Peer, description: Option<u8>, phase: HandshakePhase) -> Told {
        told.with(|told| {
            let packet = told.packet();
            let description = description.map(AlertDescription);
            let tls = tls(told);
            tls.client_hello = Some(hello("shop.example"));
            tls.phase = phase;
            tls.alerts.push(Alert { packet, from, level: description.map(|_| 2), description, phase });
        })
    }

    #[test]
    fn what_others_were_given_tells_what_alert_40_refuses() {
        let v12 = TlsVersion::TLS_1_2;
        let cases = [
            (refused("a", "a", chosen(v12, 0xc02f, 29)), TLS_HANDSHAKE_FAILURE, Confidence::Certain),
            (refused("a", "b", chosen(v12, 0xc02f, 29)), TLS_SNI_REJECTED, Confidence::Likely),
            (refused("a", "a", chosen(v12, 0x009c, 29)), TLS_CIPHER_MISMATCH, Confidence::Likely),
            (refused("a", "a", chosen(v12, 0xc02f, 25)), TLS_CIPHER_MISMATCH, Confidence::Likely),
            (refused("a", "a", chosen(TlsVersion::TLS_1_3, 0x1301, 29)), TLS_VERSION_MISMATCH, Confidence::Likely),
        ];
        for (told, cause, confidence) in cases {
            let found = told.found_by(detect);
            assert_eq!(found.len(), 1);
            assert_eq!((found[0].cause, found[0].confidence), (cause, confidence), "{}", found[0].summary);
            let notes: Vec<&str> = found[0].evidence.iter().map(|evidence| evidence.note.as_ref()).collect();
            assert!(notes.iter().any(|note| note.starts_with("suites offered: TLS_ECDHE_RSA")), "{notes:?}");
            assert!(notes.iter().any(|note| note.starts_with("on connection 7 the same origin accepted")), "{notes:?}");
        }
    }

    #[test]
    fn of_suites_and_groups_the_one_that_differs_is_named() {
        let why = |cipher, group| {
            let told = refused("a", "a", chosen(TlsVersion::TLS_1_2, cipher, group));
            told.found_by(detect)[0].summary.clone()
        };
        assert!(
            why(0xc02f, 25).ends_with("it takes none of the groups that the edge offered (x25519)."),
            "{}",
            why(0xc02f, 25)
        );
        assert!(why(0x009c, 29).contains("none of the 2 cipher suites"), "{}", why(0x009c, 29));
    }

    #[test]
    fn a_name_is_blamed_only_where_nothing_else_differs() {
        let told = refused("a", "b", chosen(TlsVersion::TLS_1_2, 0xc02f, 29));
        let told = told.with(|told| tls(told).client_hello.as_mut().expect("a hello").ciphers.push(0x009c));
        assert_eq!(told.found_by(detect)[0].confidence, Confidence::Possible);
    }

    #[test]
    fn an_alert_that_is_encrypted_ends_the_handshake_as_well() {
        let by_origin = alerted(connected(), Peer::Origin, None, HandshakePhase::ServerHello).fin(Peer::Origin);
        let found = by_origin.found_by(detect);
        assert_eq!((found[0].cause, found[0].confidence), (TLS_HANDSHAKE_FAILURE, Confidence::Likely));
        let by_edge = alerted(connected(), Peer::Edge, None, HandshakePhase::ServerDone).fin(Peer::Edge);
        assert_eq!(by_edge.found_by(detect)[0].confidence, Confidence::Possible);
        let after = alerted(connected(), Peer::Edge, None, HandshakePhase::Established).fin(Peer::Edge);
        assert!(after.found_by(detect).is_empty());
    }

    #[test]
    fn plain_text_in_a_session_fails_the_exchange_that_waits() {
        let told = connected().request("GET", "/").with(|told| {
            let packet = told.packet();
            let at = crate::timeline::Mark { packet, offset: 0 };
            let tls = tls(told);
            tls.phase = HandshakePhase::Established;
            tls.not_tls = Some(NotTls { at, spoken: Spoken::Http1, preview: b"HTTP/".to_vec() });
        });
        let found = told.found_by(detect);
        assert_eq!((found[0].cause, found[0].edge_status), (TLS_HANDSHAKE_FAILURE, Some(520)));
        assert!(found[0].summary.contains("\"HTTP/\""), "{}", found[0].summary);
    }
}
