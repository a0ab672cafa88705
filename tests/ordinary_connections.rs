//! What is told of a capture is the same, whether every connection has its record or only those that stand out.

use std::fs;
use std::path::{Path, PathBuf};

use etherparse::PacketBuilder;
use pcap520::analysis::{Analysis, Options, Records};
use pcap520::capture::{Input, Item, LinkType, Packet};
use pcap520::timeline::{Edge, Time};
use pcap520::verdict::Verdict;

mod noise;
use noise::Noise;

/// All that is told but the records themselves.
fn told(verdict: &Verdict) -> String {
    let counts = (verdict.connections, verdict.exchanges, verdict.exchanges_ok);
    let (patterns, observations, caveats) = (&verdict.patterns, &verdict.observations, &verdict.caveats);
    format!("{counts:?}\n{:?}\n{patterns:?}\n{observations:?}\n{caveats:?}", verdict.incidents)
}

/// Where two texts begin to differ.
fn difference(one: &str, other: &str) -> String {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    let from = |text: &str| text.chars().skip(same.saturating_sub(100)).take(300).collect::<String>();
    format!("\n{}\n{}", from(one), from(other))
}

/// The edges of which each row of captures is told: what is near a limit or slow is another for each.
fn edges() -> [Edge; 3] {
    let narrow =
        "name = 'narrow'\n[timeouts]\nresponse = 0.02\nidle = 0.5\n[limits]\nheader = 40\nheaders = 100\nfields = 4";
    [Edge::default(), Edge::built_in("generic").unwrap(), Edge::from_toml(narrow).unwrap()]
}

fn captures(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = entries.partition(|path| path.is_dir());
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng");
    let inner = folders.iter().flat_map(|folder| captures(folder));
    files.into_iter().filter(is_capture).chain(inner).collect()
}

#[test]
fn every_capture_is_told_the_same() {
    let captures = captures(&Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata"));
    assert!(captures.len() > 300, "{} captures", captures.len());
    for path in captures {
        for edge in edges() {
            let judged = |records: Records| {
                let mut analysis = Analysis::new(Options { edge: edge.clone(), records, ..Options::default() });
                let Ok(mut input) = Input::open(std::slice::from_ref(&path)) else { return String::new() };
                while let Ok(Some(item)) = input.next_item() {
                    match item {
                        Item::Packet(packet) => analysis.packet(&packet),
                        Item::Secrets(key_log) => analysis.secrets(key_log),
                    }
                }
                told(&analysis.finish())
            };
            let (short, long) = (judged(Records::OfIncidents), judged(Records::OfAll));
            assert!(short == long, "{} {}: {}", path.display(), edge.profile, difference(&short, &long));
        }
    }
}

/// A packet of a conversation, before it is put together.
#[derive(Clone)]
struct Step {
    time: i64,
    connection: u16,
    from_edge: bool,
    flags: &'static str,
    /// How many bytes of each stream came before.
    own: u32,
    other: u32,
    window: u16,
    ttl: u8,
    payload: Vec<u8>,
}

impl Step {
    fn packet(&self) -> Vec<u8> {
        let (edge, origin) = ([172, 68, 0, 1], [10, 0, 0, 1 + (self.connection % 3) as u8]);
        let (port, service) = (20_000 + self.connection, 80);
        let (from, to, ports) =
            if self.from_edge { (edge, origin, (port, service)) } else { (origin, edge, (service, port)) };
        let (own, other) = if self.from_edge { (1_000, 90_000) } else { (90_000, 1_000) };
        let seq = self.own.wrapping_add(own);
        let mut tcp =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(from, to, self.ttl).tcp(ports.0, ports.1, seq, self.window);
        for flag in self.flags.chars() {
            tcp = match flag {
                'S' => tcp.syn(),
                'F' => tcp.fin(),
                'R' => tcp.rst(),
                _ => tcp.ack(self.other.wrapping_add(other)),
            };
        }
        let mut packet = Vec::new();
        tcp.write(&mut packet, &self.payload).unwrap();
        packet
    }
}

const REQUESTS: [&str; 5] = [
    "GET /a/1 HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "GET /b?x=1 HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\nCF-Ray: 45f3995bddd689b5-FRA\r\n\r\n",
    "HEAD /c/d/e HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    "POST /f HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 2\r\n\r\nok",
    "GET /g HTTP/1.0\r\n\r\n",
];

const RESPONSES: [&str; 9] = [
    "HTTP/1.1 200 OK\r\nServer: a\r\nContent-Length: 10\r\n\r\n0123456789",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody",
    "HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n",
    "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n01234",
    "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody and more",
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    "HTTP/1.1 503 Busy\r\nServer: a\r\nContent-Length: 4\r\n\r\nbusy",
    "HTTP/1.1 200 OK\r\nX Bad: 1\r\nContent-Length: 4\r\n\r\nbody",
    "no head at all",
];

/// One connection, as two hosts and what lies between them make it.
fn connection(number: u16, noise: &mut Noise) -> Vec<Step> {
    let (mut steps, mut sent, mut time) = (Vec::new(), [0, 0], noise.below(40) as i64 * 500_000);
    let mut tell = |steps: &mut Vec<Step>, from_edge: bool, flags: &'static str, payload: &[u8], later_us: usize| {
        let (own, other) = if from_edge { (0, 1) } else { (1, 0) };
        time += later_us as i64 * 1_000;
        let ttl = if from_edge { 57 } else { 64 };
        let (payload, window) = (payload.to_vec(), 500);
        let step = Step {
            time,
            connection: number,
            from_edge,
            flags,
            own: sent[own],
            other: sent[other],
            window,
            ttl,
            payload,
        };
        sent[own] += step.payload.len() as u32 + u32::from(flags.contains('S') || flags.contains('F'));
        steps.push(step);
    };
    tell(&mut steps, true, "S", b"", 0);
    tell(&mut steps, false, "SA", b"", 30);
    tell(&mut steps, true, "A", b"", 9_000);
    // Most are plain: one request, one response.
    for _ in 0..1 + noise.below(8) / 7 {
        let ask = if noise.below(6) == 0 { noise.below(REQUESTS.len()) } else { noise.below(2) };
        tell(&mut steps, true, "A", REQUESTS[ask].as_bytes(), 100);
        tell(&mut steps, false, "A", b"", 20);
        let answer = if noise.below(4) == 0 { noise.below(RESPONSES.len()) } else { noise.below(3) };
        let (first, second) = RESPONSES[answer].as_bytes().split_at(RESPONSES[answer].len() - noise.below(6));
        let wait = [1_000, 15_000, 25_000][noise.below(3)];
        tell(&mut steps, false, "A", first, wait);
        if !second.is_empty() {
            tell(&mut steps, false, "A", second, 10);
        }
        tell(&mut steps, true, "A", b"", 9_000);
    }
    let idle = [10, 30_000, 800_000, 810_000][noise.below(4)];
    match noise.below(8) {
        0 => tell(&mut steps, false, "R", b"", idle),
        1 => tell(&mut steps, true, "RA", b"", idle),
        2 => {}
        nth => {
            tell(&mut steps, nth % 2 == 0, "FA", b"", idle);
            tell(&mut steps, nth % 2 == 1, "FA", b"", 9_000);
            tell(&mut steps, nth % 2 == 0, "A", b"", 30);
        }
    }
    steps
}

