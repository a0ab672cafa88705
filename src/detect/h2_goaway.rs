//! The origin ends an HTTP/2 connection while streams wait for their answer.

use super::case::request_name;
use super::{Actor, Case, Cause, Evidence, Finding, Scope};
use crate::timeline::{Ending, Exchange, GoAway, PacketRef, Peer, RstSender};

pub(super) const CAUSES: &[Cause] = &[H2_GOAWAY];

const H2_GOAWAY: Cause = Cause("h2-goaway");

/// GOAWAY by the origin leaves an open stream incomplete (RFC 9113 section 6.8), or its FIN leaves one unanswered: a
/// response that the FIN cuts is told in `truncated_response.rs`.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let goaway = case.line.goaway(Peer::Origin);
    case.unfinished()
        .filter(|exchange| exchange.stream.is_some() && (goaway.is_some() || exchange.response.is_none()))
        .filter_map(|exchange| judge(case, exchange, goaway))
        .collect()
}

fn judge(case: &Case<'_>, exchange: &Exchange, goaway: Option<&GoAway>) -> Option<Finding> {
    let stream = exchange.stream?;
    // A close that crosses the request leaves it unanswered, too; on an idle connection it is a race.
    let close = case.line.crossed_close(exchange).or_else(|| case.line.ending(exchange));
    let closed = match close {
        Some(Ending::Closed { from: Peer::Origin, packet, .. }) => Some((packet, "closed the connection")),
        // Frames of the edge that it left unread turn its close into a reset: after GOAWAY that is the same.
        Some(Ending::Reset { from: Peer::Origin, rst })
            if rst.sender == RstSender::Claimed
                && goaway.is_some_and(|goaway| goaway.packet.number <= rst.packet.number) =>
        {
            Some((rst.packet, "reset the connection"))
        }
        _ => None,
    };
    let (at, how, evidence) = match (goaway, closed) {
        (Some(goaway), closed) if closed.is_some() || goaway.last_stream < stream => {
            let told = format!("GOAWAY {}, last stream {}", goaway.error, goaway.last_stream);
            (goaway.packet, format!("sent {told}"), Evidence::new(goaway.packet, format!("the origin sends {told}")))
        }
        (_, Some((packet, how))) => {
            (packet, how.to_owned(), Evidence::new(packet, format!("the origin {how}, without GOAWAY")))
        }
        _ => return None,
    };
    Some(finding(case, exchange, stream, at, &how, evidence))
}

fn finding(case: &Case<'_>, exchange: &Exchange, stream: u32, at: PacketRef, how: &str, evidence: Evidence) -> Finding {
    let state = match &exchange.response {
        Some(response) => format!("incomplete at {} body bytes", response.body_bytes),
        None => "unanswered".to_owned(),
    };
    let mut evidence = vec![case.request_sent(exchange), evidence];
    evidence.sort_by_key(|evidence| evidence.packet.number);
    Finding {
        cause: H2_GOAWAY,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: case.confidence(exchange),
        summary: format!("The origin {how} and left {} (stream {stream}) {state}.", request_name(exchange)),
        evidence,
        edge_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::{H2Error, RstLook};

    fn goaway(told: Told, last_stream: u32) -> Told {
        told.with(|told| {
            let packet = told.packet();
            let goaway =
                GoAway { packet, from: Peer::Origin, last_stream, error: H2Error::NO_ERROR, debug: String::new() };
            told.line.h2.get_or_insert_default().goaways.push(goaway);
        })
    }

    #[test]
    fn a_stream_above_the_last_one_of_goaway_is_left_unanswered() {
        let told = goaway(connected().request("GET", "/").on_stream(5), 3);
        assert_eq!(told.causes(detect), ["h2-goaway"]);
    }

    #[test]
    fn a_stream_that_goaway_promises_to_answer_fails_only_when_the_connection_ends() {
        let promised = || goaway(connected().request("GET", "/").on_stream(5), 5);
        assert!(promised().found_by(detect).is_empty());
        assert_eq!(promised().fin(Peer::Origin).causes(detect), ["h2-goaway"]);
    }

    #[test]
    fn a_close_with_frames_unread_is_a_reset_and_still_follows_from_goaway() {
        let told = goaway(connected().request("GET", "/").on_stream(5), 5).rst(Peer::Origin, RstLook::Abort);
        assert_eq!(told.causes(detect), ["h2-goaway"]);
        let told = connected().request("GET", "/").on_stream(5).rst(Peer::Origin, RstLook::Abort);
        assert!(told.found_by(detect).is_empty());
    }

    #[test]
    fn a_graceful_end_after_every_answer_is_none() {
        let told = goaway(connected().request("GET", "/").on_stream(1).response(200, 5, 5), 1);
        assert!(told.fin(Peer::Origin).found_by(detect).is_empty());
    }
}
