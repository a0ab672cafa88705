//! A TLS handshake that ends without an alert: by a reset, a close, or silence.

use super::case::between;
use super::negotiation::{edge_owed_answer, negotiation};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{AlertDescription, Close, HandshakePhase, IDLE_S, PacketRef, Peer, RstSender, Tls};

pub(super) const CAUSES: &[Cause] = &[TLS_HANDSHAKE_RESET, TLS_HANDSHAKE_CLOSED, TLS_HANDSHAKE_TIMEOUT];

const TLS_HANDSHAKE_RESET: Cause = Cause("tls-handshake-reset");
const TLS_HANDSHAKE_CLOSED: Cause = Cause("tls-handshake-closed");
const TLS_HANDSHAKE_TIMEOUT: Cause = Cause("tls-handshake-timeout");

/// An edge that leaves sooner than this during a handshake was called off; nobody's timeout is shorter.
const LEAST_WAIT_S: f64 = 2.0;

/// The handshake had begun, is not done, and no alert says why.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let Some(tls) = &case.line.tls else { return Vec::new() };
    let began = tls.client_hello.is_some() && !tls.joined_late && tls.not_tls.is_none();
    let Some(close) = case.line.closes().next() else { return Vec::new() };
    let mut alerts = tls.alerts.iter().filter(|alert| alert.description.is_none() || alert.fatal());
    let said_why = alerts.any(|alert| alert.packet.number <= close.packet().number);
    let stands = tls.phase >= HandshakePhase::Established;
    if !began || said_why || case.line.has_holes() || (stands && !turned_away(case, tls, close)) {
        return Vec::new();
    }
    if let Some(packet) = said_goodbye(tls, close.packet()) {
        return vec![broken(case, tls, TLS_HANDSHAKE_CLOSED, packet, "closed the connection (close_notify)")];
    }
    let finding = match close {
        Close::Rst { from: Peer::Origin, rst } if rst.sender == RstSender::Claimed => {
            broken(case, tls, TLS_HANDSHAKE_RESET, rst.packet, "reset the connection")
        }
        Close::Fin { from: Peer::Origin, fin } => {
            broken(case, tls, TLS_HANDSHAKE_CLOSED, fin.packet, "closed the connection (FIN)")
        }
        Close::Fin { from: Peer::Edge, .. } | Close::Rst { from: Peer::Edge, .. } => {
            return timed_out(case, tls, close.packet()).into_iter().collect();
        }
        Close::Rst { .. } => return Vec::new(),
    };
    vec![finding]
}

/// The origin leaves a connection without a request as soon as it stands: nobody left it idle. As a rule it is a proxy
/// that terminates TLS, and found nobody behind itself.
fn turned_away(case: &Case<'_>, tls: &Tls, close: Close<'_>) -> bool {
    let at_once = tls.handshake_done.is_some_and(|done| close.packet().seconds_since(done) < IDLE_S);
    let edge_said = tls.alerts.iter().any(|alert| alert.from == Peer::Edge);
    close.from() == Peer::Origin && at_once && !edge_said && case.line.exchanges.is_empty()
}

/// The origin's close_notify, or what it says before one, before either side closed.
fn said_goodbye(tls: &Tls, closed: PacketRef) -> Option<PacketRef> {
    let first = tls.alerts.first().filter(|alert| alert.packet.number < closed.number)?;
    let closing = first.description.is_some_and(AlertDescription::is_close);
    (first.from == Peer::Origin && closing).then_some(first.packet)
}

fn broken(case: &Case<'_>, tls: &Tls, cause: Cause, at: PacketRef, did: &str) -> Finding {
    let mut evidence = negotiation(case, tls);
    evidence.push(Evidence::new(at, format!("the origin {did} {}, and sent no alert that says why", tls.phase)));
    // Behind a handshake that is done nobody can tell whether a request was due, and it is no failed handshake.
    let (confidence, edge_status) = match tls.phase {
        HandshakePhase::Established => (Confidence::Likely, Some(520)),
        _ => (Confidence::Certain, None),
    };
    Finding {
        cause,
        scope: Scope::Connection,
        at,
        actor: Actor::Origin,
        confidence,
        summary: format!(
            "The origin {} {did} {} and sent no alert that says why.",
            case.line.endpoint.origin, tls.phase,
        ),
        evidence,
        edge_status,
    }
}

