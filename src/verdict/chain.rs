//! Proxy chains: one request on several connections of one capture (edge to load balancer to cache to application).
//!
//! Two exchanges are hops of one request where the later one lies inside the earlier one in time and both carry the
//! same `CF-Ray`, `X-Request-Id` or trace id; where one of them has none of these, where the server of the one is the
//! client of the other and the same method and target go on (or TLS hides them).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::rc::Rc;

use crate::detect::Scope;
use crate::timeline::{Exchange, Peer, Request, Time, Timeline};

/// Requests that began before an inner one and are looked at to find its outer one.
const LOOK_BACK: usize = 256;

/// Hops of one request; more are a loop.
const MOST_HOPS: usize = 16;

/// One hop: an exchange, or a connection that failed before any, with its connection.
#[derive(Clone, Debug)]
pub struct Leg {
    /// The connection.
    pub line: Rc<Timeline>,
    /// What of it.
    pub scope: Scope,
}

impl Leg {
    /// Its exchange; none where the connection failed before one.
    #[must_use]
    pub fn exchange(&self) -> Option<&Exchange> {
        match self.scope {
            Scope::Connection => None,
            Scope::Exchange(number) => self.line.exchange(number),
        }
    }

    /// The status of its response, where that is complete.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        let response = self.exchange()?.response.as_ref()?;
        response.end.and(response.status)
    }

    /// True for the same exchange of the same connection.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.line.index == other.line.index && self.scope == other.scope
    }

    fn begin(&self) -> Time {
        self.exchange().map_or(self.line.first.time, |exchange| exchange.request.start.packet.time)
    }

    /// When its response was complete; until then, or until its connection ended, a request may lie inside it.
    fn end(&self) -> Time {
        let response = self.exchange().and_then(|exchange| exchange.response.as_ref());
        response.and_then(|response| response.end).map_or(self.line.last.time, |end| end.packet.time)
    }

    fn ids(&self) -> Ids<'_> {
        let request = self.exchange().map(|exchange| &exchange.request);
        let ray = request.and_then(|request| request.ray.as_deref());
        let id = request.and_then(Request::id);
        Ids { ray: ray.and_then(|ray| ray.split('-').next()), request: id.map(trace_id) }
    }

    fn endpoint_ip(&self, peer: Peer) -> IpAddr {
        self.line.endpoint[peer].address
    }

    /// True where this request can have gone on as `inner`.
    fn goes_on_as(&self, inner: &Self) -> bool {
        let nested = self.begin() <= inner.begin() && self.end() >= inner.begin();
        let apart = self.line.index != inner.line.index
            && self.line.endpoint[Peer::Origin] != inner.line.endpoint[Peer::Origin];
        nested && apart && self.exchange().is_some()
    }

    fn says_the_same(&self, inner: &Self) -> bool {
        let (Some(own), Some(other)) = (self.exchange(), inner.exchange()) else { return true };
        let (own, other) = (&own.request, &other.request);
        let hidden = own.method.is_empty() || other.method.is_empty();
        hidden || own.method == other.method && own.target == other.target
    }
}

/// What hops of one request have in common by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ids<'a> {
    ray: Option<&'a str>,
    request: Option<&'a str>,
}

impl Ids<'_> {
    /// Whether both name the same request; none where nothing is named on both.
    fn agree(&self, other: &Ids<'_>) -> Option<bool> {
        let same = |own: Option<&str>, other: Option<&str>| Some(own?.eq_ignore_ascii_case(other?));
        same(self.ray, other.ray).or_else(|| same(self.request, other.request))
    }
}

/// The trace id of a `traceparent` (W3C Trace Context section 3.2.2: its parent id changes with each hop); another
/// request id as it is.
fn trace_id(id: &str) -> &str {
    let mut parts = id.split('-');
    match (parts.next(), parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(version), Some(trace), Some(parent), Some(_), None)
            if (version.len(), trace.len(), parent.len()) == (2, 32, 16) =>
        {
            trace
        }
        _ => id,
    }
}

