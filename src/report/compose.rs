//! From a verdict to a document: choice, order, redaction, and the form of times. What a document says, every format
//! says.

use std::collections::BTreeMap;

use super::document::{
    Alternative, Capture, ConnectionRef, Document, Edge, Event, Evidence, Fix, Incident, Observation, PacketAt,
    Request, Response, SCHEMA, Summary, Tool,
};
use super::excerpt::excerpt;
use super::streams::{Connections, Incidents};
use super::{Precision, Redaction, Selection, Stamp, Zone};
use crate::capture;
use crate::detect::{self, Scope};
use crate::timeline::{self, Exchange, PacketRef, Time, Timeline};
use crate::verdict::{self, Verdict};

/// One capture that was analysed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Path as it was named; `-` for standard input.
    pub path: String,
    /// File format.
    pub format: String,
    /// Names of its link types.
    pub link_types: Vec<String>,
    /// Packets read.
    pub packets: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Time of the first packet.
    pub first: Option<Time>,
    /// Time of the last packet.
    pub last: Option<Time>,
    /// What is wrong with the capture itself, one sentence each.
    pub problems: Vec<String>,
}

impl From<&capture::Summary> for Source {
    fn from(summary: &capture::Summary) -> Self {
        Self {
            path: summary.path.display().to_string(),
            format: summary.format.map_or_else(String::new, |format| format.to_string()),
            link_types: summary.link_types.iter().map(ToString::to_string).collect(),
            packets: summary.packets,
            bytes: summary.bytes,
            first: summary.first,
            last: summary.last,
            problems: summary.problems(),
        }
    }
}

/// How much of a verdict a report shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Whether secrets are taken out.
    pub redaction: Redaction,
    /// What it is narrowed to.
    pub selection: Selection,
    /// Whether the connections that were kept are listed.
    pub connections: Listing,
    /// Where the clock stands that people read times by.
    pub zone: Zone,
}

/// Whether a report lists connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Listing {
    /// Every one whose record was kept.
    #[default]
    Kept,
    /// None: records were kept for another purpose.
    None,
}

impl<'a> Document<'a> {
    /// The report on `sources`, of which `verdict` says what was found.
    #[must_use]
    pub fn new(verdict: &'a Verdict, sources: &[Source], view: &View) -> Self {
        let composer =
            Composer { redaction: view.redaction, precision: precision(verdict, sources), zone: view.zone.clone() };
        let chosen: Vec<_> =
            verdict.incidents.iter().filter(|incident| view.selection.takes_incident(incident)).collect();
        Self {
            schema: SCHEMA,
            tool: Tool { name: env!("CARGO_PKG_NAME"), version: env!("CARGO_PKG_VERSION") },
            captures: sources.iter().map(|source| composer.capture(source)).collect(),
            edge: edge(&verdict.edge),
            summary: summary(verdict, &chosen),
            observations: verdict.observations.iter().map(|observation| composer.observation(observation)).collect(),
            patterns: verdict.patterns.iter().map(|pattern| composer.pattern(pattern)).collect(),
            requests: composer.stories(verdict, view.selection.ray.as_deref()),
            edge_log: verdict.edge_log.as_ref().map(|comparison| composer.edge_log(comparison)),
            caveats: verdict.caveats.iter().map(|caveat| composer.redaction.text(caveat)).collect(),
            connections: Connections::new(verdict, view, composer.clone()),
            incidents: Incidents::new(chosen, composer),
        }
    }
}

/// What happened on a connection, and how much of it each of its incidents tells.
#[derive(Debug)]
pub(super) struct Told {
    events: Vec<timeline::Event>,
    limit: usize,
    /// What the origin calls itself.
    server: Option<String>,
}

impl Told {
    pub(super) fn of(line: &Timeline) -> Self {
        let failed = line.exchanges.iter().filter(|exchange| !exchange.clean()).count();
        let limit = CONNECTION_EVENTS
            .checked_div(failed)
            .map_or(TIMELINE_EVENTS, |each| each.clamp(LEAST_EVENTS, TIMELINE_EVENTS));
        let server = line.exchanges.iter().find_map(|exchange| exchange.response.as_ref()?.server.clone());
        Self { events: line.story(), limit, server }
    }
}

/// The exchange that failed; none where the connection failed before one.
pub(super) fn failed_exchange(incident: &verdict::Incident) -> Option<&Exchange> {
    match incident.finding.scope {
        Scope::Connection => None,
        Scope::Exchange(number) => incident.timeline.exchange(number),
    }
}

pub(super) fn precision(verdict: &Verdict, sources: &[Source]) -> Precision {
    let of_sources = sources.iter().flat_map(|source| [source.first, source.last]).flatten();
    let lines = verdict.incidents.iter().map(|incident| &incident.timeline).chain(&verdict.records);
    Precision::of(of_sources.chain(lines.flat_map(|line| [line.first.time, line.last.time])))
}

