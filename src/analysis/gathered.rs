//! What ended connections leave behind: verdicts, statistics, and what they teach of the capture as a whole.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::rc::Rc;

use super::{Judging, Options, Records, Standing};
use crate::detect::Scope;
use crate::detect::observe::{Sight, Watchers};
use crate::tcp;
use crate::timeline::{
    Alert, Capture, Coding, Direction, Edge, End, Exchange, HalfOpen, HandshakePhase, Start, Timeline, Visibility,
};
use crate::verdict::{
    Census, Chains, EdgeLog, Incident, Verdict, failed_unnoticed, judge, patterns, proxy_behind, settle,
};

/// Everything that is kept beside the open connections.
pub(super) struct Gathered {
    edge: Edge,
    records: Records,
    judging: Judging,
    capture: Capture,
    watchers: Watchers,
    /// Connections whose verdict waits for what later ones teach, and for the other hops of their requests.
    suspects: Vec<Rc<Timeline>>,
    /// Connections on which all went well but for answers of a gateway that failed behind them.
    gateways: Vec<Rc<Timeline>>,
    census: Census,
    edge_log: Option<EdgeLog>,
    kept: Vec<Rc<Timeline>>,
    incidents: VecDeque<Incident>,
    /// Incidents that were not asked for yet.
    fresh: Vec<Incident>,
    /// What was said of connections that are still open, by their index.
    told: HashMap<u32, Vec<Scope>>,
    standing: Standing,
    keys_missing: u64,
    half_open_given_up: u64,
    /// Incidents that were given out and are not kept.
    earlier: u64,
}

