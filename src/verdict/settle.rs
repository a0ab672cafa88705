//! One incident for one failed request, however many hops of a proxy chain it failed on.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::{Chains, Incident, Leg};
use crate::detect::Scope;
use crate::timeline::{Edge, Exchange};

/// The least that known proxies take of one field line and of a header section (nginx' `proxy_buffer_size` on
/// machines with pages of 4 KiB).
const LEAST_HEADER: u64 = 4096;

/// Seconds that every proxy waits for a response.
const LEAST_PATIENCE_S: f64 = 0.01;

/// Causes by which a hop only waited for the one behind it.
const WAITS: [&str; 2] = ["response-timeout", "stalled-response"];

/// What a proxy behind the edge puts up with, whose settings nobody knows: it is asked only where it told its own
/// client of an error, and then even the least patience and the strictest limits may be the reason.
#[must_use]
pub fn proxy_behind(edge: &Edge) -> Edge {
    let limits = Edge { header_limit: LEAST_HEADER, headers_limit: LEAST_HEADER, ..edge.clone() };
    Edge { tolerates: Vec::new(), perhaps: Vec::new(), ..limits }.with_response_timeout(LEAST_PATIENCE_S)
}

/// The hops that failed by the word of their proxy only: it answered 5xx, or let its own client wait, and nothing
/// came from below.
#[must_use]
pub fn failed_unnoticed(chains: &Chains, incidents: &[Incident]) -> Vec<Leg> {
    let causes: HashMap<Place, &str> = incidents.iter().map(|it| (place_of(it), it.finding.cause.0)).collect();
    let waited = |leg: &Leg| causes.get(&place(leg)).is_some_and(|cause| WAITS.contains(cause));
    let failed =
        chains.legs().filter(|leg| leg.status().is_none_or(|status| status < 500) && !causes.contains_key(&place(leg)));
    failed
        .filter(|leg| chains.outer(leg).is_some_and(|outer| is_gateway_error(outer) || waited(outer)))
        .cloned()
        .collect()
}

/// Merges the incidents of one request: the deepest hop that failed first stands for all, with the status that the
/// outermost hop showed. A failure that a proxy made good by another try was seen by nobody.
#[must_use]
pub fn settle(chains: &Chains, incidents: Vec<Incident>) -> Vec<Incident> {
    let statuses: HashMap<Place, Shown> =
        incidents.iter().map(|it| (place_of(it), Shown { edge: it.edge_status, origin: it.origin_status })).collect();
    let hops: Vec<Vec<Leg>> = incidents.iter().map(|it| chains.down_to(&leg_of(it))).collect();
    let mut requests: HashMap<Place, Vec<usize>> = HashMap::new();
    for (nth, top) in hops.iter().map(|hops| hops.first()).enumerate() {
        requests.entry(top.map_or(Place { connection: 0, scope: Scope::Connection }, place)).or_default().push(nth);
    }
    let rank = |nth: usize| {
        let (depth, incident) = (hops.get(nth).map_or(0, Vec::len), incidents.get(nth));
        let waits = incident.is_some_and(|incident| WAITS.contains(&incident.finding.cause.0));
        let fault = incident.map_or(0, |incident| incident.finding.at.number);
        (waits, if waits { 0 } else { fault }, Reverse(depth), fault, nth)
    };
    let roots: HashSet<usize> =
        requests.values().filter_map(|own| own.iter().copied().min_by_key(|&nth| rank(nth))).collect();
    let all = incidents.into_iter().zip(hops).enumerate();
    let kept = all.filter(|(nth, (_, hops))| roots.contains(nth) && !made_good(hops));
    kept.map(|(_, (incident, hops))| with_hops(incident, hops, &statuses)).collect()
}

/// Connection and exchange: what a leg and an incident have in common.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    connection: u32,
    scope: Scope,
}

/// What the visitor saw, and what the edge could read.
#[derive(Clone, Copy)]
struct Shown {
    edge: u16,
    origin: u16,
}

fn place(leg: &Leg) -> Place {
    Place { connection: leg.line.index, scope: leg.scope }
}

fn place_of(incident: &Incident) -> Place {
    Place { connection: incident.timeline.index, scope: incident.finding.scope }
}

fn leg_of(incident: &Incident) -> Leg {
    Leg { line: incident.timeline.clone(), scope: incident.finding.scope }
}

fn is_gateway_error(leg: &Leg) -> bool {
    leg.status().is_some_and(|status| (502..=504).contains(&status))
}

/// True where the outermost hop was answered all the same, and says by name that it is the same request.
fn made_good(hops: &[Leg]) -> bool {
    let [top, .., deepest] = hops else { return false };
    let answered = top.status().is_some_and(|status| status < 500);
    let name = |exchange: &Exchange| exchange.request.ray.clone().or_else(|| exchange.request.id().map(str::to_owned));
    let (outer, inner) = (top.exchange().and_then(name), deepest.exchange().and_then(name));
    answered && outer.is_some() && outer == inner
}

fn with_hops(mut incident: Incident, hops: Vec<Leg>, statuses: &HashMap<Place, Shown>) -> Incident {
    let [top, .., deepest] = hops.as_slice() else { return incident };
    let answered = top.status().filter(|status| *status >= 500).map(|status| Shown { edge: status, origin: status });
    if let Some(shown) = statuses.get(&place(top)).copied().or(answered) {
        (incident.edge_status, incident.origin_status) = (shown.edge, shown.origin);
    }
    incident.finding.summary = format!(
        "On hop {} of its way, where {} takes the edge's part: {}",
        hops.len(),
        deepest.line.endpoint.edge.address,
        incident.finding.summary
    );
    incident.hops = hops;
    incident
}
