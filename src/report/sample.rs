//! Verdicts made by hand, for the tests of the formats.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::rc::Rc;
use std::sync::LazyLock;

use super::{Document, Source, View};
use crate::detect::{Actor, Cause, Confidence, Evidence, Finding, Observation, Scope};
use crate::timeline::{
    Alert, AlertDescription, ClientHello, Coding, Endpoint, Exchange, Fin, Framing, HandshakePhase, Mark, PacketRef,
    Peer, Request, Response, Rst, RstLook, RstSender, Start, Time, Timeline, Tls, Visibility,
};
use crate::verdict::{Alternative, Entry, Fix, Incident, Layer, Verdict};

/// What a stranger would write to do harm: escape sequences, markup, line ends, marks that turn the text.
pub(super) const HOSTILE: &str =
    "x\x1b]0;owned\x07\x1b[2J\u{9b}31m\u{202e}\r\nfake: line<script>alert(1)</script>|`#1 @all";

/// Both incidents, an observation and a caveat.
pub(super) fn document(view: &View) -> Document<'static> {
    Document::new(lasting(verdict(vec![keepalive_race(), handshake_failure()])), &[source()], view)
}

/// A document borrows its verdict.
fn lasting(verdict: Verdict) -> &'static Verdict {
    Box::leak(Box::new(verdict))
}

/// A document in which every text of a stranger is [`HOSTILE`].
pub(super) fn hostile_document() -> Document<'static> {
    let mut line = race_line();
    for exchange in &mut line.exchanges {
        let request = &mut exchange.request;
        request.method = Cow::Borrowed(HOSTILE);
        request.target = HOSTILE.repeat(20);
        request.host = Some(HOSTILE.to_owned());
        request.ray = Some(HOSTILE.to_owned());
        if let Some(response) = &mut exchange.response {
            response.server = Some(HOSTILE.to_owned());
        }
    }
    line.tls = Some(Box::new(Tls { client_hello: Some(hello(HOSTILE)), ..Tls::default() }));
    let mut incident = race_incident(line);
    incident.finding.summary = HOSTILE.to_owned();
    incident.finding.evidence.push(Evidence::new(at(122), HOSTILE));
    incident.also.push(Alternative { cause: "empty-response", why_not: HOSTILE.to_owned() });
    let mut verdict = verdict(vec![incident]);
    verdict.observations.clear();
    let source = Source { path: HOSTILE.to_owned(), problems: vec![HOSTILE.to_owned()], ..source() };
    Document::new(lasting(verdict), &[source], &View::default())
}

/// A report on `alike` incidents of one cause at one server.
pub(super) fn alike_document(alike: u32) -> Document<'static> {
    let one = |number: u32| {
        let mut incident = keepalive_race();
        incident.id = format!("race{number:04}");
        incident
    };
    Document::new(lasting(verdict((0..alike).map(one).collect())), &[source()], &View::default())
}

/// A report on an incident after many exchanges on its connection.
pub(super) fn busy_document() -> Document<'static> {
    let mut line = race_line();
    let clean = line.exchanges.remove(0);
    let many = (0..300).map(|number| Exchange { number: 1_000 + number, ..clean.clone() });
    line.exchanges.extend(many);
    Document::new(lasting(verdict(vec![race_incident(line)])), &[source()], &View::default())
}

/// A report on a capture in which nothing failed.
pub(super) fn healthy_document() -> Document<'static> {
    let verdict = Verdict { connections: 40, exchanges: 310, exchanges_ok: 310, ..Verdict::default() };
    Document::new(lasting(verdict), &[source()], &View::default())
}

pub(super) fn verdict(incidents: Vec<Incident>) -> Verdict {
    Verdict {
        connections: 40,
        exchanges: 310,
        exchanges_ok: 310_u64.saturating_sub(incidents.len() as u64),
        observations: vec![Observation {
            kind: "keepalive-shorter-than-edge",
            summary: "10.52.0.2:80 closes connections that are idle for 1.0 s; the edge keeps them for 900 s"
                .to_owned(),
            evidence: vec![Evidence::new(at(121), "FIN after 1.000 s without a byte")],
        }],
        records: incidents.iter().map(|incident| Rc::clone(&incident.timeline)).collect(),
        caveats: vec!["3 connections began before the capture".to_owned()],
        incidents,
        ..Verdict::default()
    }
}

