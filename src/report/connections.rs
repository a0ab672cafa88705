//! The list of connections in a document.

use super::community::community_id;
use super::compose::{Composer, known};
use super::document::{Alert, Certificate, Connection, Direction, Exchange, Tls};
use crate::detect::Scope;
use crate::timeline::{self, Peer, Timeline, Visibility};
use crate::verdict::Incident;

impl Composer {
    /// One connection, of whose exchanges `incidents` failed.
    pub(super) fn connection(&self, line: &Timeline, incidents: &[&Incident]) -> Connection {
        Connection {
            index: line.index,
            client: self.endpoint(line.endpoint.edge),
            server: self.endpoint(line.endpoint.origin),
            first_packet: line.first.number,
            last_packet: line.last.number,
            first: self.stamp(line.first.time),
            last: self.stamp(line.last.time),
            start: line.start.name(),
            end: line.end().name(),
            vantage: line.vantage.name(),
            community_id: self.redaction.id(&community_id(line)),
            history: line.history.clone(),
            completeness: line.completeness,
            duplicated_packets: line.copies.packets,
            conflicting_bytes: line.conflicting_bytes,
            client_to_server: self.direction(line, Peer::Edge),
            server_to_client: self.direction(line, Peer::Origin),
            rtt_s: line.rtt_ns.map(|nanoseconds| nanoseconds as f64 / 1e9),
            tls: line.tls.as_deref().map(|facts| self.tls(facts, line)),
            protocol: line.protocol,
            exchanges: line.exchanges.iter().map(|exchange| self.exchange(exchange, incidents)).collect(),
            exchanges_left_out: line.folded,
        }
    }

    fn exchange(&self, exchange: &timeline::Exchange, incidents: &[&Incident]) -> Exchange {
        let (request, response) = (&exchange.request, exchange.response.as_ref());
        let scope = Scope::Exchange(exchange.number);
        let incident = incidents.iter().find(|incident| incident.finding.scope == scope);
        let after_request = |mark: timeline::Mark| Some(mark.packet.seconds_since(request.end?.packet));
        Exchange {
            exchange: exchange.number,
            method: known(&request.method).map(|method| self.redaction.text(&method)),
            target: known(&request.target).map(|target| self.redaction.target(&target)),
            host: self.text_of(request.host.as_ref()),
            ray: self.id_of(request.ray.as_ref()),
            request_id: self.id_of(request.request_id.as_ref()),
            traceparent: self.id_of(request.traceparent.as_ref()),
            request_packet: request.start.packet.number,
            status: response.and_then(|response| response.status),
            response_packet: response.map(|response| response.start.packet.number),
            response_bytes: response.map(|response| response.body_bytes),
            first_byte_s: response.and_then(|response| after_request(response.start)),
            complete_s: response.and_then(|response| response.end).and_then(after_request),
            outcome: if incident.is_some() { "incident" } else { outcome(exchange) },
            incident: incident.map(|incident| self.redaction.id(&incident.id)),
        }
    }

    fn tls(&self, tls: &timeline::Tls, line: &Timeline) -> Tls {
        let hello = tls.client_hello.as_ref();
        Tls {
            version: tls.version().map(|version| version.to_string()),
            sni: self.sni(line),
            alpn_offered: hello.map(|hello| hello.alpn.clone()).unwrap_or_default(),
            alpn: tls.alpn.clone(),
            cipher: tls.server_hello.as_ref().map(|hello| cipher_suite(hello.cipher)),
            decrypted: tls.decrypted,
            certificate: tls.certificates.first().map(|leaf| self.certificate(leaf, tls)),
            alerts: tls.alerts.iter().map(alert).collect(),
        }
    }

    fn certificate(&self, leaf: &timeline::Certificate, tls: &timeline::Tls) -> Certificate {
        Certificate {
            subject: self.redaction.text(&leaf.subject),
            issuer: self.redaction.text(&leaf.issuer),
            not_before: self.stamp(leaf.not_before),
            not_after: self.stamp(leaf.not_after),
            names: leaf.names.iter().map(|name| self.redaction.text(name)).collect(),
            faults: tls.certificate_faults.iter().map(|fault| self.redaction.text(&fault.to_string())).collect(),
        }
    }

    fn direction(&self, line: &Timeline, from: Peer) -> Direction {
        let direction = &line.direction[from];
        Direction {
            packets: direction.packets,
            bytes: direction.bytes,
            retransmitted: direction.segments.retransmitted,
            fast_retransmitted: direction.segments.fast_retransmitted,
            spurious: direction.segments.spurious,
            out_of_order: direction.segments.out_of_order,
            lost: direction.lost,
            after_hole: direction.segments.after_hole,
            acked_unseen: direction.segments.acked_unseen,
            missed_by_capture: direction.missed_by_capture,
            zero_windows: direction.segments.zero_windows,
            window_probes: direction.segments.window_probes,
            keep_alive_probes: direction.segments.keep_alive_probes,
            urgent_segments: direction.urgent_segments,
            ttl: direction.ttl,
            rst: direction.rsts.iter().map(|rst| rst.packet.number).collect(),
            rst_copies: line.copies.rsts_of(from).collect(),
            fin: direction.fins.iter().filter(|fin| !fin.unseen).map(|fin| fin.packet.number).collect(),
            rst_text: direction.rsts.iter().filter_map(|rst| self.text_of(rst.text.as_ref())).collect(),
        }
    }
}

/// What became of an exchange that is no incident.
pub(super) fn outcome(exchange: &timeline::Exchange) -> &'static str {
    match exchange.visibility {
        _ if exchange.request.cancelled.is_some() => "cancelled",
        Visibility::Obscured => "obscured",
        _ if exchange.clean() => "ok",
        _ if exchange.complete() => "deviating",
        Visibility::Clear | Visibility::Inferred => "incomplete",
    }
}

/// The IANA name of a cipher suite; an unknown one keeps its number.
fn cipher_suite(number: u16) -> String {
    timeline::cipher_name(number).map_or_else(|| format!("{number:#06x}"), str::to_owned)
}

fn alert(alert: &timeline::Alert) -> Alert {
    Alert {
        packet: alert.packet.number,
        from: alert.from.name(),
        level: alert.level.map(|level| match level {
            1 => "warning".to_owned(),
            2 => "fatal".to_owned(),
            other => other.to_string(),
        }),
        description: alert.description.map(|description| description.0),
    }
}
