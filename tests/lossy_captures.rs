//! A capture that misses packets, doubles, overtakes or cuts them says less, and never something else: what went well
//! in the whole capture is no incident in what is left of it.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::path::Path;

use pcap520::analysis::{Analysis, Options};
use pcap520::capture::{Input, InterfaceDescription, Item, LinkType, Packet, Writer};
use pcap520::detect::Confidence;
use pcap520::timeline::{Edge, Time};
use pcap520::tls::KeyLog;
use pcap520::verdict::{Incident, Verdict};
use pcap520::wire::{Decoded, Decoder};
use serde_json::Value;

mod labels;
mod noise;
use noise::Noise;

/// Seeds of each disturbance of a small capture; `PCAP520_SEEDS` asks for another number, of large ones too, and
/// `PCAP520_KEEP` names the folder that the captures with false alarms are written to.
const SEEDS: u64 = 3;

/// Packets of a capture, times its seeds: the larger it is, the more chances one seed has.
const PACKETS: u64 = 200;

/// Captures with faults that only the edge's next request shows to be harmless, and such as hold late copies already.
/// So does a scan of which no more than a few ports are left.
const APART: [&str; 4] =
    ["healthy--tolerant-", "healthy--late-copies", "healthy--port-reuse-any", "healthy--port-scan"];

#[test]
fn plain_captures_with_holes_raise_no_false_alarm() {
    assert_no_false_alarm("corpus/plain", Keys::Given);
}

#[test]
fn tls_captures_with_holes_raise_no_false_alarm_with_their_keys() {
    assert_no_false_alarm("corpus/tls", Keys::Given);
}

#[test]
fn tls_captures_with_holes_raise_no_false_alarm_without_keys() {
    assert_no_false_alarm("corpus/tls", Keys::Withheld);
}

#[test]
fn captures_of_mended_mistakes_with_holes_raise_no_false_alarm() {
    assert_no_false_alarm("lab", Keys::Given);
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Keys {
    Given,
    Withheld,
}

/// What happens to a capture on its way to us.
#[derive(Clone, Copy, Debug)]
enum Disturbance {
    /// Of a thousand packets so many are missing.
    Drops(u32),
    /// The packets come twice, the copies up to so many milliseconds late; then of a thousand so many are missing.
    Mirrored(i64, u32),
    /// Packets overtake each other within so many microseconds; then of a thousand so many are missing.
    Reordered(i64, u32),
    /// It begins and ends in the middle.
    CutAtBothEnds,
    /// Bytes of each packet that are kept.
    Snapped(usize),
    /// Bytes of each packet that are kept, and of a thousand packets so many are missing.
    SnappedAndDrops(usize, u32),
    /// One direction is missing.
    OneDirection(Side),
    /// So many packets in a row are missing, here and there.
    Bursts(usize),
}
use Disturbance::{Bursts, CutAtBothEnds, Drops, Mirrored, OneDirection, Reordered, Snapped, SnappedAndDrops};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    LowerPort,
    HigherPort,
}

const DISTURBANCES: &[Disturbance] = &[
    Drops(1),
    Drops(10),
    Drops(50),
    Drops(200),
    Mirrored(0, 0),
    Mirrored(3, 10),
    Mirrored(100, 10),
    Mirrored(900, 0),
    Mirrored(900, 50),
    Reordered(50, 0),
    Reordered(200, 10),
    CutAtBothEnds,
    Snapped(68),
    Snapped(96),
    Snapped(200),
    SnappedAndDrops(96, 20),
    SnappedAndDrops(300, 20),
    OneDirection(Side::LowerPort),
    OneDirection(Side::HigherPort),
    Bursts(4),
    Bursts(20),
];