fn edge(edge: &timeline::Edge) -> Edge {
    Edge {
        profile: edge.profile.clone(),
        connect_timeout_s: edge.connect_timeout_s,
        handshake_timeout_s: edge.handshake_timeout_s,
        response_timeout_s: edge.response_timeout_s,
        header_limit: edge.header_limit,
        headers_limit: edge.headers_limit,
    }
}

fn summary(verdict: &Verdict, chosen: &[&verdict::Incident]) -> Summary {
    let mut by_cause: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut by_edge_status: BTreeMap<u16, u64> = BTreeMap::new();
    for incident in chosen {
        let number = by_cause.entry(incident.finding.cause.0).or_default();
        *number = number.saturating_add(1);
        let number = by_edge_status.entry(incident.edge_status).or_default();
        *number = number.saturating_add(1);
    }
    Summary {
        connections: verdict.connections,
        exchanges: verdict.exchanges,
        exchanges_ok: verdict.exchanges_ok,
        incidents: chosen.len() as u64,
        by_cause,
        by_edge_status,
        incidents_left_out: verdict.incidents.len().saturating_sub(chosen.len()) as u64,
    }
}

/// What every part of a document needs.
#[derive(Clone, Debug)]
pub(super) struct Composer {
    pub(super) redaction: Redaction,
    pub(super) precision: Precision,
    pub(super) zone: Zone,
}

impl Composer {
    pub(super) fn stamp(&self, time: Time) -> Stamp {
        Stamp { time, precision: self.precision, offset: self.zone.offset(time) }
    }

    /// `ADDRESS:PORT`.
    pub(super) fn endpoint(&self, endpoint: timeline::Endpoint) -> String {
        self.redaction.text(&endpoint.to_string())
    }

    /// A text of strangers that is there.
    pub(super) fn text_of(&self, text: Option<&String>) -> Option<String> {
        text.map(|text| self.redaction.text(text))
    }

    /// The name that the TLS client asked for.
    pub(super) fn sni(&self, line: &Timeline) -> Option<String> {
        self.text_of(line.tls.as_ref()?.client_hello.as_ref()?.sni.as_ref())
    }

    fn capture(&self, source: &Source) -> Capture {
        Capture {
            path: self.redaction.text(&source.path),
            format: source.format.clone(),
            link_types: source.link_types.clone(),
            packets: source.packets,
            bytes: source.bytes,
            first: source.first.map(|time| self.stamp(time)),
            last: source.last.map(|time| self.stamp(time)),
            problems: source.problems.iter().map(|problem| self.redaction.text(problem)).collect(),
        }
    }

    fn observation(&self, observation: &detect::Observation) -> Observation {
        Observation {
            kind: observation.kind,
            summary: self.redaction.text(&observation.summary),
            evidence: self.evidence(&observation.evidence),
        }
    }

    fn evidence(&self, evidence: &[detect::Evidence]) -> Vec<Evidence> {
        let one = |evidence: &detect::Evidence| Evidence {
            packet: evidence.packet.number,
            time: self.stamp(evidence.packet.time),
            note: self.redaction.text(&evidence.note),
        };
        evidence.iter().map(one).collect()
    }

    pub(super) fn incident(&self, incident: &verdict::Incident, told: &Told) -> Incident {
        let (finding, entry, line) = (&incident.finding, incident.entry, &*incident.timeline);
        let exchange = failed_exchange(incident);
        let (timeline, timeline_left_out) = self.events(incident, told);
        Incident {
            id: self.redaction.id(&incident.id),
            cause: finding.cause.0,
            title: entry.title,
            layer: entry.layer.name(),
            edge_status: incident.edge_status,
            origin_status: incident.origin_status,
            actor: finding.actor.name(),
            confidence: finding.confidence.name(),
            connection: ConnectionRef {
                index: line.index,
                client: self.endpoint(line.endpoint.edge),
                server: self.endpoint(line.endpoint.origin),
                first_packet: line.first.number,
                vantage: line.vantage.name(),
                first: self.stamp(line.first.time),
                last: self.stamp(line.last.time),
                sni: self.sni(line),
            },
            exchange: match finding.scope {
                Scope::Connection => None,
                Scope::Exchange(number) => Some(number),
            },
            request: exchange.map(|exchange| self.request(exchange)),
            response: exchange.and_then(|exchange| self.response(exchange)),
            fault: PacketAt { packet: finding.at.number, time: self.stamp(finding.at.time) },
            summary: self.redaction.text(&finding.summary),
            evidence: self.evidence(&finding.evidence),
            timeline,
            timeline_left_out,
            also: incident.also.iter().map(|also| self.alternative(also)).collect(),
            fix: fixes(entry, exchange.and_then(server_header).or(told.server.as_deref())),
            hops: self.hops(&incident.hops, std::slice::from_ref(incident)),
            wireshark: format!("tcp.stream eq {}", line.index),
        }
    }

