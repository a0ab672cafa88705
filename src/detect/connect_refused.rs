//! The origin's host refuses the connection.

use super::case::between;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Scope};
use crate::timeline::{RstSender, Start, Vantage};

pub(super) const CAUSES: &[Cause] = &[CONNECT_REFUSED];

const CONNECT_REFUSED: Cause = Cause("connect-refused");

/// SYN answered by RST: nothing listens there, or a firewall rejects.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let line = case.line;
    let (Start::Refused, Some(syn), Some(rst)) =
        (line.start, line.connect.syns.last(), line.direction.origin.rsts.first())
    else {
        return Vec::new();
    };
    if !case.is_web_traffic() {
        return Vec::new();
    }
    let usual = case.origin().and_then(|origin| origin.ttl);
    let foreign = rst.sender == RstSender::Middlebox || usual.is_some_and(|usual| usual != rst.ttl);
    // Other SYNs are in the capture before and after a router, and this one only before.
    let stopped = case.origin().is_some_and(|origin| origin.forwarded) && line.copies.packets == 0;
    let (actor, who, confidence) = if stopped {
        (Actor::Middlebox, "the router that this was captured on rejects it, and forwards others", Confidence::Likely)
    } else if foreign {
        (
            Actor::Middlebox,
            "a box between answers in the origin's name (its TTL is not the origin's)",
            Confidence::Likely,
        )
    } else if line.vantage == Vantage::Origin {
        (Actor::Origin, "nothing listens on that port, or the host's own firewall rejects", Confidence::Certain)
    } else {
        let confidence = if usual.is_some() { Confidence::Certain } else { Confidence::Likely };
        (Actor::Origin, "nothing listens on that port, or a firewall rejects in its name", confidence)
    };
    vec![Finding {
        cause: CONNECT_REFUSED,
        scope: Scope::Connection,
        at: rst.packet,
        actor,
        confidence,
        summary: format!(
            "The edge's SYN to {} was answered by a reset after {}: {who}.",
            line.endpoint.origin,
            between(*syn, rst.packet),
        ),
        evidence: vec![
            Evidence::new(*syn, format!("SYN to port {}", line.endpoint.origin.port)),
            Evidence::new(rst.packet, format!("RST in answer: {who}")),
        ],
        edge_status: None,
    }]
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, knocking};
    use super::*;
    use crate::timeline::{Peer, RstLook};

    fn refused() -> Told {
        knocking(1).rst(Peer::Origin, RstLook::Refusal).with(|told| told.line.start = Start::Refused)
    }

    #[test]
    fn a_syn_answered_by_a_reset_is_refused() {
        let found = refused().found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].cause, found[0].actor), (CONNECT_REFUSED, Actor::Origin));
    }

    #[test]
    fn a_refusal_with_another_ttl_than_the_origins_came_from_a_box_between() {
        let told = refused().with(|told| {
            told.facts().ttl = Some(57);
        });
        assert_eq!(told.found_by(detect)[0].actor, Actor::Middlebox);
    }
}