impl Gathered {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            edge: options.edge.clone(),
            records: options.records.clone(),
            judging: options.judging,
            capture: Capture::default(),
            watchers: Watchers::default(),
            suspects: Vec::new(),
            gateways: Vec::new(),
            census: Census::default(),
            edge_log: options.edge_log.clone(),
            kept: Vec::new(),
            incidents: VecDeque::new(),
            fresh: Vec::new(),
            told: HashMap::new(),
            standing: Standing::default(),
            keys_missing: 0,
            half_open_given_up: 0,
            earlier: 0,
        }
    }

    pub(super) fn capture(&mut self) -> &mut Capture {
        &mut self.capture
    }

    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    pub(super) fn decided(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.fresh)
    }

    /// Says the last word on the connections that wait for it: no other connection will teach anything.
    pub(super) fn close(&mut self) {
        self.decide();
        for line in std::mem::take(&mut self.gateways) {
            let failed = self.told.remove(&line.index).unwrap_or_default();
            self.see(&line, &failed);
        }
        self.incidents.make_contiguous().sort_by_key(|incident| (incident.finding.at.number, incident.finding.scope));
        self.kept.sort_by_key(|line| line.index);
    }

    /// Says the last word on those that wait for it, by what was learned until now.
    fn decide(&mut self) {
        let suspects = std::mem::take(&mut self.suspects);
        let judged = suspects.iter().flat_map(|line| judge(line, &self.capture, &self.edge)).collect();
        let (incidents, mut failed) = self.settled(judged, suspects.iter().chain(&self.gateways));
        for line in &suspects {
            self.see(line, &failed.remove(&line.index).unwrap_or_default());
        }
        for line in &self.gateways {
            let scopes = failed.remove(&line.index).unwrap_or_default();
            if !scopes.is_empty() {
                self.told.entry(line.index).or_default().extend(scopes);
            }
        }
        for incident in incidents {
            self.tell(incident);
        }
    }

    /// What was found so far.
    pub(super) fn verdict(&self, connections: u64) -> Verdict {
        let incidents: Vec<Incident> = self.incidents.iter().cloned().collect();
        Verdict {
            patterns: patterns(&incidents, &self.census, &self.capture, &self.edge),
            edge_log: self.edge_log.as_ref().map(|log| log.compare(&incidents)),
            observations: self.watchers.tell(&self.capture, &self.edge),
            caveats: self.caveats(),
            edge: self.edge.clone(),
            connections,
            exchanges: self.standing.exchanges,
            exchanges_ok: self.standing.exchanges_ok,
            incidents,
            records: self.kept.clone(),
        }
    }

    /// Learns what every connection teaches.
    fn learn(&mut self, line: &Timeline) {
        self.capture.learn(line);
        self.count(line);
        self.census.count(line);
    }

    fn count(&mut self, line: &Timeline) {
        let complete = line.exchanges.iter().filter(|exchange| exchange.complete()).count() as u64;
        let keys_missing = line.tls.as_ref().is_some_and(|tls| tls.keys_missing);
        let standing = &mut self.standing;
        standing.exchanges = standing.exchanges.saturating_add(line.folded).saturating_add(line.exchanges.len() as u64);
        standing.exchanges_ok = standing.exchanges_ok.saturating_add(line.folded).saturating_add(complete);
        standing.given_up = standing.given_up.saturating_add(u64::from(line.given_up));
        let half_open = line.given_up && line.start == Start::Unanswered;
        self.half_open_given_up = self.half_open_given_up.saturating_add(u64::from(half_open));
        self.keys_missing = self.keys_missing.saturating_add(u64::from(keys_missing));
    }

    fn judge(&mut self, line: &Rc<Timeline>) {
        if self.judging == Judging::WithHindsight {
            self.suspects.push(Rc::clone(line));
            if self.suspects.len() >= SUSPECTS {
                self.decide();
            }
        } else {
            let incidents = judge(line, &self.capture, &self.edge);
            self.settle(line, incidents);
        }
    }

    /// Takes the verdict on a connection that has ended, but for what was said of it before.
    fn settle(&mut self, line: &Timeline, incidents: Vec<Incident>) {
        let mut failed = self.told.remove(&line.index).unwrap_or_default();
        for incident in incidents {
            let scope = incident.finding.scope;
            if is_news(&failed, scope) {
                failed.push(scope);
                self.tell(incident);
            }
        }
        self.see(line, &failed);
    }

    /// Shows a connection to the watchers and takes what failed of it out of what went well.
    fn see(&mut self, line: &Timeline, failed: &[Scope]) {
        let mut failed = failed.to_vec();
        failed.sort_unstable();
        let sight = Sight { line, edge: &self.edge, failed: &failed };
        self.watchers.see(&sight);
        let failed_but_complete =
            line.exchanges.iter().filter(|exchange| exchange.complete() && sight.failed(exchange.number));
        let failed = failed_but_complete.count() as u64;
        self.standing.exchanges_ok = self.standing.exchanges_ok.saturating_sub(failed);
    }

    fn tell(&mut self, incident: Incident) {
        self.fresh.push(incident.clone());
        self.incidents.push_back(incident);
        if matches!(self.judging, Judging::AsDecided { .. }) && self.incidents.len() > LATEST {
            self.incidents.pop_front();
            self.earlier = self.earlier.saturating_add(1);
        }
    }

    /// One incident for each failed request, and what failed of each connection: on every hop of a proxy chain, though
    /// its incident points at one.
    fn settled<'a>(
        &self,
        mut incidents: Vec<Incident>,
        lines: impl Iterator<Item = &'a Rc<Timeline>>,
    ) -> (Vec<Incident>, BTreeMap<u32, Vec<Scope>>) {
        let chains = Chains::new(lines);
        let strict = proxy_behind(&self.edge);
        for leg in failed_unnoticed(&chains, &incidents) {
            let of_line = judge(&leg.line, &self.capture, &strict);
            incidents.extend(of_line.into_iter().find(|incident| incident.finding.scope == leg.scope));
        }
        let mut failed: BTreeMap<u32, Vec<Scope>> = BTreeMap::new();
        for incident in &incidents {
            failed.entry(incident.timeline.index).or_default().push(incident.finding.scope);
        }
        let incidents = settle(&chains, incidents);
        for hop in incidents.iter().flat_map(|incident| &incident.hops) {
            failed.entry(hop.line.index).or_default().push(hop.scope);
        }
        (incidents, failed)
    }

    fn caveats(&self) -> Vec<String> {
        let mut caveats = Vec::new();
        if self.earlier > 0 {
            caveats.push(format!(
                "{} earlier incidents were told when they happened and are not repeated here",
                self.earlier
            ));
        }
        if self.keys_missing > 0 {
            caveats.push(format!("the key log holds no fitting secrets for {} TLS connections", self.keys_missing));
        }
        if self.half_open_given_up > 0 {
            caveats.push(format!("{} half-open connections were given up to bound memory", self.half_open_given_up));
        }
        let given_up = self.standing.given_up.saturating_sub(self.half_open_given_up);
        if given_up > 0 {
            let option = match self.judging {
                Judging::WithHindsight => "--max-memory",
                Judging::AsDecided { .. } => "--max-connections",
            };
            caveats.push(format!(
                "{given_up} open connections that had been silent for longest were given up to bound memory: nothing is \
                 said of them ({option})"
            ));
        }
        caveats
    }
}

