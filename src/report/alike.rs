//! Incidents that are alike: of one cause at one server. People read one of them and how far the others go.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::Stamp;
use super::compose::{Composer, failed_exchange};
use super::numbers::{duration, thousands};
use crate::verdict::Incident;

/// Incidents of one cause at one server.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// Id of the cause.
    pub(super) cause: &'static str,
    /// Title of the cause.
    pub(super) title: &'static str,
    /// The origin, `ADDRESS:PORT`.
    pub(super) server: String,
    /// Statuses that the edge showed.
    pub(super) statuses: BTreeSet<u16>,
    /// Who did it, in each of them.
    pub(super) actors: BTreeSet<&'static str>,
    /// How sure that is.
    pub(super) confidences: BTreeSet<&'static str>,
    /// Hosts of the requests, or names that TLS clients asked for.
    pub(super) hosts: BTreeSet<String>,
    /// Time of the first fault.
    pub(super) first: Stamp,
    /// Time of the last fault.
    pub(super) last: Stamp,
    /// Indices among the report's incidents, rising.
    pub(super) members: Vec<usize>,
    /// How far they differ.
    pub(super) extremes: Vec<Extreme>,
}

impl Group {
    /// `520`, or `520, 525`.
    pub(super) fn status(&self) -> String {
        let statuses: Vec<String> = self.statuses.iter().map(ToString::to_string).collect();
        statuses.join(", ")
    }

    /// `origin`, or `middlebox, origin`.
    pub(super) fn actor(&self) -> String {
        self.actors.iter().copied().collect::<Vec<_>>().join(", ")
    }

    /// Hosts for a line: the first few, and how many more.
    pub(super) fn host_names(&self) -> String {
        let named: Vec<&str> = self.hosts.iter().take(HOSTS).map(String::as_str).collect();
        match self.hosts.len().saturating_sub(HOSTS) {
            0 => named.join(", "),
            more => format!("{} and {more} more", named.join(", ")),
        }
    }
}

/// The least and the most of something among alike incidents.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Extreme {
    /// What it is.
    pub(super) what: Measure,
    /// The least.
    pub(super) least: f64,
    /// The most.
    pub(super) most: f64,
}

impl Extreme {
    /// `0.250 s`, or `0.250 s to 125 s`.
    pub(super) fn range(&self) -> String {
        let one = |value: f64| match self.what {
            Measure::ResponseBytes => thousands(value as u64),
            _ => duration(value),
        };
        let (least, most) = (one(self.least), one(self.most));
        if least == most { least } else { format!("{least} to {most}") }
    }
}

/// What is measured of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// Seconds from the first byte of the request to the fault.
    RequestToFault,
    /// Seconds from the fault to the request that met it.
    FaultToRequest,
    /// Seconds from the connection's first packet to the fault, where no request was sent.
    ConnectionToFault,
    /// Body bytes of the response.
    ResponseBytes,
}

impl Measure {
    /// The words in front of the numbers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RequestToFault => "from the request to the fault",
            Self::FaultToRequest => "from the fault to the request that met it",
            Self::ConnectionToFault => "from the connection's first packet to the fault",
            Self::ResponseBytes => "body bytes that came",
        }
    }
}

/// Groups in falling order of size; of one size, the earlier first.
pub(super) fn groups(incidents: &[&Incident], composer: &Composer) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut known = HashMap::new();
    for (index, incident) in incidents.iter().enumerate() {
        let key = (incident.finding.cause.0, incident.timeline.endpoint.origin);
        let nth = *known.entry(key).or_insert_with(|| {
            groups.push(begin(incident, composer));
            groups.len().saturating_sub(1)
        });
        if let Some(group) = groups.get_mut(nth) {
            add(group, index, incident, composer);
        }
    }
    groups.sort_by_key(|group| (Reverse(group.members.len()), group.members.first().copied()));
    groups
}

fn begin(incident: &Incident, composer: &Composer) -> Group {
    let at = composer.stamp(incident.finding.at.time);
    Group {
        cause: incident.finding.cause.0,
        title: incident.entry.title,
        server: composer.endpoint(incident.timeline.endpoint.origin),
        statuses: BTreeSet::new(),
        actors: BTreeSet::new(),
        confidences: BTreeSet::new(),
        hosts: BTreeSet::new(),
        first: at,
        last: at,
        members: Vec::new(),
        extremes: Vec::new(),
    }
}

fn add(group: &mut Group, index: usize, incident: &Incident, composer: &Composer) {
    let at = composer.stamp(incident.finding.at.time);
    group.members.push(index);
    group.statuses.insert(incident.edge_status);
    group.actors.insert(incident.finding.actor.name());
    group.confidences.insert(incident.finding.confidence.name());
    if at.time < group.first.time {
        group.first = at;
    }
    if at.time > group.last.time {
        group.last = at;
    }
    let exchange = failed_exchange(incident);
    let host = composer.text_of(exchange.and_then(|exchange| exchange.request.host.as_ref()));
    if let Some(host) = host.or_else(|| composer.sni(&incident.timeline))
        && group.hosts.len() < MOST_HOSTS
    {
        group.hosts.insert(host);
    }
    for (what, value) in measures(incident) {
        match group.extremes.iter_mut().find(|extreme| extreme.what == what) {
            Some(extreme) => {
                extreme.least = extreme.least.min(value);
                extreme.most = extreme.most.max(value);
            }
            None => group.extremes.push(Extreme { what, least: value, most: value }),
        }
    }
    group.extremes.sort_by_key(|extreme| extreme.what);
}

fn measures(incident: &Incident) -> Vec<(Measure, f64)> {
    let at = incident.finding.at;
    let Some(exchange) = failed_exchange(incident) else {
        return vec![(Measure::ConnectionToFault, at.seconds_since(incident.timeline.first))];
    };
    let waited = at.seconds_since(exchange.request.start.packet);
    let wait = if waited < 0.0 { (Measure::FaultToRequest, -waited) } else { (Measure::RequestToFault, waited) };
    let bytes = exchange.response.as_ref().map(|response| (Measure::ResponseBytes, response.body_bytes as f64));
    [Some(wait), bytes].into_iter().flatten().collect()
}

/// Hosts that a line names.
const HOSTS: usize = 3;

/// Hosts that a group remembers.
const MOST_HOSTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Precision, Redaction, Zone, sample};

    #[test]
    fn alike_incidents_are_one_group_with_its_extremes() {
        let composer = Composer { redaction: Redaction::default(), precision: Precision::Micro, zone: Zone::Utc };
        let (race, later) = (sample::keepalive_race(), sample::keepalive_race_after(3));
        let failure = sample::handshake_failure();
        let groups = groups(&[&failure, &race, &later], &composer);
        let told: Vec<_> = groups.iter().map(|group| (group.cause, group.members.clone())).collect();
        assert_eq!(told, [("keepalive-race", vec![1, 2]), ("tls-handshake-failure", vec![0])]);
        assert_eq!(
            groups[0].extremes,
            [Extreme { what: Measure::FaultToRequest, least: 0.0002, most: 0.0006 }],
            "packets 121 and 122, packets 121 and 124"
        );
        assert_eq!((groups[0].status(), groups[0].host_names()), ("520".to_owned(), "shop.example".to_owned()));
        assert_eq!(groups[1].extremes[0].what, Measure::ConnectionToFault);
    }
}
