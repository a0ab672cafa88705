//! A box between edge and origin forges a RST.

use super::case::request_name;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{Close, Exchange, HandshakePhase, Mark, PacketRef, Peer, Rst, RstSender, RstSign, Visibility};

pub(super) const CAUSES: &[Cause] = &[MIDDLEBOX_RESET];

const MIDDLEBOX_RESET: Cause = Cause("middlebox-reset");

/// A RST that its claimed sender did not send, while something was under way: an exchange, a TLS handshake, or
/// the connection itself. On an idle connection it hurts nobody.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let forged = case.line.closes().find_map(|close| match close {
        Close::Rst { from, rst } if rst.sender == RstSender::Middlebox => Some((from, rst)),
        _ => None,
    });
    let Some((from, rst)) = forged.filter(|_| !case.line.never_established()) else { return Vec::new() };
    let Some((scope, status, what)) = interrupted(case, from, rst) else { return Vec::new() };
    let reasons = rst.signs.iter().filter(|sign| !matches!(sign, RstSign::TtlFits { .. }));
    let reasons: Vec<String> = reasons.map(ToString::to_string).collect();
    let mut evidence = Vec::new();
    if let Scope::Exchange(number) = scope
        && let Some(exchange) = case.line.exchange(number)
    {
        evidence.push(case.request_sent(exchange));
    }
    evidence.push(Evidence::new(
        rst.packet,
        format!("RST that carries the {from}'s address but is not its own: {}", reasons.join("; ")),
    ));
    if let Some(packet) = carried_on(rst) {
        evidence.push(Evidence::new(packet, format!("the {from} goes on as if it had sent no RST")));
    }
    vec![Finding {
        cause: MIDDLEBOX_RESET,
        scope,
        at: rst.packet,
        actor: Actor::Middlebox,
        confidence: if carried_on(rst).is_some() { Confidence::Certain } else { Confidence::Likely },
        summary: format!(
            "A box between edge and origin cut {what} with a forged reset in the {from}'s name: {}.",
            reasons.join("; "),
        ),
        evidence,
        edge_status: Some(status),
    }]
}

fn carried_on(rst: &Rst) -> Option<PacketRef> {
    rst.signs.iter().find_map(|sign| match sign {
        RstSign::SenderCarriesOn { packet } => Some(*packet),
        _ => None,
    })
}

/// What was under way when the RST came, with the status that the edge shows for it.
fn interrupted(case: &Case<'_>, from: Peer, rst: &Rst) -> Option<(Scope, u16, String)> {
    let (line, at) = (case.line, rst.packet);
    // A box on the way may answer a request before the request has come to the place of the capture: its RST
    // then stands behind the request in sequence space.
    let known_to_box = match from {
        Peer::Edge => Some(rst.offset),
        Peer::Origin => rst.acked,
    };
    let open = |exchange: &&Exchange| {
        let done = exchange.response.as_ref().and_then(|response| response.end);
        let start = exchange.request.start;
        let begun = start.packet.number < at.number || known_to_box.is_some_and(|known| known > start.offset as i64);
        // A response that was cut on its way is whole where the origin sent it.
        let arrived = |end: Mark| end.packet.number < at.number && line.delivered(Peer::Origin, end.offset);
        begun && exchange.visibility != Visibility::Obscured && !done.is_some_and(arrived)
    };
    if let Some(exchange) = line.exchanges.iter().find(open) {
        return Some((Scope::Exchange(exchange.number), 520, request_name(exchange)));
    }
    if let Some(tls) = &line.tls
        && !tls.joined_late
        && tls.phase < HandshakePhase::Established
    {
        return Some((Scope::Connection, 525, "the TLS handshake".to_owned()));
    }
    // The host of a port scanner that makes its own SYNs knows of none, and resets what answers them.
    if from == Peer::Edge && line.connect.ack.is_none() && line.direction.edge.first_data.is_none() {
        return None;
    }
    let established = line.connect.established() || line.direction.origin.first_data.is_some();
    (!established && !line.connect.syns.is_empty()).then(|| (Scope::Connection, 521, "the connection".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::RstLook;

    fn forged(told: Told, from: Peer) -> Told {
        told.rst(from, RstLook::Abort).with(|told| {
            let rst = told.line.direction[from].rsts.last_mut().unwrap();
            rst.sender = RstSender::Middlebox;
            rst.signs = vec![RstSign::TtlDiffers { rst: 243, usual: 57 }];
        })
    }

    #[test]
    fn a_forged_reset_cuts_the_exchange_that_is_open() {
        let found = forged(connected().request("GET", "/forbidden"), Peer::Origin).found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].actor, found[0].scope), (Actor::Middlebox, Scope::Exchange(1)));
        assert!(found[0].summary.contains("its TTL is 243"), "{}", found[0].summary);
    }

    #[test]
    fn a_reset_forged_in_the_edges_name_does_too() {
        assert_eq!(forged(connected().request("GET", "/"), Peer::Edge).causes(detect), ["middlebox-reset"]);
    }

    #[test]
    fn a_response_that_the_edge_never_got_was_cut_where_the_origin_sent_it_whole() {
        let told = connected().request("GET", "/forbidden").response(200, 5, 5);
        assert_eq!(forged(told, Peer::Edge).causes(detect), ["middlebox-reset"]);
    }

    #[test]
    fn the_host_of_a_port_scanner_resets_what_it_did_not_open() {
        let scanned = connected().with(|told| told.line.connect.ack = None);
        assert!(forged(scanned, Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn on_an_idle_connection_it_hurts_nobody() {
        let idle = connected().request("GET", "/").response(200, 5, 5);
        let idle = idle.with(|told| told.line.direction.origin.acked = told.line.direction.origin.sent);
        assert!(forged(idle, Peer::Origin).found_by(detect).is_empty());
    }
}