/// The hops among some connections.
#[derive(Debug, Default)]
pub struct Chains {
    /// In the order of their beginning.
    legs: Vec<Leg>,
    by_server: HashMap<IpAddr, Vec<usize>>,
    by_id: HashMap<String, Vec<usize>>,
}

impl Chains {
    /// Every exchange of `lines`.
    #[must_use]
    pub fn new<'a>(lines: impl IntoIterator<Item = &'a Rc<Timeline>>) -> Self {
        let mut legs: Vec<Leg> = lines.into_iter().flat_map(legs).collect();
        legs.sort_by_key(|leg| (leg.begin(), leg.line.index, leg.scope));
        let mut chains = Self::default();
        for (place, leg) in legs.iter().enumerate() {
            chains.by_server.entry(leg.endpoint_ip(Peer::Origin)).or_default().push(place);
            let ids = leg.ids();
            for id in [ids.ray, ids.request].into_iter().flatten() {
                chains.by_id.entry(id.to_ascii_lowercase()).or_default().push(place);
            }
        }
        Self { legs, ..chains }
    }

    /// Every leg, in the order of their beginning.
    pub fn legs(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter()
    }

    /// The hop before `inner`: the request that went on as this one.
    #[must_use]
    pub fn outer(&self, inner: &Leg) -> Option<&Leg> {
        let ids = inner.ids();
        let named = [ids.ray, ids.request].into_iter().flatten().find_map(|id| {
            let places = self.by_id.get(&id.to_ascii_lowercase())?;
            self.latest(places, inner, |outer| outer.ids().agree(&ids) == Some(true))
        });
        named.or_else(|| {
            let places = self.by_server.get(&inner.endpoint_ip(Peer::Edge))?;
            self.latest(places, inner, |outer| outer.ids().agree(&ids) != Some(false) && outer.says_the_same(inner))
        })
    }

    /// All hops of the request of `leg` from the outermost one to it.
    #[must_use]
    pub fn down_to(&self, leg: &Leg) -> Vec<Leg> {
        let mut hops = vec![leg.clone()];
        while let Some(outer) = hops.last().and_then(|inner| self.outer(inner)) {
            let looped = hops.iter().any(|hop| hop.is(outer));
            if looped || hops.len() == MOST_HOPS {
                break;
            }
            hops.push(outer.clone());
        }
        hops.reverse();
        hops
    }

    /// All hops of every request that is wanted, each chain once and down to its deepest hop.
    #[must_use]
    pub fn of(&self, wanted: impl Fn(&Leg) -> bool) -> Vec<Vec<Leg>> {
        let chains: Vec<Vec<Leg>> = self.legs.iter().map(|leg| self.down_to(leg)).collect();
        let place = |leg: &Leg| (leg.line.index, leg.scope);
        let gone_on: HashSet<(u32, Scope)> =
            chains.iter().flat_map(|chain| chain.iter().rev().skip(1)).map(place).collect();
        let is_whole = |chain: &Vec<Leg>| chain.last().is_some_and(|last| !gone_on.contains(&place(last)));
        chains.into_iter().filter(is_whole).filter(|chain| chain.iter().any(&wanted)).collect()
    }

    /// The latest of the legs at `places` that can have gone on as `inner`.
    fn latest(&self, places: &[usize], inner: &Leg, fits: impl Fn(&Leg) -> bool) -> Option<&Leg> {
        let until =
            places.partition_point(|&place| self.legs.get(place).is_some_and(|leg| leg.begin() <= inner.begin()));
        let before = places.get(..until).unwrap_or_default().iter().rev().take(LOOK_BACK);
        before.filter_map(|&place| self.legs.get(place)).find(|outer| outer.goes_on_as(inner) && fits(outer))
    }
}

