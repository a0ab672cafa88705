//! What a document says across connections: patterns, the hops of a request, the story of one that was asked for, and
//! what the edge's own log makes of the verdicts.

use std::io;

use schemars::JsonSchema;
use serde::Serialize;

use super::Stamp;
use super::compose::{Composer, known};
use super::connections::outcome;
use super::document::Event;
use super::numbers::{count, duration};
use super::text::{Page, Row, Tone};
use crate::timeline;
use crate::verdict::{self, Comparison, Incident, Leg, Verdict};

/// Something that several incidents have in common.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Pattern {
    /// Stable kebab-case id.
    pub kind: &'static str,
    /// One sentence with its numbers.
    pub summary: String,
    /// Incidents that show it.
    pub incidents: u64,
}

/// One hop of a request through a chain of proxies.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Hop {
    /// Number of the connection, as Wireshark's `tcp.stream`.
    pub connection: u32,
    /// Number of the exchange on it; null where the connection failed before a request.
    pub exchange: Option<u32>,
    /// The client's end, `ADDRESS:PORT`.
    pub client: String,
    /// The server's end, `ADDRESS:PORT`.
    pub server: String,
    /// Method.
    pub method: Option<String>,
    /// Request target.
    pub target: Option<String>,
    /// Packet of the request's first byte, or of the connection's.
    pub packet: u64,
    /// Time of that packet.
    pub time: Stamp,
    /// Status code of the response.
    pub status: Option<u16>,
    /// Seconds from the request's last byte to the response's first.
    pub first_byte_s: Option<f64>,
    /// Seconds from the request's last byte to the response's last.
    pub complete_s: Option<f64>,
    /// As of an exchange; `failed` for a connection that never carried one.
    pub outcome: &'static str,
}

/// The whole story of a request that was asked for, healthy or not.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Story {
    /// `CF-Ray`.
    pub ray: Option<String>,
    /// Its hops in this capture, from the outermost one.
    pub hops: Vec<Hop>,
    /// Ids of the incidents that it is.
    pub incidents: Vec<String>,
    /// What happened on the connection of its outermost hop, from its request to its end.
    pub timeline: Vec<Event>,
}

/// The edge's own log against the verdicts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct EdgeLog {
    /// Lines read.
    pub entries: u64,
    /// Incidents that the log shows with the status that was predicted.
    pub confirmed: u64,
    /// Incidents that the log shows with another status.
    pub contradicted: Vec<Contradiction>,
    /// Failed requests of the log of which the capture holds nothing: they never came by here.
    pub unseen: Vec<Unseen>,
}

/// An incident that the log shows with another status.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Contradiction {
    /// Id of the incident.
    pub incident: String,
    /// Ray ID of the log.
    pub ray: String,
    /// The status that the verdict says.
    pub predicted: u16,
    /// The status that the log says.
    pub logged: u16,
}

/// A failed request that the capture does not hold.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Unseen {
    /// Ray ID of the log.
    pub ray: String,
    /// The status that the visitor saw.
    pub edge_status: u16,
    /// When the edge took the request.
    pub time: Option<Stamp>,
}

impl Composer {
    pub(super) fn pattern(&self, pattern: &verdict::Pattern) -> Pattern {
        let verdict::Pattern { kind, summary, incidents } = pattern;
        Pattern { kind, summary: self.redaction.text(summary), incidents: *incidents }
    }

    pub(super) fn hops(&self, hops: &[Leg], incidents: &[Incident]) -> Vec<Hop> {
        hops.iter().map(|leg| self.hop(leg, incidents)).collect()
    }

