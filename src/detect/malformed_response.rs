//! A response whose head or chunk framing breaks RFC 9112.

use super::case::request_name;
use super::http09_response::quote;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Reaction, Scope};
use crate::timeline::{Deviation, Exchange, Rule};

pub(super) const CAUSES: &[Cause] = &[
    MALFORMED_STATUS_LINE,
    INVALID_STATUS_CODE,
    MALFORMED_HEADER,
    DUPLICATE_HEADER,
    CONFLICTING_FRAMING,
    MALFORMED_CHUNK,
];

const MALFORMED_STATUS_LINE: Cause = Cause("malformed-status-line");
const INVALID_STATUS_CODE: Cause = Cause("invalid-status-code");
const MALFORMED_HEADER: Cause = Cause("malformed-header");
const DUPLICATE_HEADER: Cause = Cause("duplicate-header");
const CONFLICTING_FRAMING: Cause = Cause("conflicting-framing");
const MALFORMED_CHUNK: Cause = Cause("malformed-chunk");

/// The first rule of each kind that a response broke, unless the edge took the response: it tolerates the rule
/// and did not leave, or it went on with the connection.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.line.exchanges.iter().flat_map(|exchange| judge(case, exchange)).collect()
}

fn judge(case: &Case<'_>, exchange: &Exchange) -> Vec<Finding> {
    let Some(response) = &exchange.response else { return Vec::new() };
    let reaction = case.reaction(exchange);
    let mut findings: Vec<Finding> = Vec::new();
    for deviation in &response.deviations {
        let Some(cause) = cause(deviation.rule) else { continue };
        let known = findings.iter().any(|finding| finding.cause == cause);
        if known || taken(case, deviation.rule, reaction) {
            continue;
        }
        findings.push(finding(case, exchange, deviation, cause, reaction));
    }
    findings
}

/// True where the edge could live with it: what RFC 9112 forbids but the edge's parser takes counts only where
/// the edge left.
fn taken(case: &Case<'_>, rule: Rule, reaction: Reaction) -> bool {
    let by_this_connection = match reaction {
        Reaction::CarriedOn(_) => true,
        Reaction::Left(_) => false,
        Reaction::Unknown => case.edge.tolerates.contains(&rule),
    };
    by_this_connection || case.origin().is_some_and(|origin| origin.taken.contains(&rule))
}

fn finding(case: &Case<'_>, exchange: &Exchange, deviation: &Deviation, cause: Cause, reaction: Reaction) -> Finding {
    let rule = deviation.rule;
    let at = deviation.mark.packet;
    let quoted = quote(&deviation.bytes);
    let mut evidence = vec![
        case.request_sent(exchange),
        Evidence::new(at, format!("byte {} of the response {}: \"{quoted}\"", deviation.at, rule.text())),
    ];
    if let Reaction::Left(packet) = reaction {
        evidence.push(Evidence::new(packet, "the edge leaves the connection"));
    }
    let tolerated = case.edge.tolerates.contains(&rule);
    Finding {
        cause,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: if tolerated { Confidence::Likely } else { case.confidence(exchange) },
        summary: format!(
            "The origin's response to {} {}: \"{quoted}\" ({}).",
            request_name(exchange),
            rule.text(),
            rule.section(),
        ),
        evidence,
        edge_status: None,
    }
}

/// The cause that a broken rule of HTTP/1 belongs to.
fn cause(rule: Rule) -> Option<Cause> {
    Some(match rule {
        Rule::EmptyLineFirst
        | Rule::VersionMalformed
        | Rule::StatusCodeMissing
        | Rule::StatusLineMalformed
        | Rule::ReasonPhraseControl => MALFORMED_STATUS_LINE,
        Rule::StatusCodeNotThreeDigits | Rule::StatusCodeOutOfRange => INVALID_STATUS_CODE,
        Rule::LineFeedAlone
        | Rule::BareCarriageReturn
        | Rule::FieldNoColon
        | Rule::FieldNameEmpty
        | Rule::FieldSpaceBeforeColon
        | Rule::FieldNameNotToken
        | Rule::SpaceBeforeFirstField
        | Rule::FieldValueNul
        | Rule::FieldValueControl
        | Rule::FoldedLine => MALFORMED_HEADER,
        Rule::DuplicateField => DUPLICATE_HEADER,
        Rule::ContentLengthDiffers
        | Rule::ContentLengthMalformed
        | Rule::TransferEncodingAndLength
        | Rule::TransferEncodingUnknown
        | Rule::TransferEncodingInHttp10 => CONFLICTING_FRAMING,
        Rule::ChunkSizeMalformed
        | Rule::ChunkSizeTooLarge
        | Rule::ChunkLineEnd
        | Rule::ChunkExtensionMalformed
        | Rule::ChunkDataEnd
        | Rule::TrailerMalformed => MALFORMED_CHUNK,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::connected;
    use super::*;
    use crate::timeline::{Peer, RstLook};

    #[test]
    fn a_broken_rule_is_named_with_its_bytes_and_its_section() {
        let told = connected().request("GET", "/").response(200, 5, 5).breaking(Rule::FieldNoColon, b"X-Broken value");
        let found = told.fin(Peer::Edge).found_by(detect);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].cause, MALFORMED_HEADER);
        assert!(found[0].summary.contains("\"X-Broken value\" (RFC 9112 section 5)"), "{}", found[0].summary);
    }

    #[test]
    fn what_the_edge_tolerates_counts_only_where_it_left() {
        let told = || connected().request("GET", "/").response(200, 5, 5).breaking(Rule::LineFeedAlone, b"A: b\n");
        assert!(told().fin(Peer::Origin).fin(Peer::Edge).found_by(detect).is_empty());
        assert_eq!(told().rst(Peer::Edge, RstLook::Abort).causes(detect), ["malformed-header"]);
    }

    #[test]
    fn a_response_after_which_the_edge_carried_on_was_taken() {
        let told = connected().request("GET", "/").response(200, 5, 5).breaking(Rule::FieldNoColon, b"X");
        assert!(told.request("GET", "/next").response(200, 5, 5).found_by(detect).is_empty());
    }

    #[test]
    fn what_the_edge_took_before_it_takes_again() {
        let told = connected().with(|told| {
            told.facts().taken.insert(Rule::FieldNoColon);
        });
        let told = told.request("GET", "/").response(200, 5, 5).breaking(Rule::FieldNoColon, b"X");
        assert!(told.fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn every_rule_of_http_1_belongs_to_a_cause_or_harms_nobody() {
        let harmless = [Rule::NoStatusLine, Rule::FramingWhereNoBody, Rule::UpgradeNotAsked];
        for &rule in Rule::ALL {
            let name = format!("{rule:?}");
            let http2 = name.starts_with("H2") || name.starts_with("Hpack");
            assert_eq!(cause(rule).is_some(), !http2 && !harmless.contains(&rule), "{name}");
        }
    }
}
