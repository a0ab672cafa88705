//! The packets of incidents as pcapng, with comments that say what they prove.
//!
//! An [`Extract`] knows from the verdict what belongs to the incidents, and is shown every packet; what it has chosen
//! are [`Packets`], which are then copied from the captures in another reading.

mod clear;
mod flow;
mod hidden;
mod packets;
mod secrets;

use std::collections::{BTreeSet, HashMap};

use super::compose::failed_exchange;
use super::{Redaction, View};
use crate::timeline::{Endpoint, Peer};
use crate::verdict::{Incident, Verdict};
use crate::wire::{Decoded, Segment};
use flow::Flow;
pub use packets::{ExtractFile, Packets};

/// The choice of packets.
pub struct Extract {
    flows: HashMap<Pair, Vec<Flow>>,
    /// Client randoms of the connections, in hexadecimal.
    randoms: BTreeSet<String>,
    packets: Packets,
    last: u64,
}

impl Extract {
    /// What belongs to the incidents of `verdict` that `view` takes.
    #[must_use]
    pub fn new(verdict: &Verdict, view: &View) -> Self {
        let packets = Packets::new(view.redaction.secrets);
        let mut extract = Self { flows: HashMap::new(), randoms: BTreeSet::new(), packets, last: 0 };
        for incident in verdict.incidents.iter().filter(|incident| view.selection.takes_incident(incident)) {
            extract.incident(incident);
            extract.comments(incident, view.redaction);
        }
        extract
    }

    /// True where there is no incident.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.incidents() == 0
    }

    /// The last packet that can be of interest.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Looks at the next packet of the merged input. Of a datagram in fragments, the packet that completes it is taken.
    pub fn packet(&mut self, number: u64, decoded: &Decoded<'_>) {
        let Decoded::Tcp(segment) = decoded else { return };
        let Some(flows) = self.flows.get_mut(&Pair::of(segment)) else { return };
        for flow in flows.iter_mut().filter(|flow| flow.holds(number)) {
            flow.packet(number, segment, &mut self.packets.numbers);
        }
        for flow in flows.extract_if(.., |flow| flow.ends_with(number)) {
            self.packets.show(flow.finish());
        }
    }

    /// Takes a packet that is of interest for another reason. Where secrets are hidden, all of its payload is, and
    /// other protocols than TCP are left out.
    pub fn take(&mut self, number: u64, decoded: &Decoded<'_>) {
        if self.packets.may_hold(decoded) {
            self.packets.numbers.insert(number);
        }
    }

    /// Keeps those lines of a key log that are about the connections of the incidents.
    pub fn secrets(&mut self, key_log: &[u8]) {
        let lines = key_log.split(|&byte| byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
        for line in lines.map(str::trim_ascii) {
            let random = line.split_ascii_whitespace().nth(1).map(str::to_ascii_lowercase);
            if random.is_some_and(|random| self.randoms.contains(&random)) {
                self.packets.secrets.insert(line.to_owned());
            }
        }
    }

    /// What was chosen, once every packet was seen.
    #[must_use]
    pub fn packets(mut self) -> Packets {
        for flow in self.flows.into_values().flatten() {
            self.packets.show(flow.finish());
        }
        self.packets
    }

    fn incident(&mut self, incident: &Incident) {
        let line = &*incident.timeline;
        self.packets.count(incident.finding.cause.0);
        if let Some(hello) = line.tls.as_ref().and_then(|tls| tls.client_hello.as_ref()) {
            self.randoms.insert(hello.random.iter().map(|byte| format!("{byte:02x}")).collect());
        }
        let focus = focus(incident);
        self.last = focus.iter().copied().chain([self.last, line.last.number]).max().unwrap_or(0);
        self.packets.numbers.extend(&focus);
        let pair = Pair::new(line.endpoint[Peer::Edge], line.endpoint[Peer::Origin]);
        let flows = self.flows.entry(pair).or_default();
        match flows.iter_mut().find(|flow| flow.holds(line.first.number)) {
            Some(flow) => flow.add(&focus),
            None => flows.push(Flow::new(line, &focus)),
        }
    }

    fn comments(&mut self, incident: &Incident, redaction: Redaction) {
        let finding = &incident.finding;
        let name = format!("pcap520 {} {}", incident.id, finding.cause);
        let told = format!(
            "{name}: edge status {}, by the {}, {}. {}. {}",
            incident.edge_status,
            finding.actor.name(),
            finding.confidence.name(),
            incident.entry.title,
            redaction.text(&finding.summary)
        );
        self.packets.comment(incident.timeline.first.number, &told);
        let fault = finding.at.number;
        for evidence in &finding.evidence {
            let what = if evidence.packet.number == fault { "the fault" } else { "evidence" };
            self.packets
                .comment(evidence.packet.number, &format!("{name}, {what}: {}", redaction.text(&evidence.note)));
        }
        if finding.evidence.iter().all(|evidence| evidence.packet.number != fault) {
            self.packets.comment(fault, &format!("{name}, the fault"));
        }
    }
}

