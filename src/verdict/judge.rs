//! The choice of the root cause: of all that the detectors found on one failed exchange, the first fault wins.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::{Alternative, Catalogue, Entry, Incident};
use crate::detect::{Case, Confidence, DETECTORS, Finding, Scope};
use crate::timeline::{Capture, Edge, Peer, Statuses, Timeline};

/// A finding with what the catalogue says of its cause.
struct Candidate {
    finding: Finding,
    entry: &'static Entry,
}

/// Judges one connection: every incident, in the order of their first fault.
#[must_use]
pub fn judge(line: &Rc<Timeline>, capture: &Capture, edge: &Edge) -> Vec<Incident> {
    let case = Case::new(line, capture, edge);
    let mut candidates: Vec<Candidate> = DETECTORS
        .iter()
        .flat_map(|detector| (detector.detect)(&case))
        .filter_map(|finding| Some(Candidate { entry: Catalogue::built_in().entry(finding.cause.0)?, finding }))
        .collect();
    if let Some(first) = failed_as_a_whole(&candidates) {
        candidates.retain(|candidate| candidate.finding.scope == first);
    }
    let mut scopes: BTreeMap<Scope, Vec<Candidate>> = BTreeMap::new();
    for candidate in candidates {
        scopes.entry(candidate.finding.scope).or_default().push(candidate);
    }
    let chosen = scopes.into_values().filter_map(choose);
    let mut incidents: Vec<Incident> = chosen.map(|(root, also)| incident(line, edge, root, also)).collect();
    incidents.sort_by_key(|incident| (incident.finding.at.number, incident.finding.scope));
    incidents
}

/// A connection that failed as a whole failed each exchange that it carried: whichever fault came first stands for
/// all.
fn failed_as_a_whole(candidates: &[Candidate]) -> Option<Scope> {
    let first = candidates.iter().min_by_key(|candidate| (candidate.finding.at.number, candidate.finding.scope))?;
    let whole = candidates.iter().any(|candidate| candidate.finding.scope == Scope::Connection);
    whole.then_some(first.finding.scope)
}

/// The root cause, and what lost against it: a finding that another one explains is a consequence; of the
/// others the first fault wins, and of simultaneous ones the surer. Nothing is explained by what came later.
fn choose(candidates: Vec<Candidate>) -> Option<(Candidate, Vec<Alternative>)> {
    let explains = |other: &Candidate, loser: &Candidate| {
        other.finding.at.number <= loser.finding.at.number && other.entry.explains(loser.entry.id).is_some()
    };
    let explained = |loser: &Candidate| candidates.iter().any(|other| explains(other, loser));
    let rank = |candidate: &Candidate| {
        let finding = &candidate.finding;
        (explained(candidate), finding.at.number, std::cmp::Reverse(finding.confidence), finding.cause)
    };
    let (place, _) = candidates.iter().enumerate().min_by_key(|(_, candidate)| rank(candidate))?;
    let mut candidates = candidates;
    let root = candidates.swap_remove(place);
    let mut also: Vec<Alternative> = candidates
        .iter()
        .filter(|loser| loser.finding.cause != root.finding.cause)
        .map(|loser| Alternative { cause: loser.entry.id, why_not: why_not(&root, loser) })
        .collect();
    also.sort_by_key(|alternative| alternative.cause);
    also.dedup();
    Some((root, also))
}

fn why_not(root: &Candidate, loser: &Candidate) -> String {
    if let Some(reason) = root.entry.explains(loser.entry.id) {
        return reason.to_owned();
    }
    let (first, later) = (root.finding.at.number, loser.finding.at.number);
    if later > first {
        format!("it came later, in packet {later}, and follows from the fault in packet {first}")
    } else {
        format!("{} says more about the same packets", root.entry.id)
    }
}

fn incident(line: &Rc<Timeline>, edge: &Edge, root: Candidate, also: Vec<Alternative>) -> Incident {
    let Candidate { mut finding, entry } = root;
    if !seen_to_the_end(line) {
        finding.confidence = finding.confidence.min(Confidence::Likely);
    }
    finding.evidence.sort_by_key(|evidence| evidence.packet.number);
    Incident {
        id: id(line, finding.scope),
        edge_status: edge_status(edge, entry, finding.edge_status),
        origin_status: origin_status(line, finding.scope),
        entry,
        timeline: Rc::clone(line),
        also,
        hops: Vec::new(),
        finding,
    }
}

/// False where the origin sent what the capture does not hold: it was acknowledged, or a later segment of the origin
/// counts it. The fault may lie in it, so nothing is certain.
fn seen_to_the_end(line: &Timeline) -> bool {
    let origin = &line.direction.origin;
    let closed_unseen = origin.fins.iter().any(|fin| fin.unseen);
    origin.missed_by_capture == 0 && !closed_unseen && origin.counted() <= origin.sent
}

/// The status that this edge shows: what its profile says of the cause, else what the finding or the catalogue says.
fn edge_status(edge: &Edge, entry: &Entry, of_finding: Option<u16>) -> u16 {
    let by_kind = match edge.statuses {
        Statuses::Cloudflare => of_finding.unwrap_or(entry.status),
        Statuses::Gateway => entry.generic_status,
    };
    edge.status_of.get(entry.id).copied().unwrap_or(by_kind)
}

/// The status that the edge could read of a response that it then refused; 0 where there was none, or where it
/// never became complete (as in Cloudflare's `OriginResponseStatus`).
fn origin_status(line: &Timeline, scope: Scope) -> u16 {
    let Scope::Exchange(number) = scope else { return 0 };
    let response = line.exchange(number).and_then(|exchange| exchange.response.as_ref());
    response.filter(|response| response.end.is_some()).and_then(|response| response.status).unwrap_or(0)
}

/// Crockford's base 32 alphabet: no letter that is read as another.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Eight characters (40 bits) of an FNV-1a hash: the same packets have the same id in every report.
fn id(line: &Timeline, scope: Scope) -> String {
    let exchange = match scope {
        Scope::Connection => 0,
        Scope::Exchange(number) => number,
    };
    let (edge, origin) = (line.endpoint[Peer::Edge], line.endpoint[Peer::Origin]);
    let key = format!("{edge} {origin} {} {exchange}", line.first.time.0);
    let hash = key
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let folded = hash ^ (hash >> 40);
    (0..40)
        .step_by(5)
        .filter_map(|shift| ALPHABET.get((folded >> shift) as usize & 31))
        .copied()
        .map(char::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_cause_has_a_detector_and_every_detector_its_causes() {
        let known: BTreeSet<&str> = Catalogue::built_in().entries().iter().map(|entry| entry.id).collect();
        let found: BTreeSet<&str> =
            DETECTORS.iter().flat_map(|detector| detector.causes).map(|cause| cause.0).collect();
        assert_eq!(known, found);
    }
}
