//! A header section, or one field line, above the edge's limits.

use super::case::request_name;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Reaction, Scope};
use crate::timeline::{Exchange, Response};

pub(super) const CAUSES: &[Cause] = &[HEADER_TOO_LARGE, HEADERS_TOO_LARGE];

const HEADER_TOO_LARGE: Cause = Cause("header-too-large");
const HEADERS_TOO_LARGE: Cause = Cause("headers-too-large");

/// A response beyond a limit, unless the edge took it and went on: then its limit is higher.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for exchange in &case.line.exchanges {
        let Some(response) = &exchange.response else { continue };
        let reaction = case.reaction(exchange);
        if matches!(reaction, Reaction::CarriedOn(_)) {
            continue;
        }
        // What the edge took before it takes again.
        let taken = case.origin().map_or((0, 0, 0), |it| (it.taken_field, it.taken_head, it.taken_fields));
        // An edge's number of fields is documented by none: it counts where the edge is seen to leave.
        let fields = exchange.stream.is_none() && matches!(reaction, Reaction::Left(_));
        let too_many = u64::from(response.fields) > case.edge.fields_limit && response.fields > taken.2;
        if response.largest_field > case.edge.header_limit.max(taken.0) {
            let name = &response.largest_field_name;
            let what = format!(
                "one header line ({name}) of {} bytes, the edge takes {}",
                response.largest_field, case.edge.header_limit
            );
            findings.push(finding(case, exchange, response, HEADER_TOO_LARGE, &what, reaction));
        } else if response.head_bytes > case.edge.headers_limit.max(taken.1) {
            let what = format!(
                "a header section of {} bytes in {} fields, the edge takes {} bytes",
                response.head_bytes, response.fields, case.edge.headers_limit
            );
            findings.push(finding(case, exchange, response, HEADERS_TOO_LARGE, &what, reaction));
        } else if fields && too_many {
            let what = format!("{} fields, the edge takes {}", response.fields, case.edge.fields_limit);
            let found = finding(case, exchange, response, HEADERS_TOO_LARGE, &what, reaction);
            findings.push(Finding { confidence: found.confidence.min(Confidence::Likely), ..found });
        }
    }
    findings
}

fn finding(
    case: &Case<'_>,
    exchange: &Exchange,
    response: &Response,
    cause: Cause,
    what: &str,
    reaction: Reaction,
) -> Finding {
    let at = response.head_end.map_or(response.latest.packet, |end| end.packet);
    let mut evidence = vec![
        case.request_sent(exchange),
        Evidence::new(response.start.packet, "the response begins"),
        Evidence::new(at, format!("its head: {what}")),
    ];
    let left = match reaction {
        Reaction::Left(packet) => {
            evidence.push(Evidence::new(packet, "the edge leaves the connection"));
            // A FIN after a whole response is how every connection ends.
            response.end.is_none() || case.is_reset(packet)
        }
        _ => false,
    };
    Finding {
        cause,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: if left { case.confidence(exchange) } else { Confidence::Likely },
        summary: format!("The origin's response to {} has {what}.", request_name(exchange)),
        evidence,
        edge_status: None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Told, connected};
    use super::*;
    use crate::timeline::Peer;

    fn with_head(field: u64, head: u64) -> Told {
        connected().request("GET", "/").response(200, 5, 5).with(|told| {
            told.last_response().largest_field = field;
            told.last_response().head_bytes = head;
        })
    }

    #[test]
    fn one_line_above_its_limit_is_the_cause_even_if_the_section_is_too_large_as_well() {
        assert_eq!(with_head(20_000, 40_000).fin(Peer::Edge).causes(detect), ["header-too-large"]);
        assert_eq!(with_head(9_000, 40_000).fin(Peer::Edge).causes(detect), ["headers-too-large"]);
    }

    #[test]
    fn a_head_within_the_limits_is_none() {
        assert!(with_head(16_384, 32_768).fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn many_small_fields_count_where_the_edge_left() {
        let told =
            || connected().request("GET", "/").response(200, 5, 5).with(|told| told.last_response().fields = 300);
        assert_eq!(told().fin(Peer::Edge).causes(detect), ["headers-too-large"]);
        assert!(told().fin(Peer::Origin).found_by(detect).is_empty());
        let told = told().with(|told| told.facts().taken_fields = 300);
        assert!(told.fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn an_edge_that_took_the_head_has_higher_limits() {
        let told = with_head(20_000, 40_000).request("GET", "/next").response(200, 5, 5);
        assert!(told.found_by(detect).is_empty());
    }
}