/// The packets that an incident is about.
fn focus(incident: &Incident) -> Vec<u64> {
    let line = &incident.timeline;
    let mut packets = vec![line.first, incident.finding.at];
    packets.extend(incident.finding.evidence.iter().map(|evidence| evidence.packet));
    packets.extend(line.closes().take(CLOSES).map(|close| close.packet()));
    packets.extend(line.unreachable.iter().take(CLOSES).map(|error| error.packet));
    if let Some(exchange) = failed_exchange(incident) {
        packets.push(exchange.request.start.packet);
        packets.extend(exchange.request.end.map(|mark| mark.packet));
        if let Some(response) = &exchange.response {
            packets.extend([response.start.packet, response.latest.packet]);
        }
    }
    packets.iter().map(|packet| packet.number).collect()
}

/// The two ends of a connection, whoever speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair(Endpoint, Endpoint);

impl Pair {
    fn new(a: Endpoint, b: Endpoint) -> Self {
        if a <= b { Self(a, b) } else { Self(b, a) }
    }

    fn of(segment: &Segment<'_>) -> Self {
        let source = Endpoint { address: segment.ip.source, port: segment.source_port };
        let destination = Endpoint { address: segment.ip.destination, port: segment.destination_port };
        Self::new(source, destination)
    }
}

/// FINs and RSTs, and ICMP errors, of one connection that are always taken.
const CLOSES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Selection, sample};
    use crate::verdict::Verdict;

    fn verdict() -> Verdict {
        Verdict { incidents: vec![sample::keepalive_race(), sample::handshake_failure()], ..Verdict::default() }
    }

    #[test]
    fn the_first_packet_names_the_incident_and_the_evidence_says_what_it_proves() {
        let packets = Extract::new(&verdict(), &View::default()).packets();
        let first = packets.comments(114);
        assert_eq!(first.len(), 1);
        assert!(first[0].starts_with("pcap520 k3f9x2ma keepalive-race: edge status 520, by the origin, certain. "));
        assert_eq!(
            packets.comments(121),
            ["pcap520 k3f9x2ma keepalive-race, the fault: origin closed the idle connection 1.000 s after its last \
              response"]
        );
        assert_eq!(
            packets.comments(122),
            ["pcap520 k3f9x2ma keepalive-race, evidence: the edge sent request 2 before the FIN can have reached it"]
        );
        assert_eq!(packets.comments(120), [""; 0]);
    }

    #[test]
    fn packets_of_evidence_are_taken_whatever_connection_they_are_of() {
        let extract = Extract::new(&verdict(), &View::default());
        assert_eq!((extract.is_empty(), extract.last()), (false, 134));
        let packets = extract.packets();
        let taken: Vec<u64> = (0..200).filter(|&number| packets.contains(number)).collect();
        assert_eq!(taken, [114, 121, 122, 123, 130, 134]);
        assert_eq!((packets.incidents(), packets.last()), (2, 134));
    }

    #[test]
    fn it_is_narrowed_as_a_report_is() {
        let of = |cause: &str| {
            let selection = Selection { cause: Some(cause.to_owned()), ..Selection::default() };
            Extract::new(&verdict(), &View { selection, ..View::default() })
        };
        assert_eq!(of("tls-handshake-failure").packets().incidents(), 1);
        assert!(of("connect-refused").is_empty());
    }

    #[test]
    fn only_the_secrets_of_its_connections_are_kept() {
        let mut extract = Extract::new(&verdict(), &View::default());
        let own = format!("CLIENT_RANDOM {} aa", "00".repeat(32));
        let log = format!("# comment\n{own}\r\nCLIENT_RANDOM {} bb\n{own}\n\nnonsense", "01".repeat(32));
        extract.secrets(log.as_bytes());
        assert_eq!(extract.packets().secrets(), 1);
    }
}