fn assert_no_false_alarm(folder: &str, keys: Keys) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let asked = std::env::var("PCAP520_SEEDS").ok().and_then(|seeds| seeds.parse().ok());
    let keep_in = std::env::var_os("PCAP520_KEEP");
    let mut alarms = Vec::new();
    let mut told = 0;
    let apart = |label: &Value| APART.iter().any(|name| label["capture"].as_str().unwrap().starts_with(name));
    for label in labels::of(&folder).into_iter().filter(|label| !apart(label)) {
        let capture = Capture::read(&folder, &label);
        let seeds = asked.unwrap_or_else(|| (PACKETS / capture.packets.len().max(1) as u64).clamp(1, SEEDS));
        for (nth, disturbance) in DISTURBANCES.iter().enumerate() {
            for seed in 0..seeds {
                let noise = Noise((nth as u64) << 32 | seed);
                let packets = disturb(&capture.packets, *disturbance, noise);
                told += packets.len();
                let verdict = judge(&packets, &label, &folder, keys);
                let false_ones = verdict.incidents.iter().filter(|it| !capture.failed.contains(&addresses(it)));
                let before = alarms.len();
                alarms.extend(false_ones.filter(|it| it.finding.confidence > Confidence::Possible).map(|it| Alarm {
                    capture: label["capture"].as_str().unwrap().to_owned(),
                    disturbance: *disturbance,
                    seed,
                    what: format!(
                        "{} ({}) of connection {}: {}",
                        it.finding.cause,
                        it.finding.confidence.name(),
                        it.timeline.index,
                        it.finding.summary
                    ),
                }));
                if let Some(folder) = keep_in.as_ref().filter(|_| alarms.len() > before) {
                    let name = label["capture"].as_str().unwrap();
                    keep(&packets, &Path::new(folder).join(format!("{name}-{disturbance:?}-{seed}.pcapng")));
                }
            }
        }
    }
    assert!(told > 50_000, "captures are missing: {told} packets");
    let text: Vec<String> = alarms.iter().map(ToString::to_string).collect();
    assert!(alarms.is_empty(), "{} false alarms\n{}", alarms.len(), text.join("\n"));
}

/// Writes what raised a false alarm.
fn keep(packets: &[Kept], path: &Path) {
    let mut writer = Writer::new(File::create(path).unwrap(), "tests/lossy_captures.rs", "").unwrap();
    let link = packets[0].link;
    let interface = InterfaceDescription { link, snap_len: 0, name: None, description: None };
    let interface = writer.interface(&interface, "").unwrap();
    for Kept { time, wire_len, data, .. } in packets {
        writer.packet(interface, Time(*time), *wire_len, data, &[]).unwrap();
    }
}

struct Alarm {
    capture: String,
    disturbance: Disturbance,
    seed: u64,
    what: String,
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} {}: {}", self.capture, self.disturbance, self.seed, self.what)
    }
}

/// A whole capture, and what failed in it.
struct Capture {
    packets: Vec<Kept>,
    /// Both ends of each connection with an incident, in their order.
    failed: BTreeSet<[String; 2]>,
}

#[derive(Clone)]
struct Kept {
    time: i64,
    link: LinkType,
    wire_len: u32,
    data: Vec<u8>,
    /// Source and destination port of a TCP segment.
    ports: Option<(u16, u16)>,
}

impl Capture {
    fn read(folder: &Path, label: &Value) -> Self {
        let mut packets = Vec::new();
        let mut decoder = Decoder::new();
        let mut input = Input::open(&[folder.join(label["capture"].as_str().unwrap())]).unwrap();
        while let Some(item) = input.next_item().unwrap() {
            let Item::Packet(packet) = item else { continue };
            let ports = match decoder.decode(&packet) {
                Decoded::Tcp(segment) => Some((segment.source_port, segment.destination_port)),
                _ => None,
            };
            let Packet { time, link, wire_len, data, .. } = packet;
            packets.push(Kept { time: time.0, link, wire_len, data: data.to_vec(), ports });
        }
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let failed = label["incidents"].as_array().unwrap().iter();
        let failed = failed.map(|it| ordered([text(&it["client"]), text(&it["server"])])).collect();
        Self { packets, failed }
    }
}