/// What a network and a capture make of it.
fn disturb(steps: &mut Vec<Step>, noise: &mut Noise) {
    let at = noise.below(steps.len());
    match noise.below(14) {
        0 => drop(steps.remove(at)),
        1 => steps.insert(at, steps[at].clone()),
        2 => steps.insert(at, Step { ttl: steps[at].ttl - 1, ..steps[at].clone() }),
        3 => steps.push(Step { time: steps[steps.len() - 1].time + 3_000_000, ..steps[at].clone() }),
        4 => steps[at].window = 0,
        5 => steps[at].time += 4_000_000,
        6 => steps[at].own = steps[at].own.wrapping_sub(1),
        7 => steps[at].other = steps[at].other.wrapping_add(1),
        _ => {}
    }
}

#[test]
fn made_up_captures_are_told_the_same() {
    let (mut connections, mut incidents) = (0, 0);
    for seed in 0..1_500 {
        let mut noise = Noise(seed);
        let mut steps: Vec<Step> = (0..1 + noise.below(6) as u16)
            .flat_map(|number| {
                let mut steps = connection(number, &mut noise);
                disturb(&mut steps, &mut noise);
                steps
            })
            .collect();
        steps.sort_by_key(|step| step.time);
        let packets: Vec<(i64, Vec<u8>)> = steps.iter().map(|step| (step.time, step.packet())).collect();
        for edge in edges() {
            let judged = |records: Records| {
                let mut analysis = Analysis::new(Options { edge: edge.clone(), records, ..Options::default() });
                for (nth, (time, data)) in packets.iter().enumerate() {
                    let (number, wire_len) = (nth as u64 + 1, data.len() as u32);
                    analysis.packet(&Packet { number, time: Time(*time), link: LinkType::EN10MB, wire_len, data });
                }
                analysis.finish()
            };
            let (short, long) = (judged(Records::OfIncidents), judged(Records::OfAll));
            let told = (told(&short), told(&long));
            assert!(told.0 == told.1, "seed {seed} {}: {}", edge.profile, difference(&told.0, &told.1));
            connections += short.connections;
            incidents += short.incidents.len();
        }
    }
    assert!(connections > 10_000 && incidents > 1_000, "{connections} connections, {incidents} incidents");
}
