//! The exchanges as HTTP Archive 1.2, which browsers' developer tools and other viewers open.
//!
//! A capture's timeline keeps few header fields and no body, so the archive holds those fields and the sizes. An exchange whose
//! content encryption hides has no place in it, and neither have clean exchanges that were counted and not kept.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::compose::Composer;
use super::document::{Document, Tool};
use super::json::write_indented;
use super::redact::Addresses;
use super::streams::Connections;
use crate::detect::Scope;
use crate::timeline::{self, Mark, PacketRef, Timeline};
use crate::verdict::Incident;

/// Writes the document's exchanges.
///
/// # Errors
/// What `out` fails with.
pub fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let log = Log {
        version: "1.2",
        creator: &document.tool,
        entries: Entries(&document.connections),
        comment: comment(&document.connections),
    };
    write_indented(&Archive { log }, out)
}

#[derive(Serialize)]
struct Archive<'a> {
    log: Log<'a>,
}

#[derive(Serialize)]
struct Log<'a> {
    version: &'static str,
    creator: &'a Tool,
    entries: Entries<'a>,
    comment: String,
}

/// The entries, made one by one while they are written.
struct Entries<'a>(&'a Connections<'a>);

impl Serialize for Entries<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let composer = self.0.composer();
        serializer.collect_seq(self.0.records().flat_map(|(line, incidents)| {
            let readable = line.exchanges.iter().filter(|exchange| is_readable(exchange));
            readable.map(move |exchange| entry(composer, line, exchange, incidents))
        }))
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    started_date_time: String,
    time: f64,
    request: Request,
    response: Response,
    cache: Cache,
    timings: Timings,
    #[serde(rename = "serverIPAddress", skip_serializing_if = "Option::is_none")]
    server_ip_address: Option<String>,
    connection: String,
    #[serde(rename = "_incident", skip_serializing_if = "Option::is_none")]
    incident: Option<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    method: String,
    url: String,
    http_version: &'static str,
    cookies: [Pair; 0],
    headers: Vec<Pair>,
    query_string: Vec<Pair>,
    headers_size: i64,
    body_size: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    status: u16,
    status_text: &'static str,
    http_version: &'static str,
    cookies: [Pair; 0],
    headers: Vec<Pair>,
    content: Content,
    #[serde(rename = "redirectURL")]
    redirect_url: &'static str,
    headers_size: i64,
    body_size: i64,
    #[serde(rename = "_error", skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Content {
    size: i64,
    mime_type: String,
}

#[derive(Serialize)]
struct Pair {
    name: String,
    value: String,
}

/// Nothing is known of caches.
#[derive(Serialize)]
struct Cache {}

/// Milliseconds; -1 where it does not apply.
#[derive(Serialize)]
struct Timings {
    blocked: f64,
    dns: f64,
    connect: f64,
    send: f64,
    wait: f64,
    receive: f64,
    ssl: f64,
}

/// What a viewer that knows pcap520 shows of a failed exchange.
#[derive(Serialize)]
struct Failure {
    id: String,
    cause: &'static str,
    edge_status: u16,
    summary: String,
}

fn is_readable(exchange: &timeline::Exchange) -> bool {
    !exchange.request.method.is_empty()
}

fn entry(composer: &Composer, line: &Timeline, exchange: &timeline::Exchange, incidents: &[&Incident]) -> Entry {
    let timings = timings(line, exchange);
    let scope = Scope::Exchange(exchange.number);
    let incident = incidents.iter().find(|incident| incident.finding.scope == scope);
    let address = line.endpoint.origin.address.to_canonical();
    Entry {
        started_date_time: composer.stamp(exchange.request.start.packet.time).to_string(),
        time: timings.connect.max(0.0) + timings.ssl.max(0.0) + timings.send + timings.wait + timings.receive,
        request: request(composer, line, exchange),
        response: response(composer, line, exchange),
        cache: Cache {},
        timings,
        server_ip_address: (composer.redaction.addresses == Addresses::Shown).then(|| address.to_string()),
        connection: line.index.to_string(),
        incident: incident.map(|incident| Failure {
            id: composer.redaction.id(&incident.id),
            cause: incident.finding.cause.0,
            edge_status: incident.edge_status,
            summary: composer.redaction.text(&incident.finding.summary),
        }),
    }
}

fn request(composer: &Composer, line: &Timeline, exchange: &timeline::Exchange) -> Request {
    let request = &exchange.request;
    let target = composer.redaction.target(&request.target);
    let host = composer.text_of(request.host.as_ref()).or_else(|| composer.sni(line));
    let fields = [("Host", host.clone()), ("CF-Ray", composer.id_of(request.ray.as_ref()))];
    Request {
        method: composer.redaction.text(&request.method),
        url: url(line, host.unwrap_or_else(|| composer.endpoint(line.endpoint.origin)), &target),
        http_version: version(line),
        cookies: [],
        headers: headers(fields),
        query_string: query(&target),
        headers_size: -1,
        body_size: size(request.body_bytes),
    }
}