pub(super) fn source() -> Source {
    Source {
        path: "a.pcap".to_owned(),
        format: "pcap".to_owned(),
        link_types: vec!["EN10MB".to_owned()],
        packets: 812,
        bytes: 90_123,
        first: Some(at(1).time),
        last: Some(at(812).time),
        problems: vec!["412 packets cut at 96 bytes".to_owned()],
    }
}

/// The origin closes an idle connection while the edge's second request is on its way.
pub(super) fn keepalive_race() -> Incident {
    race_incident(race_line())
}

/// The same, with the request `packets` after the FIN.
pub(super) fn keepalive_race_after(packets: u64) -> Incident {
    let mut line = race_line();
    line.exchanges.pop();
    line.exchanges.push(exchange(2, 121 + packets, "/cart", None));
    race_incident(line)
}

fn race_incident(line: Timeline) -> Incident {
    Incident {
        id: "k3f9x2ma".to_owned(),
        finding: Finding {
            cause: Cause("keepalive-race"),
            scope: Scope::Exchange(2),
            at: at(121),
            actor: Actor::Origin,
            confidence: Confidence::Certain,
            summary: "The origin closed the idle connection 1.000 s after its last response, as it does with every \
                      idle connection; the edge's next request was already on its way (0.2 ms later) and was answered \
                      by a reset."
                .to_owned(),
            evidence: vec![
                Evidence::new(at(121), "origin closed the idle connection 1.000 s after its last response"),
                Evidence::new(at(122), "the edge sent request 2 before the FIN can have reached it"),
                Evidence::new(at(123), "the origin answered the request with a RST"),
            ],
            edge_status: None,
        },
        entry: &RACE,
        edge_status: 520,
        origin_status: 0,
        timeline: Rc::new(line),
        also: vec![Alternative {
            cause: "reset-before-response",
            why_not: "the origin had sent its FIN before the request came, so the reset only follows from it"
                .to_owned(),
        }],
        hops: Vec::new(),
    }
}

/// The origin refuses the TLS handshake: no request was ever sent.
pub(super) fn handshake_failure() -> Incident {
    let mut line = line(13, 45_506, 130);
    let alert = Alert {
        packet: at(134),
        from: Peer::Origin,
        level: Some(2),
        description: Some(AlertDescription::HANDSHAKE_FAILURE),
        phase: HandshakePhase::ClientHello,
    };
    line.tls = Some(Box::new(Tls { client_hello: Some(hello("shop.example")), alerts: vec![alert], ..Tls::default() }));
    line.last = at(134);
    Incident {
        id: "p0q8r7s6".to_owned(),
        finding: Finding {
            cause: Cause("tls-handshake-failure"),
            scope: Scope::Connection,
            at: at(134),
            actor: Actor::Origin,
            confidence: Confidence::Likely,
            summary: "The origin answered the ClientHello with the alert handshake_failure (40).".to_owned(),
            evidence: vec![Evidence::new(at(134), "fatal alert handshake_failure (40)")],
            edge_status: None,
        },
        entry: &HANDSHAKE,
        edge_status: 525,
        origin_status: 0,
        timeline: Rc::new(line),
        also: Vec::new(),
        hops: Vec::new(),
    }
}

fn race_line() -> Timeline {
    let mut line = line(12, 45_504, 114);
    line.last = at(123);
    line.protocol = Some("http/1.1");
    line.rtt_ns = Some(200_000);
    line.exchanges.push(exchange(1, 117, "/", Some(response(119))));
    line.exchanges.push(exchange(2, 122, "/cart?token=c2VjcmV0", None));
    line.direction.origin.fins.push(Fin { packet: at(121), offset: 850, acked: 120, unseen: false });
    line.direction.origin.rsts.push(Rst {
        packet: at(123),
        offset: 851,
        acked: None,
        sender: RstSender::Claimed,
        ttl: 64,
        look: RstLook::NoConnection,
        signs: Vec::new(),
        text: None,
    });
    line
}

