//! A box between, or a restarted origin, forgot an idle connection that the edge still believed in.

use super::case::{between, request_name};
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Ending, Exchange, Peer, RstLook, RstSender, RstSign, Vantage};

pub(super) const CAUSES: &[Cause] = &[IDLE_CONNECTION_DROPPED];

const IDLE_CONNECTION_DROPPED: Cause = Cause("idle-connection-dropped");

/// Shorter pauses between two exchanges are no idleness.
const IDLE_NS: i64 = 100_000_000;

/// A box that answers for a connection in the origin's name forgot it at the earliest after this time.
const FORGOTTEN_NS: i64 = 1_000_000_000;

/// Times that a request is sent before silence counts as an answer.
const SILENT_SENDS: u32 = 3;

/// No FIN was seen, the connection was idle, and the next request meets a host that no longer knows the
/// connection: a RST without acknowledgment, or silence.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.unanswered().filter_map(|exchange| forgotten(case, exchange).or_else(|| silent(case, exchange))).collect()
}

fn forgotten(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let Some(Ending::Reset { from: Peer::Origin, rst }) = case.line.ending(exchange) else { return None };
    let since = case.idle_since(exchange)?;
    let request = exchange.request.start.packet;
    let idle = request.time.nanos_since(since.time);
    let closed_before = !case.line.direction.origin.fins.is_empty();
    // A box that rejects what it reads does so at once; one that forgot a connection needs time for it.
    let least = if rst.sender == RstSender::Claimed { IDLE_NS } else { FORGOTTEN_NS };
    let outlived = case.origin().is_some_and(|origin| origin.longest_reuse_ns > idle);
    let rejected = rst.sender == RstSender::Middlebox && outlived;
    // What was forgotten before the request came is told at its first sending.
    let repeated = case.line.direction.edge.stuck.is_some_and(|stuck| stuck.offset <= exchange.request.start.offset);
    let rejected = rejected || (repeated && idle < FORGOTTEN_NS);
    // A host that acknowledges the request knows the connection.
    let known = case.line.delivered(Peer::Edge, exchange.request.start.offset.saturating_add(1));
    if closed_before || known || rst.look != RstLook::NoConnection || rejected || idle < least {
        return None;
    }
    let own_ttl = rst.signs.iter().any(|sign| matches!(sign, RstSign::TtlFits { .. }));
    let (actor, who) = match case.line.vantage {
        _ if rst.sender == RstSender::Middlebox => {
            (Actor::Middlebox, "a box between answered in the origin's name, for it no longer knew the connection")
        }
        Vantage::Origin => (Actor::Origin, "the origin's kernel no longer knew the connection (restarted?)"),
        _ if own_ttl => (Actor::Origin, "the origin's host no longer knew the connection (restarted?)"),
        _ => (Actor::Middlebox, "whoever answered for the origin no longer knew the connection"),
    };
    Some(Finding {
        cause: IDLE_CONNECTION_DROPPED,
        scope: Scope::Exchange(exchange.number),
        at: rst.packet,
        actor,
        confidence: Confidence::Likely,
        summary: format!(
            "The connection was idle for {} and never closed, yet {} was answered by a reset: {who}.",
            between(since, request),
            request_name(exchange),
        ),
        evidence: vec![
            Evidence::new(since, "the last response is complete; the connection is idle from here, and no FIN follows"),
            case.request_sent(exchange),
            Evidence::new(rst.packet, "RST without acknowledgment, as for an unknown connection (RFC 9293 3.10.7.1)"),
        ],
        edge_status: None,
    })
}

