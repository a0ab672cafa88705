//! The report as data: version 1 of `pcap520/report/v1`.
//!
//! Fields are added, never renamed. Every text in it is redacted already, and none is escaped: each format does that
//! in its own way. Times are UTC, durations are seconds, packet numbers count from 1 in the merged input.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::Stamp;
pub use super::joined::{Contradiction, EdgeLog, Hop, Pattern, Story, Unseen};
use super::streams::{Connections, Incidents};

/// Name and version of the contract.
pub const SCHEMA: &str = "pcap520/report/v1";

/// The whole report. Incidents and connections are composed one by one, as a format takes them: a long report is
/// never held in memory beside the verdict that it tells.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    /// Name and version of this contract.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: &'static str,
    /// What wrote the report.
    pub tool: Tool,
    /// What was read, in the order in which it was named.
    pub captures: Vec<Capture>,
    /// The edge that was assumed.
    pub edge: Edge,
    /// Counts over all captures.
    pub summary: Summary,
    /// Failed exchanges and connections, in the order of their first fault.
    pub incidents: Incidents<'a>,
    /// Worth knowing, but no 52x.
    pub observations: Vec<Observation>,
    /// What many incidents have in common.
    pub patterns: Vec<Pattern>,
    /// The whole story of the request that `--ray` asked for, healthy or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub requests: Vec<Story>,
    /// What the edge's own log makes of the verdicts, where one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_log: Option<EdgeLog>,
    /// What weakens the verdicts.
    pub caveats: Vec<String>,
    /// Every connection, where they were asked for.
    pub connections: Connections<'a>,
}

/// The program.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
}

/// One capture that was read.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Capture {
    /// Path as it was named; `-` for standard input.
    pub path: String,
    /// File format: `pcap`, `pcapng` ...
    pub format: String,
    /// Link types of its interfaces.
    pub link_types: Vec<String>,
    /// Packets read.
    pub packets: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Time of the first packet.
    pub first: Option<Stamp>,
    /// Time of the last packet.
    pub last: Option<Stamp>,
    /// What is wrong with the capture itself.
    pub problems: Vec<String>,
}

/// What the edge was taken to put up with.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Edge {
    /// Name of the profile.
    pub profile: String,
    /// Seconds until a TCP connection must be complete.
    pub connect_timeout_s: f64,
    /// Seconds until a TLS handshake must be complete.
    pub handshake_timeout_s: f64,
    /// Seconds until the next bytes of a response must come.
    pub response_timeout_s: f64,
    /// Bytes of one field line.
    pub header_limit: u64,
    /// Bytes of a response's header section.
    pub headers_limit: u64,
}

/// Counts.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Summary {
    /// TCP connections.
    pub connections: u64,
    /// HTTP exchanges.
    pub exchanges: u64,
    /// Request/response pairs that were complete and clean.
    pub exchanges_ok: u64,
    /// Incidents in this report.
    pub incidents: u64,
    /// The same by cause.
    pub by_cause: BTreeMap<&'static str, u64>,
    /// The same by the status that the edge showed.
    pub by_edge_status: BTreeMap<u16, u64>,
    /// Incidents that the options which narrow the report left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub incidents_left_out: u64,
}