/// The edge leaves though it was the origin's turn to speak.
fn timed_out(case: &Case<'_>, tls: &Tls, left: PacketRef) -> Option<Finding> {
    let line = case.line;
    if edge_owed_answer(case, tls, left) {
        // The origin had said all that it had to say.
        return None;
    }
    let latest = [line.direction.edge.last_data, line.direction.origin.last_data].into_iter().flatten();
    let since = latest.filter(|packet| packet.number < left.number).max_by_key(|packet| packet.number)?;
    if left.seconds_since(since) < LEAST_WAIT_S {
        return None;
    }
    let mut evidence = negotiation(case, tls);
    evidence.push(Evidence::new(since, "the last bytes of either side"));
    evidence.push(Evidence::new(left, format!("the edge gives up after {}", between(since, left))));
    Some(Finding {
        cause: TLS_HANDSHAKE_TIMEOUT,
        scope: Scope::Connection,
        at: left,
        actor: Actor::Origin,
        confidence: Confidence::Likely,
        summary: format!(
            "The origin {} fell silent {}; the edge gave up after {}.",
            line.endpoint.origin,
            tls.phase,
            between(since, left),
        ),
        evidence,
        edge_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::{Alert, ClientHello, RstLook, ServerHello};

    /// A ClientHello, and the origin's part of the handshake where `phase` says so.
    fn begun(phase: HandshakePhase) -> Told {
        connected().with(|told| {
            let [hello, answer] = [told.packet(), told.packet()];
            told.line.direction.edge.last_data = Some(hello);
            let tls = told.line.tls.get_or_insert_default();
            tls.client_hello = Some(ClientHello { packet: hello, ..ClientHello::default() });
            tls.phase = phase;
            if phase >= HandshakePhase::ServerHello {
                tls.server_hello = Some(ServerHello { packet: answer, ..ServerHello::default() });
                told.line.direction.origin.last_data = Some(answer);
            }
        })
    }

    #[test]
    fn an_origin_that_falls_silent_timed_out() {
        let told = begun(HandshakePhase::ClientHello).after(3.0).fin(Peer::Edge);
        assert_eq!(told.causes(detect), ["tls-handshake-timeout"]);
        let told = begun(HandshakePhase::ServerHello).after(3.0).fin(Peer::Edge);
        assert_eq!(told.causes(detect), ["tls-handshake-timeout"]);
    }

    #[test]
    fn an_edge_whose_turn_it_was_blames_nobody() {
        let told = begun(HandshakePhase::ServerDone).after(3.0).fin(Peer::Edge);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_connection_that_is_left_as_soon_as_it_stands_was_turned_away() {
        let stands = || {
            begun(HandshakePhase::Established).with(|told| {
                let done = told.packet();
                told.line.tls.get_or_insert_default().handshake_done = Some(done);
            })
        };
        assert_eq!(stands().rst(Peer::Origin, RstLook::Abort).causes(detect), ["tls-handshake-reset"]);
        assert_eq!(stands().fin(Peer::Origin).causes(detect), ["tls-handshake-closed"]);
        assert!(stands().after(1.5).fin(Peer::Origin).found_by(detect).is_empty(), "idle");
        assert!(stands().fin(Peer::Edge).fin(Peer::Origin).found_by(detect).is_empty(), "a probe");
        let asked = stands().request("GET", "/").rst(Peer::Origin, RstLook::Abort);
        assert!(asked.found_by(detect).is_empty(), "a request is another matter");
    }

    #[test]
    fn a_close_notify_in_answer_to_the_hello_closes_the_handshake() {
        let goodbye = |told: &mut Told| {
            let packet = told.packet();
            let tls = told.line.tls.get_or_insert_default();
            let description = Some(AlertDescription::CLOSE_NOTIFY);
            tls.alerts.push(Alert { packet, from: Peer::Origin, level: Some(1), description, phase: tls.phase });
        };
        let told = begun(HandshakePhase::ClientHello).with(goodbye).fin(Peer::Edge);
        assert_eq!(told.causes(detect), ["tls-handshake-closed"]);
        let after = begun(HandshakePhase::ClientHello).fin(Peer::Edge).with(goodbye);
        assert!(after.found_by(detect).is_empty());
    }
}