fn silent(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let since = case.idle_since(exchange)?;
    let request = exchange.request.start;
    let stuck = case.line.direction.edge.stuck?;
    let idle = request.packet.time.nanos_since(since.time);
    let heard = case.line.direction.origin.last_data.is_some_and(|last| last.number > request.packet.number)
        || case.rejections(Peer::Edge).next().is_some();
    if stuck.offset > request.offset || stuck.sends < SILENT_SENDS || idle < IDLE_NS || heard {
        return None;
    }
    let (actor, who) = match case.line.vantage {
        Vantage::Origin => (Actor::Origin, "it reached this host, and its own firewall no longer knows the connection"),
        _ => (Actor::Middlebox, "a box between no longer forwards the connection"),
    };
    Some(Finding {
        cause: IDLE_CONNECTION_DROPPED,
        scope: Scope::Exchange(exchange.number),
        at: request.packet,
        actor,
        confidence: Confidence::Possible,
        summary: format!(
            "The connection was idle for {}, then {} was sent {} times without any answer: {who}.",
            between(since, request.packet),
            request_name(exchange),
            stuck.sends,
        ),
        evidence: vec![
            Evidence::new(since, "the last response is complete; the connection is idle from here, and no FIN follows"),
            case.request_sent(exchange),
            Evidence::new(stuck.last, format!("sent for the {}th time, never acknowledged", stuck.sends)),
        ],
        edge_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::Stuck;

    #[test]
    fn an_idle_connection_that_nobody_knows_any_more_was_dropped() {
        let told = connected().request("GET", "/").response(200, 5, 5).after(60.0).request("GET", "/next");
        let told = told.with(unacknowledged).rst(Peer::Origin, RstLook::NoConnection);
        let found = told.found_by(detect);
        assert_eq!(found.len(), 1);
        assert!(found[0].summary.contains("idle for 60.001 s"), "{}", found[0].summary);
    }

    /// Nothing of the last request was acknowledged.
    fn unacknowledged(told: &mut Told) {
        told.line.direction.edge.acked = told.exchange().request.start.offset;
    }

    #[test]
    fn a_box_that_answers_in_the_origins_name_after_a_long_pause_forgot_the_connection() {
        let after = |seconds: f64| {
            let told = connected().request("GET", "/").response(200, 5, 5).after(seconds).request("GET", "/next");
            told.with(unacknowledged).rst(Peer::Origin, RstLook::NoConnection).with(|told| {
                told.line.direction.origin.rsts[0].sender = RstSender::Middlebox;
            })
        };
        assert_eq!(after(4.0).found_by(detect)[0].actor, Actor::Middlebox);
        assert!(after(0.3).found_by(detect).is_empty(), "it rejected what it read");
        let outlived = after(4.0).with(|told| told.facts().longest_reuse_ns = 9_000_000_000);
        assert!(outlived.found_by(detect).is_empty(), "others were idle for longer, and it knew them");
    }

    #[test]
    fn a_host_that_acknowledged_the_request_knew_the_connection() {
        let told = connected().request("GET", "/").response(200, 5, 5).after(4.0).request("GET", "/next");
        assert!(told.rst(Peer::Origin, RstLook::NoConnection).found_by(detect).is_empty());
    }

    #[test]
    fn after_a_fin_it_is_a_race_and_was_not_dropped() {
        let told = connected().request("GET", "/").response(200, 5, 5).after(60.0).fin(Peer::Origin);
        let told = told.request("GET", "/next").rst(Peer::Origin, RstLook::NoConnection);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn an_application_that_aborts_still_knows_the_connection() {
        let told = connected().request("GET", "/").response(200, 5, 5).after(60.0).request("GET", "/next");
        assert!(told.rst(Peer::Origin, RstLook::Abort).found_by(detect).is_empty());
    }

    #[test]
    fn a_request_on_an_idle_connection_that_meets_silence_was_dropped_on_the_way() {
        let told = connected().request("GET", "/").response(200, 5, 5).after(400.0).request("GET", "/next");
        let told = told.after(30.0).with(|told| {
            let (offset, first) = (told.exchange().request.start.offset, told.exchange().request.start.packet);
            let last = told.packet();
            told.line.direction.edge.stuck = Some(Stuck { offset, len: 100, sends: 6, first, last });
        });
        assert_eq!(told.causes(detect), ["idle-connection-dropped"]);
    }
}