    fn hop(&self, leg: &Leg, incidents: &[Incident]) -> Hop {
        let (line, exchange) = (&leg.line, leg.exchange());
        let request = exchange.map(|exchange| &exchange.request);
        let response = exchange.and_then(|exchange| exchange.response.as_ref());
        let start = request.map_or(line.first, |request| request.start.packet);
        let after_request = |mark: timeline::Mark| Some(mark.packet.seconds_since(request?.end?.packet));
        let failed = incidents.iter().any(|it| it.timeline.index == line.index && it.finding.scope == leg.scope);
        Hop {
            connection: line.index,
            exchange: exchange.map(|exchange| exchange.number),
            client: self.endpoint(line.endpoint.edge),
            server: self.endpoint(line.endpoint.origin),
            method: request.and_then(|request| known(&request.method)),
            target: request.and_then(|request| known(&request.target)).map(|target| self.redaction.target(&target)),
            packet: start.number,
            time: self.stamp(start.time),
            status: response.and_then(|response| response.status),
            first_byte_s: response.and_then(|response| after_request(response.start)),
            complete_s: response.and_then(|response| response.end).and_then(after_request),
            outcome: match exchange {
                _ if failed => "incident",
                Some(exchange) => outcome(exchange),
                None => "failed",
            },
        }
    }

    /// The story of each request with this Ray ID.
    pub(super) fn stories(&self, verdict: &Verdict, ray: Option<&str>) -> Vec<Story> {
        let Some(ray) = ray else { return Vec::new() };
        let carries = |leg: &Leg| leg.exchange().is_some_and(|exchange| exchange.request.has_ray(ray));
        let chains = verdict::Chains::new(&verdict.records).of(carries);
        chains.iter().map(|hops| self.story(hops, &verdict.incidents)).collect()
    }

    /// The story of one request.
    pub(super) fn story(&self, hops: &[Leg], incidents: &[Incident]) -> Story {
        let own = incidents.iter().filter(|incident| {
            hops.iter().any(|leg| leg.line.index == incident.timeline.index && leg.scope == incident.finding.scope)
        });
        let top = hops.first();
        let exchange = top.and_then(Leg::exchange);
        let from = exchange.map_or(0, |exchange| exchange.request.start.packet.number);
        let response = exchange.and_then(|exchange| exchange.response.as_ref());
        let until = response.and_then(|response| response.end).map_or(u64::MAX, |end| end.packet.number);
        let events = top.map(|leg| leg.line.story()).unwrap_or_default();
        let within = events.iter().filter(|event| (from..=until).contains(&event.packet.number));
        Story {
            ray: hops.iter().find_map(|leg| self.id_of(leg.exchange()?.request.ray.as_ref())),
            hops: self.hops(hops, incidents),
            incidents: own.map(|incident| self.redaction.id(&incident.id)).collect(),
            timeline: top
                .map(|leg| within.map(|event| self.event(event, leg.line.first, 0)).take(EVENTS).collect())
                .unwrap_or_default(),
        }
    }

    pub(super) fn edge_log(&self, comparison: &Comparison) -> EdgeLog {
        let contradicted = comparison.contradicted.iter().map(|one| Contradiction {
            incident: self.redaction.id(&one.incident),
            ray: self.redaction.request_id(&one.ray),
            predicted: one.predicted,
            logged: one.logged,
        });
        let unseen = comparison.unseen.iter().map(|entry| Unseen {
            ray: self.redaction.request_id(&entry.ray),
            edge_status: entry.edge_status,
            time: entry.start.map(|time| self.stamp(time)),
        });
        EdgeLog {
            entries: comparison.entries,
            confirmed: comparison.confirmed,
            contradicted: contradicted.collect(),
            unseen: unseen.collect(),
        }
    }
}

/// The chain of a request on a terminal: one line a hop.
pub(super) fn write_hops(page: &mut Page<'_>, indent: usize, hops: &[Hop]) -> io::Result<()> {
    let width =
        hops.iter().map(|hop| hop.client.len().saturating_add(hop.server.len()).saturating_add(3)).max().unwrap_or(0);
    for (nth, hop) in hops.iter().enumerate() {
        let row = Row::new(indent).left(2, Tone::Faint, nth.saturating_add(1).to_string());
        let row = row.left(width, Tone::Strong, format!("{} → {}", hop.client, hop.server));
        page.row(&row.text(if hop.outcome == "ok" { Tone::Good } else { Tone::Alarm }, told(hop)))?;
    }
    Ok(())
}