impl tcp::Records for Gathered {
    fn ended(&mut self, line: &mut Timeline) {
        self.learn(line);
        let suspect = !line.given_up && is_suspect(line);
        let gateway = !suspect
            && self.judging == Judging::WithHindsight
            && self.gateways.len() < GATEWAYS
            && line.exchanges.iter().any(is_gateway_error);
        if let Some(log) = &mut self.edge_log {
            log.see(line);
        }
        if !suspect && !gateway {
            self.told.remove(&line.index);
            self.watchers.see(&Sight { line, edge: &self.edge, failed: &[] });
        }
        let kept = match &self.records {
            Records::OfIncidents => false,
            Records::OfAll => true,
            Records::OfRay(ray) => line.exchanges.iter().any(|exchange| exchange.request.has_ray(ray)),
        };
        if !suspect && !gateway && !kept {
            return;
        }
        let line = Rc::new(line.take());
        if suspect {
            self.judge(&line);
        }
        if gateway {
            self.gateways.push(Rc::clone(&line));
        }
        if kept {
            self.kept.push(line);
        }
    }

    fn wants_all(&self) -> bool {
        self.records != Records::OfIncidents || self.judging != Judging::WithHindsight || self.edge_log.is_some()
    }

    fn ordinary(&mut self, line: &Timeline) {
        self.learn(line);
        self.watchers.see(&Sight { line, edge: &self.edge, failed: &[] });
    }

    fn given_up(&mut self, half_open: &HalfOpen) -> bool {
        if self.records == Records::OfAll {
            return false;
        }
        self.standing.given_up = self.standing.given_up.saturating_add(1);
        self.half_open_given_up = self.half_open_given_up.saturating_add(1);
        self.capture.learn_half_open(half_open);
        true
    }

    fn looked(&mut self, line: Timeline) {
        if line.given_up || !is_suspect(&line) {
            return;
        }
        let line = Rc::new(line);
        for incident in judge(&line, &self.capture, &self.edge) {
            let told = self.told.entry(line.index).or_default();
            if is_news(told, incident.finding.scope) {
                told.push(incident.finding.scope);
                self.tell(incident);
            }
        }
    }
}

/// True where nothing that was said covers it: one failed exchange gives one incident, and so does a connection that
/// failed as a whole.
fn is_news(told: &[Scope], scope: Scope) -> bool {
    match scope {
        Scope::Connection => told.is_empty(),
        Scope::Exchange(_) => !told.contains(&scope) && !told.contains(&Scope::Connection),
    }
}

/// An answer by which a proxy tells that the server behind it failed.
fn is_gateway_error(exchange: &Exchange) -> bool {
    let status = exchange.response.as_ref().and_then(|response| response.status);
    status.is_some_and(|status| (502..=504).contains(&status))
}

/// True where a detector could find something: anything but clean exchanges between a handshake and a close.
fn is_suspect(line: &Timeline) -> bool {
    let broken_start = matches!(line.start, Start::Refused | Start::Unanswered);
    let reset = matches!(line.end(), End::ResetByOrigin | End::ResetByEdge);
    let closes = |direction: &Direction| direction.fins.len().saturating_add(direction.rsts.len());
    let forged = closes(&line.direction.edge).saturating_add(closes(&line.direction.origin)) > 2;
    let exchanges =
        line.exchanges.iter().any(|exchange| !exchange.clean() && exchange.visibility != Visibility::Obscured);
    let coded = line.exchanges.last().and_then(|last| last.response.as_ref());
    let coded = coded.is_some_and(|response| matches!(response.coding, Coding::Broken { .. }));
    let tls = line.tls.as_ref().is_some_and(|tls| {
        // Behind the handshake an alert that nobody can read is a close_notify as a rule: no detector asks for it.
        let says_why = |alert: &Alert| match alert.description {
            Some(said) => !said.is_close(),
            None => alert.phase < HandshakePhase::Established,
        };
        tls.alerts.iter().any(says_why) || tls.not_tls.is_some() || (tls.handshake_done.is_none() && !tls.joined_late)
    });
    let h2 = line.h2.as_ref().is_some_and(|h2| {
        !h2.deviations.is_empty() || h2.spoken_instead.is_some() || !h2.resets.is_empty() || !h2.goaways.is_empty()
    });
    let mut responses = line.exchanges.iter().filter_map(|exchange| exchange.response.as_ref());
    let large =
        responses.any(|response| response.fields > 64 || response.head_bytes.max(response.largest_field) > 8 * 1024);
    broken_start
        || reset
        || forged
        || exchanges
        || coded
        || tls
        || h2
        || large
        || !line.unsolicited.is_empty()
        || !line.unreachable.is_empty()
        || line.direction.edge.stuck.is_some()
        || line.direction.origin.stuck.is_some()
}

/// Connections whose verdict waits for later ones: beyond them, what was learned until then has to do, and hops of one
/// request that ended before and after it stay apart.
const SUSPECTS: usize = 65_536;

/// Connections with answers of a gateway that are kept until the capture has ended.
const GATEWAYS: usize = 4096;

/// Incidents that are kept where verdicts are given as they are decided.
const LATEST: usize = 1_000;