/// One failed exchange or connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Incident {
    /// Short, and the same whenever the same packets are read.
    pub id: String,
    /// Id of the cause in the catalogue.
    pub cause: &'static str,
    /// Title of the cause.
    pub title: &'static str,
    /// `transport`, `session`, `presentation` or `application`.
    #[schemars(extend("enum" = ["transport", "session", "presentation", "application"]))]
    pub layer: &'static str,
    /// Status that the edge showed the visitor.
    pub edge_status: u16,
    /// Status that the edge could read from the origin; 0 where there was none.
    pub origin_status: u16,
    /// `origin`, `middlebox`, `network` or `edge`.
    #[schemars(extend("enum" = ["origin", "middlebox", "network", "edge"]))]
    pub actor: &'static str,
    /// `certain`, `likely` or `possible`.
    #[schemars(extend("enum" = ["certain", "likely", "possible"]))]
    pub confidence: &'static str,
    /// Where it happened.
    pub connection: ConnectionRef,
    /// Number of the exchange on its connection, from 1; null where the connection failed before a request.
    pub exchange: Option<u32>,
    /// The request that failed; null where the connection failed before one.
    pub request: Option<Request>,
    /// What came of the response; null where nothing did.
    pub response: Option<Response>,
    /// The packet in which it went wrong.
    pub fault: PacketAt,
    /// One sentence: who did what, when, and why that is the cause.
    pub summary: String,
    /// The packets that prove it.
    pub evidence: Vec<Evidence>,
    /// What happened on the connection; long ones only around the fault.
    pub timeline: Vec<Event>,
    /// Events left out after the last one of `timeline`.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeline_left_out: u64,
    /// What else was weighed.
    pub also: Vec<Alternative>,
    /// What to do: the server that the origin names itself first.
    pub fix: Vec<Fix>,
    /// The way of the request through a chain of proxies, from the outermost hop to the one that failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<Hop>,
    /// Display filter that shows the connection in Wireshark.
    pub wireshark: String,
}

/// The connection of an incident.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct ConnectionRef {
    /// Number of the connection, as Wireshark's `tcp.stream`.
    pub index: u32,
    /// The edge's end, `ADDRESS:PORT`.
    pub client: String,
    /// The origin's end, `ADDRESS:PORT`.
    pub server: String,
    /// Its first packet.
    pub first_packet: u64,
    /// Time of its first packet.
    pub first: Stamp,
    /// Time of its last packet.
    pub last: Stamp,
    /// Where the capture was taken: what each place can know differs.
    #[schemars(extend("enum" = ["origin", "edge", "between", "unknown"]))]
    pub vantage: &'static str,
    /// Name that the TLS client asked for.
    pub sni: Option<String>,
}

/// A packet and its time.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PacketAt {
    /// Number of the packet.
    pub packet: u64,
    /// Its time.
    pub time: Stamp,
}

/// The request of an incident; what encryption hides is null.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Request {
    /// Method.
    pub method: Option<String>,
    /// Request target.
    pub target: Option<String>,
    /// Host field or `:authority`.
    pub host: Option<String>,
    /// `CF-Ray`.
    pub ray: Option<String>,
    /// `X-Request-Id` or `traceparent`.
    pub request_id: Option<String>,
    /// `traceparent` (W3C Trace Context).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// HTTP/2 stream identifier.
    pub stream: Option<u32>,
    /// Packet of its first byte.
    pub packet: u64,
    /// Time of that packet.
    pub time: Stamp,
}

/// What came of the response of an incident.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Response {
    /// Status code, where one could be read.
    pub status: Option<u16>,
    /// `Server`.
    pub server: Option<String>,
    /// Packet of its first byte.
    pub packet: u64,
    /// Time of that packet.
    pub time: Stamp,
    /// Body bytes.
    pub bytes: u64,
    /// True where it came to its end.
    pub complete: bool,
}

/// A packet and what it proves.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Evidence {
    /// Number of the packet.
    pub packet: u64,
    /// Its time.
    pub time: Stamp,
    /// What it shows.
    pub note: String,
}

/// One thing that happened on the connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Event {
    /// Number of the packet.
    pub packet: u64,
    /// Its time.
    pub time: Stamp,
    /// Seconds since the first packet of the connection.
    pub at: f64,
    /// `edge`, `origin`, `middlebox` or the address of a router.
    pub from: String,
    /// `edge` or `origin`: who gets the packet.
    pub to: &'static str,
    /// Kind of event.
    pub event: &'static str,
    /// What happened.
    pub text: String,
    /// Events left out before this one.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u64,
}

/// A cause that was weighed and lost.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Alternative {
    /// Its id.
    pub cause: &'static str,
    /// Why it is not the root cause.
    pub why_not: String,
}