/// The exchanges of a connection; of one that carried none, the connection.
fn legs(line: &Rc<Timeline>) -> Vec<Leg> {
    let leg = |scope| Leg { line: Rc::clone(line), scope };
    match line.exchanges.as_slice() {
        [] => vec![leg(Scope::Connection)],
        exchanges => exchanges.iter().map(|exchange| leg(Scope::Exchange(exchange.number))).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Endpoint, Mark, PacketRef, Request, Visibility};

    /// A request with this Ray ID that begins in packet `number`, between two hosts of 10.0.0.0/24.
    fn hop(index: u32, number: u64, hosts: [u8; 2], ray: Option<&str>) -> Rc<Timeline> {
        let end = |host, port| Endpoint { address: IpAddr::from([10, 0, 0, host]), port };
        let packet = PacketRef { number, time: Time(number as i64 * 1_000) };
        let mut line = Timeline::new(index, end(hosts[0], 40_000), end(hosts[1], 80), packet);
        line.last = PacketRef { number: 100, time: Time(100_000) };
        let mut request = Request::begun(Mark { packet, offset: 0 });
        request.method = "GET".into();
        request.target = "/cart".to_owned();
        request.ray = ray.map(str::to_owned);
        line.exchanges.push(Exchange {
            number: 1,
            stream: None,
            request,
            interim: Vec::new(),
            response: None,
            visibility: Visibility::Clear,
        });
        Rc::new(line)
    }

    fn chain_of(lines: &[Rc<Timeline>], last: usize) -> Vec<u32> {
        let leg = Leg { line: Rc::clone(&lines[last]), scope: Scope::Exchange(1) };
        Chains::new(lines).down_to(&leg).iter().map(|leg| leg.line.index).collect()
    }

    #[test]
    fn hops_are_joined_by_their_ray() {
        let ray = Some("8f3b-FRA");
        let lines =
            [hop(0, 1, [1, 2], ray), hop(1, 2, [2, 3], ray), hop(2, 3, [3, 4], ray), hop(3, 4, [3, 4], Some("9"))];
        assert_eq!(chain_of(&lines, 2), [0, 1, 2]);
        assert_eq!(chain_of(&lines, 3), [3], "another ray is another request");
        assert_eq!(chain_of(&lines, 0), [0], "what came later is no outer hop");
    }

    #[test]
    fn hops_without_a_name_are_joined_by_addresses_time_and_target() {
        let lines = [hop(0, 1, [1, 2], Some("8f3b")), hop(1, 2, [2, 3], None), hop(2, 3, [9, 3], None)];
        assert_eq!(chain_of(&lines, 1), [0, 1]);
        assert_eq!(chain_of(&lines, 2), [2], "it comes from another host");
    }

    #[test]
    fn every_chain_is_told_once_and_whole() {
        let ray = Some("8f3b");
        let lines = [hop(0, 1, [1, 2], ray), hop(1, 2, [2, 3], ray), hop(2, 9, [1, 2], Some("7"))];
        let chains = Chains::new(&lines).of(|_| true);
        let indices: Vec<Vec<u32>> =
            chains.iter().map(|chain| chain.iter().map(|leg| leg.line.index).collect()).collect();
        assert_eq!(indices, [vec![0, 1], vec![2]]);
    }

    #[test]
    fn a_trace_keeps_its_id_from_hop_to_hop() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace_id(&format!("00-{trace}-00f067aa0ba902b7-01")), trace);
        assert_eq!(trace_id("7c1f-ab"), "7c1f-ab");
        assert_eq!(trace_id("a-b-c-d"), "a-b-c-d");
    }

    #[test]
    fn ids_agree_only_where_both_sides_name_one() {
        let ids = |ray, request| Ids { ray, request };
        assert_eq!(ids(Some("8f3B"), None).agree(&ids(Some("8f3b"), Some("x"))), Some(true));
        assert_eq!(ids(Some("8f3b"), None).agree(&ids(Some("8f3c"), None)), Some(false));
        assert_eq!(ids(Some("8f3b"), None).agree(&ids(None, Some("x"))), None);
        assert_eq!(ids(None, Some("x")).agree(&ids(None, Some("x"))), Some(true));
    }
}