/// A connection with its handshake.
fn line(index: u32, port: u16, first: u64) -> Timeline {
    let endpoint = |a, b, c, d, port| Endpoint { address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), port };
    let mut line = Timeline::new(index, endpoint(172, 68, 10, 7, port), endpoint(10, 52, 0, 2, 80), at(first));
    line.start = Start::Handshake;
    line.connect.syns = vec![at(first)];
    line.connect.syn_acks = vec![at(first + 1)];
    line.connect.ack = Some(at(first + 2));
    line
}

fn exchange(number: u32, packet: u64, target: &str, response: Option<Response>) -> Exchange {
    Exchange {
        number,
        stream: None,
        request: Request {
            start: mark(packet),
            head_end: Some(mark(packet)),
            end: Some(mark(packet)),
            method: Cow::Borrowed("GET"),
            target: target.to_owned(),
            host: Some("shop.example".to_owned()),
            ray: Some("8f3b2c1d0e9a7b65-FRA".to_owned()),
            request_id: None,
            traceparent: None,
            framing: Framing::None,
            body_bytes: 0,
            close: false,
            expect_continue: false,
            cancelled: None,
        },
        interim: Vec::new(),
        response,
        visibility: Visibility::Clear,
    }
}

fn response(packet: u64) -> Response {
    Response {
        start: mark(packet),
        head_end: Some(mark(packet)),
        end: Some(mark(packet)),
        latest: mark(packet),
        status: Some(200),
        minor_version: Some(1),
        framing: Framing::Length(850),
        body_bytes: 850,
        head_bytes: 120,
        largest_field: 40,
        largest_field_name: "date".to_owned(),
        fields: 4,
        close: false,
        server: Some("Apache/2.4.62 (Debian)".to_owned()),
        via: None,
        x_cache: None,
        error_page: None,
        content_type: None,
        coding: Coding::Identity,
        deviations: Vec::new(),
        preview: Vec::new(),
        grpc_status: None,
    }
}

fn hello(sni: &str) -> ClientHello {
    ClientHello { packet: at(133), sni: Some(sni.to_owned()), alpn: vec!["h2".to_owned()], ..ClientHello::default() }
}

fn mark(packet: u64) -> Mark {
    Mark { packet: at(packet), offset: 0 }
}

/// 200 µs from packet to packet, and a second without any before packet 121.
fn at(number: u64) -> PacketRef {
    let start = 1_795_424_357_785_174_000;
    let pause = if number > 120 { 999_600_000 } else { 0 };
    PacketRef { number, time: Time(start + (number as i64 - 114) * 200_000 + pause) }
}

/// A cause of the catalogue.
static RACE: LazyLock<Entry> = LazyLock::new(|| Entry {
    id: "keepalive-race",
    title: "The origin closed an idle connection just as the edge reused it",
    layer: Layer::Session,
    actors: vec![Actor::Origin],
    status: 520,
    generic_status: 502,
    mistaken_for: Vec::new(),
    fixes: vec![
        fix(
            "any",
            "Make the origin's idle timeout longer than the edge's, so that it is always the edge that closes.\n\nCloudflare keeps idle connections for 900 s: take 910 s or more.",
        ),
        fix("Node.js", "`server.keepAliveTimeout = 910_000` (5 s by default)."),
        fix("nginx", "`keepalive_timeout 910s;` (75 s by default)."),
        fix("Apache", "`KeepAliveTimeout 910` (5 s by default)."),
    ],
    text: "",
});

static HANDSHAKE: LazyLock<Entry> = LazyLock::new(|| Entry {
    id: "tls-handshake-failure",
    title: "The origin broke the TLS handshake off",
    layer: Layer::Presentation,
    actors: vec![Actor::Origin],
    status: 525,
    generic_status: 502,
    mistaken_for: Vec::new(),
    fixes: Vec::new(),
    text: "",
});

fn fix(target: &'static str, text: &str) -> Fix {
    Fix { target, text: text.to_owned() }
}