/// What became of a request on one hop, in a few words.
pub(super) fn told(hop: &Hop) -> String {
    let packet = hop.packet;
    let outcome = match (hop.status, hop.complete_s, hop.first_byte_s) {
        (Some(status), Some(seconds), _) => format!("{status} after {}", duration(seconds)),
        (Some(status), None, Some(seconds)) => format!("{status} after {}, not complete", duration(seconds)),
        (Some(status), None, None) => format!("{status}, not complete"),
        (None, ..) if hop.exchange.is_none() => "no request".to_owned(),
        (None, ..) => "no response".to_owned(),
    };
    format!("#{packet}  {outcome}  {}", hop.outcome)
}

/// The stories of the requests that were asked for, on a terminal.
pub(super) fn write_stories(page: &mut Page<'_>, stories: &[Story]) -> io::Result<()> {
    for story in stories {
        page.blank()?;
        page.row(&Row::new(0).text(Tone::Strong, story.name()))?;
        write_hops(page, 2, &story.hops)?;
        for event in &story.timeline {
            let row = Row::new(2).left(12, Tone::Faint, format!("{:.6}", event.at));
            let row = row.left(8, Tone::Packet, format!("#{}", event.packet)).left(9, Tone::Strong, &event.from);
            page.row(&row.text(Tone::Plain, &event.text))?;
        }
    }
    Ok(())
}

/// What the edge's log says, on a terminal.
pub(super) fn write_edge_log(page: &mut Page<'_>, log: &EdgeLog) -> io::Result<()> {
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Strong, "The edge's own log"))?;
    page.row(&Row::new(2).text(Tone::Plain, log.balance()))?;
    log.contradictions().try_for_each(|text| page.row(&Row::new(2).text(Tone::Alarm, text)))?;
    log.unseen().try_for_each(|text| page.row(&Row::new(2).text(Tone::Plain, text)))
}

impl Story {
    /// What was asked for, in one line.
    pub(super) fn name(&self) -> String {
        let top = self.hops.first();
        let method = top.and_then(|hop| hop.method.as_deref()).unwrap_or("a request that encryption hides");
        let target = top.and_then(|hop| hop.target.as_deref()).unwrap_or_default();
        let ray = self.ray.as_deref().map(|ray| format!(", CF-Ray {ray}")).unwrap_or_default();
        format!("{method} {target}{ray}")
    }
}

impl EdgeLog {
    /// How the log and the verdicts compare, in one sentence.
    pub(super) fn balance(&self) -> String {
        format!(
            "{} read; {} confirmed, {} contradicted; {} not in this capture.",
            count(self.entries, "line"),
            count(self.confirmed, "incident"),
            self.contradicted.len(),
            count(self.unseen.len() as u64, "failed request"),
        )
    }

    /// A line for each incident of which the log says something else, as far as they are named.
    pub(super) fn contradictions(&self) -> impl Iterator<Item = String> {
        self.contradicted.iter().take(NAMED).map(|one| {
            format!(
                "incident {}: predicted {}, the log says {} (ray {})",
                one.incident, one.predicted, one.logged, one.ray
            )
        })
    }

    /// A line for each failed request that is not in the capture, as far as they are named.
    pub(super) fn unseen(&self) -> impl Iterator<Item = String> {
        self.unseen.iter().take(NAMED).map(|one| {
            let time = one.time.map(|time| format!(" at {} {}", time.date_and_time(), time.zone())).unwrap_or_default();
            format!("ray {}: {}{time}, never came by here", one.ray, one.edge_status)
        })
    }
}

/// Most events of a story.
const EVENTS: usize = 200;

/// Requests of the log that are named for people; JSON holds them all.
const NAMED: usize = 50;