/// What to do about a cause.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Fix {
    /// Server or device, or `any`.
    #[serde(rename = "for")]
    pub target: &'static str,
    /// What to change.
    pub text: String,
}

/// Worth knowing, but no 52x.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Observation {
    /// Stable kebab-case id.
    pub kind: &'static str,
    /// One sentence with its numbers.
    pub summary: String,
    /// The packets that show it.
    pub evidence: Vec<Evidence>,
}

/// One TCP connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Connection {
    /// Number of the connection, as Wireshark's `tcp.stream`.
    pub index: u32,
    /// The edge's end, `ADDRESS:PORT`.
    pub client: String,
    /// The origin's end, `ADDRESS:PORT`.
    pub server: String,
    /// First packet.
    pub first_packet: u64,
    /// Last packet.
    pub last_packet: u64,
    /// Time of the first packet.
    pub first: Stamp,
    /// Time of the last packet.
    pub last: Stamp,
    /// `handshake`, `refused`, `unanswered` or `mid-stream`.
    #[schemars(extend("enum" = ["handshake", "refused", "unanswered", "mid-stream"]))]
    pub start: &'static str,
    /// `open`, `closed-by-origin`, `closed-by-edge`, `reset-by-origin`, `reset-by-edge`, `refused` or `unanswered`.
    #[schemars(extend("enum" = ENDS))]
    pub end: &'static str,
    /// Where the capture was taken, told from TTLs and the timing of the handshake.
    #[schemars(extend("enum" = ["origin", "edge", "between", "unknown"]))]
    pub vantage: &'static str,
    /// Community ID version 1 with seed 0: joins the connection to Zeek's, Suricata's and Wireshark's.
    pub community_id: String,
    /// Zeek's `history` letters, the edge's in upper case: S SYN, H SYN-ACK, A ACK, D data, F FIN, R RST, T sent
    /// again, W window of 0, I FIN with RST, Q other flags that exclude each other.
    pub history: String,
    /// Wireshark's `tcp.completeness`: SYN 1, SYN-ACK 2, ACK 4, data 8, FIN 16, RST 32, added up.
    pub completeness: u8,
    /// Packets that the capture holds twice.
    #[serde(skip_serializing_if = "is_zero")]
    pub duplicated_packets: u64,
    /// Bytes that were sent twice with different contents; the first seen were taken.
    #[serde(skip_serializing_if = "is_zero")]
    pub conflicting_bytes: u64,
    /// What the edge sent.
    pub client_to_server: Direction,
    /// What the origin sent.
    pub server_to_client: Direction,
    /// Least round-trip time seen, in seconds.
    pub rtt_s: Option<f64>,
    /// TLS; null on a connection in clear text.
    pub tls: Option<Tls>,
    /// Application protocol: `http/1.1`, `h2`, `websocket` ...
    pub protocol: Option<&'static str>,
    /// Exchanges in order of their number.
    pub exchanges: Vec<Exchange>,
    /// Clean exchanges that were counted and not kept.
    #[serde(skip_serializing_if = "is_zero")]
    pub exchanges_left_out: u64,
}

/// One direction of a connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Direction {
    /// Segments, retransmissions among them.
    pub packets: u64,
    /// Bytes of the stream, each counted once.
    pub bytes: u64,
    /// Segments sent again, as Wireshark's `tcp.analysis.retransmission`.
    pub retransmitted: u64,
    /// Those of them that repeated acknowledgments asked for.
    pub fast_retransmitted: u64,
    /// Those of them that had been acknowledged already.
    pub spurious: u64,
    /// Segments that were overtaken on their way, as `tcp.analysis.out_of_order`.
    pub out_of_order: u64,
    /// Segments that the network lost.
    pub lost: u64,
    /// Segments beyond the highest byte seen, as `tcp.analysis.lost_segment`.
    pub after_hole: u64,
    /// Acknowledgments of bytes that were not seen, as `tcp.analysis.ack_lost_segment`.
    pub acked_unseen: u64,
    /// Bytes that the other side acknowledged and that the capture does not hold.
    pub missed_by_capture: u64,
    /// Segments that announced a window of 0.
    pub zero_windows: u64,
    /// Single bytes sent into a window of 0.
    pub window_probes: u64,
    /// Keep-alive probes.
    pub keep_alive_probes: u64,
    /// Segments with urgent data.
    pub urgent_segments: u32,
    /// TTL or hop limit of the first packet.
    pub ttl: Option<u8>,
    /// Packet numbers of RST segments.
    pub rst: Vec<u64>,
    /// Packet numbers of RST segments that the capture holds once more.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rst_copies: Vec<u64>,
    /// Text that some stacks put into a RST.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rst_text: Vec<String>,
    /// Packet numbers of FIN segments.
    pub fin: Vec<u64>,
}

