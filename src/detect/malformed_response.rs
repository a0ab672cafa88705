//! A response whose head or chunk framing breaks RFC 9112.

use super::case::request_name;
use super::http09_response::quote;
use super::{Actor, Case, Cause, Confidence, Evidence, Finding, Reaction, Scope};
use crate::timeline::{Crash, Deviation, Edge, Exchange, Response, Rule};

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

/// The first rule that a response broke, unless the edge took the response: it tolerates the rule and did not
/// leave, or it went on with the connection. A rule that the edge tolerates yields to one that it does not.
pub(super) fn detect(case: &Case<'_>) -> Vec<Finding> {
    case.line.exchanges.iter().filter_map(|exchange| judge(case, exchange)).collect()
}

fn judge(case: &Case<'_>, exchange: &Exchange) -> Option<Finding> {
    let response = exchange.response.as_ref()?;
    let reaction = case.reaction(exchange);
    let broken = response.deviations.iter().filter_map(|deviation| Some((deviation, cause(deviation.rule)?)));
    let fatal = broken.filter(|(deviation, _)| !taken(case, response, deviation, reaction));
    let (first, cause) = fatal.min_by_key(|(deviation, _)| Liking::of(case.edge, deviation.rule))?;
    Some(finding(case, exchange, response, first, cause, reaction))
}

/// How an edge likes a response that breaks a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Liking {
    Refuses,
    /// Some edges of its kind refuse it, others take it.
    Unsure,
    Takes,
}

impl Liking {
    fn of(edge: &Edge, rule: Rule) -> Self {
        match rule {
            _ if edge.tolerates.contains(&rule) => Self::Takes,
            _ if edge.perhaps.contains(&rule) => Self::Unsure,
            _ => Self::Refuses,
        }
    }
}

/// True where the edge could live with it: what RFC 9112 forbids but the edge's parser takes counts only where
/// the edge left.
fn taken(case: &Case<'_>, response: &Response, deviation: &Deviation, reaction: Reaction) -> bool {
    let tolerated = Liking::of(case.edge, deviation.rule) == Liking::Takes;
    let here = match reaction {
        Reaction::CarriedOn(_) => true,
        // A FIN after a whole response is how every connection ends: no complaint about what edges take.
        Reaction::Left(_) | Reaction::Unknown => tolerated && !complained(case, response, reaction),
    };
    let before = || (deviation.rule, deviation.words().to_vec());
    here || case.origin().is_some_and(|origin| origin.taken.contains(&before()))
}

/// True where the edge left inside the response, or by a reset that is none of its habits.
fn complained(case: &Case<'_>, response: &Response, reaction: Reaction) -> bool {
    let Reaction::Left(packet) = reaction else { return false };
    response.end.is_none() || (case.is_reset(packet) && !case.edge.closes_by_reset)
}

fn finding(
    case: &Case<'_>,
    exchange: &Exchange,
    response: &Response,
    deviation: &Deviation,
    cause: Cause,
    reaction: Reaction,
) -> Finding {
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
    let printed = Crash::of(&deviation.bytes).map_or_else(String::new, |crash| format!(", which looks like {crash}"));
    let most = match (Liking::of(case.edge, rule), reaction) {
        (Liking::Refuses, _) => Confidence::Certain,
        (Liking::Unsure, reaction) if complained(case, response, reaction) => Confidence::Certain,
        (Liking::Unsure, Reaction::Unknown) => Confidence::Possible,
        (Liking::Unsure | Liking::Takes, _) => Confidence::Likely,
    };
    Finding {
        cause,
        scope: Scope::Exchange(exchange.number),
        at,
        actor: Actor::Origin,
        confidence: case.confidence(exchange).min(most),
        summary: format!(
            "The origin's response to {} {}: \"{quoted}\"{printed} ({}).",
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
    use super::super::testing::{Told, connected};
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
        assert!(told().fin(Peer::Edge).found_by(detect).is_empty());
        assert_eq!(told().rst(Peer::Edge, RstLook::Abort).causes(detect), ["malformed-header"]);
    }

    #[test]
    fn what_edges_differ_about_is_certain_only_where_this_one_complained() {
        let told = || {
            let told = connected().request("GET", "/").response(200, 5, 5).breaking(Rule::FoldedLine, b"A: b\r\n c");
            told.with(|told| told.edge = Edge::built_in("generic").unwrap())
        };
        let confidence = |told: Told| told.found_by(detect)[0].confidence;
        let cut = |told: Told| told.with(|told| told.last_response().end = None);
        assert_eq!(confidence(cut(told()).fin(Peer::Edge)), Confidence::Certain);
        assert_eq!(confidence(told().fin(Peer::Edge)), Confidence::Likely);
        assert_eq!(confidence(told().rst(Peer::Edge, RstLook::Abort)), Confidence::Likely);
        assert_eq!(confidence(told().fin(Peer::Origin)), Confidence::Possible);
    }

    #[test]
    fn a_reset_is_no_complaint_of_an_edge_that_always_resets() {
        let told = |name| {
            let told = connected().request("GET", "/").response(200, 5, 5).breaking(Rule::LineFeedAlone, b"A: b\n");
            told.with(|told| told.edge = Edge::built_in(name).unwrap()).rst(Peer::Edge, RstLook::Abort)
        };
        assert!(told("generic").found_by(detect).is_empty());
        assert_eq!(told("cloudflare").causes(detect), ["malformed-header"]);
    }

    #[test]
    fn a_response_after_which_the_edge_carried_on_was_taken() {
        let told = connected().request("GET", "/").response(200, 5, 5).breaking(Rule::FieldNoColon, b"X");
        assert!(told.request("GET", "/next").response(200, 5, 5).found_by(detect).is_empty());
    }

    #[test]
    fn what_the_edge_took_before_it_takes_again() {
        let told = connected().with(|told| {
            told.facts().taken.insert((Rule::FieldNameNotToken, b"X@A".to_vec()));
        });
        let told = told.request("GET", "/").response(200, 5, 5).breaking(Rule::FieldNameNotToken, b"X@A: 2");
        assert!(told.fin(Peer::Edge).found_by(detect).is_empty());
    }

    #[test]
    fn what_the_edge_took_before_says_nothing_of_other_words() {
        let told = connected().with(|told| {
            told.facts().taken.insert((Rule::FieldNameNotToken, b"X@A".to_vec()));
        });
        let told = told.request("GET", "/").response(200, 5, 5).breaking(Rule::FieldNameNotToken, b"X A: 2");
        assert_eq!(told.fin(Peer::Edge).causes(detect), ["malformed-header"]);
    }

    #[test]
    fn a_close_that_was_announced_is_no_complaint() {
        let told = connected().request("GET", "/").response(200, 5, 5).breaking(Rule::LineFeedAlone, b"A: b\n");
        let told = told.with(|told| told.last_response().close = true);
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
