//! However the segments of a connection are cut, doubled, overtaken and mixed with another connection's, the two
//! streams and the verdict are the same.

use std::net::Ipv4Addr;

use etherparse::PacketBuilder;
use pcap520::analysis::{Analysis, Options, Records};
use pcap520::capture::{LinkType, Packet};
use pcap520::timeline::{Peer, Time};
use pcap520::verdict::Verdict;

mod noise;
use noise::Noise;

/// Ways in which each conversation is sent.
const ROUNDS: u64 = 150;

/// What the two sides do, one after the other.
#[derive(Clone, Copy)]
enum Act {
    Edge(&'static str),
    Origin(&'static str),
    EdgeCloses,
    OriginCloses,
    OriginAborts,
    /// Nothing happens for so many seconds.
    Idle(i64),
}
use Act::{Edge, EdgeCloses, Idle, Origin, OriginAborts, OriginCloses};

const GET: Act = Edge("GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n");
const POST: Act = Edge("POST /b HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 24\r\n\r\nname=value&other=another");
const OK: Act = Origin("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n\r\na body of 20 letters");
const CHUNKED: Act =
    Origin("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n");

/// Conversations, each with the cause that it ends in.
const CONVERSATIONS: &[(&[Act], Option<&str>)] = &[
    (&[GET, OK, POST, CHUNKED, GET, OK, EdgeCloses, OriginCloses], None),
    (&[GET, OK, Idle(2), OriginCloses, EdgeCloses], None),
    (&[GET, CHUNKED, GET, OriginCloses, EdgeCloses], Some("empty-response")),
    (&[GET, OK, POST, OriginAborts], Some("reset-before-response")),
    (
        &[GET, Origin("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nnot so many"), OriginAborts],
        Some("reset-mid-response"),
    ),
    (
        &[GET, Origin("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nnot so many"), OriginCloses, EdgeCloses],
        Some("truncated-response"),
    ),
    (
        &[GET, Origin("HTTP/1.1 200 OK\r\nX Bad: 1\r\nContent-Length: 2\r\n\r\nok"), EdgeCloses],
        Some("malformed-header"),
    ),
    (
        &[GET, Origin("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello"), EdgeCloses],
        Some("malformed-chunk"),
    ),
    (&[GET, Origin("<html>no head at all</html>"), OriginCloses, EdgeCloses], Some("http09-response")),
    (&[GET, Idle(121), EdgeCloses], Some("response-timeout")),
];

#[test]
fn cut_doubled_overtaken_and_mixed_segments_give_the_same_streams_and_verdict() {
    for (number, (acts, cause)) in CONVERSATIONS.iter().enumerate() {
        let plain = facts(&judge(&Sender::new(0, Noise(0)).plain(acts)));
        let causes: Vec<_> = plain.iter().flat_map(|line| line.incidents.iter().map(|found| found.cause)).collect();
        assert_eq!(causes, cause.iter().copied().collect::<Vec<_>>(), "conversation {number}");
        for round in 1..ROUNDS {
            let packets = Sender::new(0, Noise(round)).disturbed(acts);
            assert_eq!(facts(&judge(&packets)), plain, "conversation {number}, round {round}");
        }
    }
}

#[test]
fn connections_that_are_mixed_do_not_disturb_each_other() {
    for round in 1..ROUNDS {
        let mut noise = Noise(round);
        let mut queues: Vec<_> = CONVERSATIONS
            .iter()
            .enumerate()
            .map(|(number, (acts, _))| Sender::new(number as u8, Noise(round + number as u64)).disturbed(acts))
            .collect();
        let alone: Vec<_> = queues.iter().flat_map(|packets| facts(&judge(packets))).collect();
        let mut mixed = Vec::new();
        while queues.iter().any(|queue| !queue.is_empty()) {
            let queue = noise.below(queues.len());
            if !queues[queue].is_empty() {
                mixed.push(queues[queue].remove(0));
            }
        }
        // Each capture has one clock: the packets keep theirs, and stand in its order.
        mixed.sort_by_key(|packet| packet.at);
        let mut together = facts(&judge(&mixed));
        together.sort_by_key(|line| line.port);
        assert_eq!(together, alone, "round {round}");
    }
}

/// What must not change.
#[derive(Debug, PartialEq)]
struct Facts {
    port: u16,
    bytes: [u64; 2],
    ends: &'static str,
    exchanges: Vec<(String, String, Option<u16>, Option<u64>)>,
    incidents: Vec<Found>,
}

#[derive(Debug, PartialEq)]
struct Found {
    cause: &'static str,
    scope: String,
    actor: &'static str,
    edge_status: u16,
    origin_status: u16,
}

fn facts(verdict: &Verdict) -> Vec<Facts> {
    let of_line = |line: &pcap520::timeline::Timeline| Facts {
        port: line.endpoint[Peer::Edge].port,
        bytes: [line.direction[Peer::Edge].bytes, line.direction[Peer::Origin].bytes],
        ends: line.end().name(),
        exchanges: line
            .exchanges
            .iter()
            .map(|exchange| {
                let (request, response) = (&exchange.request, exchange.response.as_ref());
                let (status, body) = (response.and_then(|r| r.status), response.map(|r| r.body_bytes));
                (request.method.to_string(), request.target.clone(), status, body)
            })
            .collect(),
        incidents: verdict
            .incidents
            .iter()
            .filter(|incident| incident.timeline.index == line.index)
            .map(|incident| Found {
                cause: incident.finding.cause.0,
                scope: format!("{:?}", incident.finding.scope),
                actor: incident.finding.actor.name(),
                edge_status: incident.edge_status,
                origin_status: incident.origin_status,
            })
            .collect(),
    };
    verdict.records.iter().map(|line| of_line(line)).collect()
}

fn judge(packets: &[Sent]) -> Verdict {
    let mut analysis = Analysis::new(Options { records: Records::OfAll, ..Options::default() });
    for (number, sent) in (1..).zip(packets) {
        let wire_len = sent.bytes.len() as u32;
        let packet = Packet { number, time: Time(sent.at), link: LinkType::RAW, wire_len, data: &sent.bytes };
        analysis.packet(&packet);
    }
    analysis.finish()
}

/// One packet of a capture.
#[derive(Clone)]
struct Sent {
    at: i64,
    bytes: Vec<u8>,
}

/// One segment on its way.
#[derive(Clone, Copy)]
struct Segment {
    from: usize,
    flags: u8,
    seq: u32,
    ack: u32,
    payload: &'static str,
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// Writes a conversation as packets.
struct Sender {
    host: u8,
    noise: Noise,
    next: [u32; 2],
    id: u16,
    now: i64,
    packets: Vec<Sent>,
}

impl Sender {
    fn new(host: u8, noise: Noise) -> Self {
        // The origin's numbers wrap on the way.
        Self { host, noise, next: [77_000, u32::MAX - 60], id: 0, now: 1_700_000_000_000_000_000, packets: Vec::new() }
    }

    /// Each act in one segment, each answered by an acknowledgment.
    fn plain(mut self, acts: &[Act]) -> Vec<Sent> {
        self.handshake();
        for act in acts {
            let segments = self.segments(*act, |_, whole| vec![whole]);
            for segment in segments {
                self.send(segment);
            }
            self.acknowledge(*act);
        }
        self.packets
    }

    /// Each act in segments of any size, some of them twice, in any order.
    fn disturbed(mut self, acts: &[Act]) -> Vec<Sent> {
        self.handshake();
        for act in acts {
            let mut segments = self.segments(*act, cut);
            for _ in 0..segments.len() {
                let one = segments[self.noise.below(segments.len())];
                if self.noise.below(3) == 0 && one.flags & RST == 0 {
                    segments.push(one);
                }
            }
            for last in (1..segments.len()).rev() {
                segments.swap(last, self.noise.below(last + 1));
            }
            for segment in segments {
                self.send(segment);
            }
            self.acknowledge(*act);
        }
        self.packets
    }

    fn handshake(&mut self) {
        for (from, flags) in [(0, SYN), (1, SYN | ACK), (0, ACK)] {
            let segment = self.next(from, flags, "");
            self.send(segment);
        }
    }

    /// The segments of one act, cut by `cut`.
    fn segments(&mut self, act: Act, cut: impl Fn(&mut Noise, &'static str) -> Vec<&'static str>) -> Vec<Segment> {
        match act {
            Edge(text) => cut(&mut self.noise, text).into_iter().map(|part| self.next(0, ACK, part)).collect(),
            Origin(text) => cut(&mut self.noise, text).into_iter().map(|part| self.next(1, ACK, part)).collect(),
            EdgeCloses => vec![self.next(0, FIN | ACK, "")],
            OriginCloses => vec![self.next(1, FIN | ACK, "")],
            OriginAborts => vec![self.next(1, RST | ACK, "")],
            Idle(seconds) => {
                self.now += seconds * 1_000_000_000;
                Vec::new()
            }
        }
    }

    fn acknowledge(&mut self, act: Act) {
        let other = match act {
            Edge(_) | EdgeCloses => 1,
            Origin(_) | OriginCloses => 0,
            OriginAborts | Idle(_) => return,
        };
        let segment = self.next(other, ACK, "");
        self.send(segment);
    }

    fn next(&mut self, from: usize, flags: u8, payload: &'static str) -> Segment {
        let ack = if flags & ACK == 0 { 0 } else { self.next[1 - from] };
        let segment = Segment { from, flags, seq: self.next[from], ack, payload };
        let len = payload.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.next[from] = self.next[from].wrapping_add(len);
        segment
    }

    fn send(&mut self, segment: Segment) {
        let Segment { from, flags, seq, ack, payload } = segment;
        self.now += 400_000;
        self.id += 1;
        let edge = (Ipv4Addr::new(172, 68, 0, 1), 40_000 + u16::from(self.host));
        let origin = (Ipv4Addr::new(10, 0, 0, 2), 80);
        let (source, destination) = if from == 0 { (edge, origin) } else { (origin, edge) };
        let ttl = if from == 0 { 57 } else { 64 };
        let mut ip = etherparse::Ipv4Header { time_to_live: ttl, identification: self.id, ..Default::default() };
        ip.source = source.0.octets();
        ip.destination = destination.0.octets();
        let mut tcp = PacketBuilder::ip(etherparse::IpHeaders::Ipv4(ip, etherparse::Ipv4Extensions::default())).tcp(
            source.1,
            destination.1,
            seq,
            500,
        );
        if flags & ACK != 0 {
            tcp = tcp.ack(ack);
        }
        if flags & SYN != 0 {
            tcp = tcp.syn();
        }
        if flags & FIN != 0 {
            tcp = tcp.fin();
        }
        if flags & RST != 0 {
            tcp = tcp.rst();
        }
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, payload.as_bytes()).unwrap();
        self.packets.push(Sent { at: self.now, bytes });
    }
}

/// Cuts a text into up to six parts.
fn cut(noise: &mut Noise, text: &'static str) -> Vec<&'static str> {
    let mut parts = Vec::new();
    let mut rest = text;
    for _ in 0..5 {
        if rest.len() < 2 || noise.below(4) == 0 {
            break;
        }
        let (part, after) = rest.split_at(1 + noise.below(rest.len() - 1));
        parts.push(part);
        rest = after;
    }
    parts.push(rest);
    parts
}