/// TLS facts of a connection.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Tls {
    /// Negotiated version: `1.2`, `1.3` ...
    pub version: Option<String>,
    /// Name that the client asked for.
    pub sni: Option<String>,
    /// Protocols that it offered.
    pub alpn_offered: Vec<String>,
    /// Protocol that the origin chose, where it could be read.
    pub alpn: Option<String>,
    /// Cipher suite, by its IANA name.
    pub cipher: Option<String>,
    /// True where application data was decrypted.
    pub decrypted: bool,
    /// The origin's own certificate, where it could be read: in clear below TLS 1.3, decrypted above.
    pub certificate: Option<Certificate>,
    /// Alerts in the order of the packets.
    pub alerts: Vec<Alert>,
}

/// The leaf of the chain that the origin sent (RFC 5280).
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Certificate {
    /// Subject, as a distinguished name.
    pub subject: String,
    /// Issuer, as a distinguished name.
    pub issuer: String,
    /// Valid from.
    pub not_before: Stamp,
    /// Valid until.
    pub not_after: Stamp,
    /// DNS names and IP addresses of its subjectAltName.
    pub names: Vec<String>,
    /// What Full (strict) has against it, at the time of the packets; empty where it would be taken.
    pub faults: Vec<String>,
}

/// A TLS alert; what encryption hides is null.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Alert {
    /// Number of the packet.
    pub packet: u64,
    /// `edge` or `origin`.
    pub from: &'static str,
    /// `warning`, `fatal`, or another level's number.
    pub level: Option<String>,
    /// Number in the IANA registry "TLS Alerts".
    pub description: Option<u8>,
}

/// One exchange of a connection; what encryption hides is null.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Exchange {
    /// Number on its connection, from 1.
    pub exchange: u32,
    /// Method.
    pub method: Option<String>,
    /// Request target.
    pub target: Option<String>,
    /// Host field or `:authority`.
    pub host: Option<String>,
    /// `CF-Ray`.
    pub ray: Option<String>,
    /// `X-Request-Id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// `traceparent` (W3C Trace Context).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Packet of the request's first byte.
    pub request_packet: u64,
    /// Status code of the response.
    pub status: Option<u16>,
    /// Packet of the response's first byte.
    pub response_packet: Option<u64>,
    /// Body bytes of the response.
    pub response_bytes: Option<u64>,
    /// Seconds from the request's last byte to the response's first.
    pub first_byte_s: Option<f64>,
    /// Seconds from the request's last byte to the response's last.
    pub complete_s: Option<f64>,
    /// `ok`, `incident`, `cancelled`, `deviating` (complete, against the specification), `incomplete` or `obscured`
    /// (the capture misses bytes of it).
    #[schemars(extend("enum" = OUTCOMES))]
    pub outcome: &'static str,
    /// Id of the incident that it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

/// How a connection can end.
const ENDS: [&str; 7] =
    ["open", "closed-by-origin", "closed-by-edge", "reset-by-origin", "reset-by-edge", "refused", "unanswered"];

/// What can become of an exchange.
const OUTCOMES: [&str; 6] = ["ok", "incident", "cancelled", "deviating", "incomplete", "obscured"];

fn is_zero(count: &u64) -> bool {
    *count == 0
}