fn response(composer: &Composer, line: &Timeline, exchange: &timeline::Exchange) -> Response {
    let Some(response) = &exchange.response else {
        return Response {
            status: 0,
            status_text: "",
            http_version: version(line),
            cookies: [],
            headers: Vec::new(),
            content: Content { size: 0, mime_type: UNKNOWN_TYPE.to_owned() },
            redirect_url: "",
            headers_size: -1,
            body_size: -1,
            error: Some("no response"),
        };
    };
    let content_type = composer.text_of(response.content_type.as_ref());
    let fields = [
        ("Server", composer.text_of(response.server.as_ref())),
        ("Via", composer.text_of(response.via.as_ref())),
        ("Content-Type", content_type.clone()),
    ];
    Response {
        status: response.status.unwrap_or(0),
        status_text: "",
        http_version: version(line),
        cookies: [],
        headers: headers(fields),
        content: Content {
            size: size(response.body_bytes),
            mime_type: content_type.unwrap_or_else(|| UNKNOWN_TYPE.to_owned()),
        },
        redirect_url: "",
        headers_size: if line.protocol == Some("h2") { -1 } else { size(response.head_bytes) },
        body_size: size(response.body_bytes),
        error: response.end.is_none().then_some("the response is not complete"),
    }
}

fn timings(line: &Timeline, exchange: &timeline::Exchange) -> Timings {
    let (request, response) = (&exchange.request, exchange.response.as_ref());
    let sent = request.end.unwrap_or(request.start);
    let begun = response.map(|response| response.start);
    let between = |from: Mark, to: Mark| milliseconds(from.packet, to.packet);
    let opens = exchange.number == 1;
    let (syn, ack) = (line.connect.syns.first(), line.connect.ack);
    let handshake = line.tls.as_ref().and_then(|tls| Some((tls.client_hello.as_ref()?.packet, tls.handshake_done?)));
    Timings {
        blocked: -1.0,
        dns: -1.0,
        connect: syn.zip(ack).filter(|_| opens).map_or(-1.0, |(syn, ack)| milliseconds(*syn, ack)),
        send: between(request.start, sent),
        wait: begun.map_or(0.0, |begun| between(sent, begun)),
        receive: response.map_or(0.0, |response| between(response.start, response.end.unwrap_or(response.latest))),
        ssl: handshake.filter(|_| opens).map_or(-1.0, |(hello, done)| milliseconds(hello, done)),
    }
}

fn milliseconds(from: PacketRef, to: PacketRef) -> f64 {
    to.seconds_since(from).max(0.0) * 1e3
}

/// What the archive does not hold.
fn comment(connections: &Connections<'_>) -> String {
    let (mut hidden, mut folded) = (0_u64, 0_u64);
    for (line, _) in connections.records() {
        hidden = hidden.saturating_add(line.exchanges.iter().filter(|exchange| !is_readable(exchange)).count() as u64);
        folded = folded.saturating_add(line.folded);
    }
    format!(
        "Made from packets: no bodies, and of the header fields only Host, CF-Ray, Server, Via and Content-Type. Not in \
         it: {hidden} exchanges that encryption hides, {folded} clean ones that were counted and not kept."
    )
}

fn version(line: &Timeline) -> &'static str {
    if line.protocol == Some("h2") { "HTTP/2" } else { "HTTP/1.1" }
}

/// An absolute URL; what cannot stand in one is percent-encoded.
fn url(line: &Timeline, host: String, target: &str) -> String {
    let scheme = if line.tls.is_some() { "https" } else { "http" };
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    let mut url = format!("{scheme}://");
    for byte in host.bytes().chain(target.bytes()) {
        match byte {
            b'!'..=b'~' if !br#""<>\^`{|}"#.contains(&byte) => url.push(char::from(byte)),
            _ => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

fn query(target: &str) -> Vec<Pair> {
    let query = target.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Pair { name: name.to_owned(), value: value.to_owned() }
    };
    pairs.map(pair).collect()
}

fn headers<const N: usize>(fields: [(&str, Option<String>); N]) -> Vec<Pair> {
    let known = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    known.map(|(name, value)| Pair { name: name.to_owned(), value }).collect()
}

fn size(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// The type of content that says nothing of its own.
const UNKNOWN_TYPE: &str = "x-unknown";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, sample};

    fn archive(document: &Document<'_>) -> serde_json::Value {
        let mut out = Vec::new();
        write(document, &mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn an_exchange_is_an_entry_and_a_failed_one_says_why() {
        let archive = archive(&sample::document(&View::default()));
        let entries = archive["log"]["entries"].as_array().unwrap();
        assert_eq!(entries.len(), 2);
        assert_eq!(entries[0]["request"]["url"], "http://shop.example/");
        assert_eq!(entries[0]["response"]["status"], 200);
        assert_eq!(entries[0]["timings"]["connect"], 0.4);
        assert_eq!(entries[1]["request"]["queryString"][0]["value"], "[redacted]");
        assert_eq!(entries[1]["response"]["status"], 0);
        assert_eq!(entries[1]["timings"]["connect"], -1.0);
        assert_eq!(entries[1]["_incident"]["cause"], "keepalive-race");
        assert_eq!(entries[1]["startedDateTime"], "2026-11-23T08:59:18.786374Z");
    }

    #[test]
    fn a_url_of_strangers_stays_a_url() {
        let line = sample::keepalive_race().timeline;
        assert_eq!(url(&line, "a b".to_owned(), "x<y>\u{202e}"), "http://a%20b/x%3Cy%3E%E2%80%AE");
    }
}