fn addresses(incident: &Incident) -> [String; 2] {
    ordered([incident.timeline.endpoint.edge.to_string(), incident.timeline.endpoint.origin.to_string()])
}

/// Who is the server may be unclear in what is left.
fn ordered(mut pair: [String; 2]) -> [String; 2] {
    pair.sort();
    pair
}

fn disturb(packets: &[Kept], disturbance: Disturbance, mut noise: Noise) -> Vec<Kept> {
    match disturbance {
        Drops(rate) => drop_some(packets.to_vec(), rate, &mut noise),
        Mirrored(late_ms, rate) => {
            let mut copies: Vec<Kept> = packets.to_vec();
            for copy in &mut copies {
                copy.time += noise.below(late_ms as usize * 1_000 + 1) as i64 * 1_000;
            }
            let mut all = [packets, &copies].concat();
            all.sort_by_key(|packet| packet.time);
            drop_some(all, rate, &mut noise)
        }
        Reordered(within_us, rate) => {
            let mut all = packets.to_vec();
            for packet in &mut all {
                packet.time += noise.below(within_us as usize + 1) as i64 * 1_000;
            }
            all.sort_by_key(|packet| packet.time);
            drop_some(all, rate, &mut noise)
        }
        CutAtBothEnds => {
            let begin = noise.below(packets.len() / 2 + 1);
            let end = begin + noise.below(packets.len() - begin + 1);
            packets[begin..end].to_vec()
        }
        Snapped(len) => snapped(packets.to_vec(), len),
        SnappedAndDrops(len, rate) => snapped(drop_some(packets.to_vec(), rate, &mut noise), len),
        OneDirection(side) => {
            let kept = packets.iter().filter(|packet| {
                let to_lower = packet.ports.is_none_or(|(source, destination)| source > destination);
                packet.ports.is_none() || to_lower == (side == Side::LowerPort)
            });
            kept.cloned().collect()
        }
        Bursts(len) => {
            let mut left = 0;
            let mut all = packets.to_vec();
            all.retain(|_| {
                if left == 0 && noise.below(len * 20) == 0 {
                    left = len;
                }
                let kept = left == 0;
                left = left.saturating_sub(1);
                kept
            });
            all
        }
    }
}

fn drop_some(mut packets: Vec<Kept>, of_a_thousand: u32, noise: &mut Noise) -> Vec<Kept> {
    packets.retain(|_| noise.below(1_000) as u32 >= of_a_thousand);
    packets
}

fn snapped(mut packets: Vec<Kept>, len: usize) -> Vec<Kept> {
    packets.iter_mut().for_each(|packet| packet.data.truncate(len));
    packets
}

fn judge(packets: &[Kept], label: &Value, folder: &Path, keys: Keys) -> Verdict {
    let log = KeyLog::new();
    if let (Keys::Given, Some(file)) = (keys, label["keylog"].as_str()) {
        log.add(&std::fs::read(folder.join(file)).unwrap());
    }
    let args: Vec<&str> = label["args"].as_array().unwrap().iter().map(|arg| arg.as_str().unwrap()).collect();
    let edge = match args.as_slice() {
        ["--response-timeout", seconds] => Edge::default().with_response_timeout(seconds.parse().unwrap()),
        ["--edge", name] => Edge::built_in(name).unwrap(),
        [] => Edge::default(),
        other => panic!("{other:?}"),
    };
    let mut analysis = Analysis::new(Options { edge, keys: log, ..Options::default() });
    for (nth, packet) in packets.iter().enumerate() {
        let Kept { time, link, wire_len, ref data, .. } = *packet;
        analysis.packet(&Packet { number: nth as u64 + 1, time: Time(time), link, wire_len, data });
    }
    analysis.finish()
}