    fn request(&self, exchange: &Exchange) -> Request {
        let request = &exchange.request;
        Request {
            method: known(&request.method).map(|method| self.redaction.text(&method)),
            target: known(&request.target).map(|target| self.redaction.target(&target)),
            host: self.text_of(request.host.as_ref()),
            ray: self.id_of(request.ray.as_ref()),
            request_id: self.id_of(request.id().map(str::to_owned).as_ref()),
            traceparent: self.id_of(request.traceparent.as_ref()),
            stream: exchange.stream,
            packet: request.start.packet.number,
            time: self.stamp(request.start.packet.time),
        }
    }

    /// What a request is called.
    pub(super) fn id_of(&self, id: Option<&String>) -> Option<String> {
        id.map(|id| self.redaction.request_id(id))
    }

    fn response(&self, exchange: &Exchange) -> Option<Response> {
        exchange.response.as_ref().map(|response| Response {
            status: response.status,
            server: self.text_of(response.server.as_ref()),
            packet: response.start.packet.number,
            time: self.stamp(response.start.packet.time),
            bytes: response.body_bytes,
            complete: response.end.is_some(),
        })
    }

    fn alternative(&self, also: &verdict::Alternative) -> Alternative {
        Alternative { cause: also.cause, why_not: self.redaction.text(&also.why_not) }
    }

    /// The events around the fault, and how many were left out after the last of them.
    fn events(&self, incident: &verdict::Incident, told: &Told) -> (Vec<Event>, u64) {
        let kept = excerpt(&told.events, &focus(incident), told.limit);
        let mut next = 0;
        let mut events = Vec::with_capacity(kept.len());
        for index in kept {
            let Some(event) = told.events.get(index) else { continue };
            events.push(self.event(event, incident.timeline.first, index.saturating_sub(next) as u64));
            next = index.saturating_add(1);
        }
        (events, told.events.len().saturating_sub(next) as u64)
    }

    pub(super) fn event(&self, event: &timeline::Event, start: PacketRef, left_out: u64) -> Event {
        Event {
            packet: event.packet.number,
            time: self.stamp(event.packet.time),
            at: event.packet.seconds_since(start),
            from: self.redaction.text(&event.from.to_string()),
            to: event.to.name(),
            event: event.kind.name(),
            text: self.redaction.text(&event.text),
            left_out,
        }
    }
}

/// The packets that an incident is about: the fault's first.
fn focus(incident: &verdict::Incident) -> Vec<u64> {
    let mut packets = vec![incident.finding.at.number];
    packets.extend(incident.finding.evidence.iter().map(|evidence| evidence.packet.number));
    if let Some(exchange) = failed_exchange(incident) {
        packets.push(exchange.request.start.packet.number);
        if let Some(response) = &exchange.response {
            packets.extend([response.start.packet.number, response.latest.packet.number]);
        }
    }
    packets
}

/// An empty text is one that encryption hides.
pub(super) fn known(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// What the origin calls itself in the response.
fn server_header(exchange: &Exchange) -> Option<&str> {
    exchange.response.as_ref()?.server.as_deref()
}

/// What to do: for the server that answers first, then for nginx, then for the others as in the catalogue.
fn fixes(entry: &verdict::Entry, server: Option<&str>) -> Vec<Fix> {
    let mut fixes: Vec<&verdict::Fix> = entry.fixes.iter().collect();
    fixes.sort_by_key(|fix| match server {
        Some(server) if is_server(server, fix.target) => 0,
        _ if fix.target.eq_ignore_ascii_case("nginx") => 1,
        _ => 2,
    });
    fixes.into_iter().map(|fix| Fix { target: fix.target, text: fix.text.clone() }).collect()
}

/// True where a `Server` field names the `target` of a fix.
fn is_server(server: &str, target: &str) -> bool {
    let (server, target) = (server.to_ascii_lowercase(), target.to_ascii_lowercase());
    let product = server.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
    target != "any" && (server.contains(&target) || product.len() > 2 && target.contains(product))
        || product == "openresty" && target == "nginx"
}

/// Most events of one incident's timeline.
const TIMELINE_EVENTS: usize = 200;

/// Fewest events that a timeline is cut down to where very much failed on one connection.
const LEAST_EVENTS: usize = 20;

/// Events over which the failed exchanges of one connection are shared out: what they take together grows with their
/// number, not with its square.
const CONNECTION_EVENTS: usize = 2_000;
