//! What the fuzzers begin with: the captures in `testdata`, taken apart for each target.

use std::fs;
use std::path::{Path, PathBuf};

use pcap520::capture::{Input, Item};
use pcap520::tcp::{Application, MaxMemory, Records, Roles, Table};
use pcap520::timeline::{HalfOpen, Mark, PacketRef, Peer, Timeline};
use pcap520::wire::{Decoded, Decoder};

use super::bytes::Random;
use super::dialogue::Recorder;
use super::packets;

/// A seed for a larger file costs more time than it finds.
const LARGEST: u64 = 64 * 1024;

/// The seeds of a target, by its name: those made from `testdata`, and the corpus that lies beside the targets.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    let mut seeds = match target {
        "capture" | "program" => captures().iter().map(|path| fs::read(path).expect("a capture")).collect(),
        "wire" => captures().iter().map(|path| packets_of(path)).collect(),
        "tcp" => (0..32).map(operations).collect(),
        "tls" => dialogues().into_iter().filter(|dialogue| dialogue.get(3) == Some(&0x16)).collect(),
        "http1" => dialogues().into_iter().filter(|dialogue| dialogue.get(3) != Some(&0x16)).collect(),
        "http2" => http2(),
        "redact" => WORDS.iter().map(|words| words.as_bytes().to_vec()).collect(),
        "keys" => key_logs(),
        _ => Vec::new(),
    };
    seeds.extend(files(&home().join("fuzz/corpus").join(target)).iter().map(|path| fs::read(path).expect("a seed")));
    seeds
}

/// Writes the seeds of a target into the folder that FUZZ_SEEDS names: the fuzzer reads them from there.
pub fn lay_out(target: &str) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(PathBuf::from) else { return };
    fs::create_dir_all(&folder).expect("a folder for seeds");
    for (index, seed) in of(target).iter().enumerate() {
        fs::write(folder.join(format!("seed-{index:04}")), seed).expect("room for seeds");
    }
}

/// The captures in `testdata` that are small enough.
pub fn captures() -> Vec<PathBuf> {
    let small = |path: &PathBuf| fs::metadata(path).is_ok_and(|metadata| metadata.len() <= LARGEST);
    let is_capture = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "pcap" || ext == "pcapng");
    files(&home().join("testdata")).into_iter().filter(is_capture).filter(small).collect()
}

/// The text of every key log in `testdata`.
pub fn key_logs() -> Vec<Vec<u8>> {
    let is_log = |path: &PathBuf| path.extension().is_some_and(|ext| ext == "keys");
    files(&home().join("testdata")).iter().filter(|path| is_log(path)).filter_map(|path| fs::read(path).ok()).collect()
}

/// All files below a folder, in order of name.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The repository.
fn home() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if manifest.ends_with("fuzz") { manifest.join("..") } else { manifest }
}

/// The packets of a capture in the form of the target `wire`.
fn packets_of(path: &Path) -> Vec<u8> {
    let mut seed = Vec::new();
    for frame in packets::read(path).into_iter().take(20) {
        seed.extend((frame.link as u16).to_le_bytes());
        seed.extend((frame.data.len() as u16).to_le_bytes());
        seed.push((frame.wire_len as usize - frame.data.len()).min(255) as u8);
        seed.extend(frame.data);
    }
    seed
}

/// Operations of the target `tcp`, drawn by lot.
fn operations(seed: u64) -> Vec<u8> {
    let mut random = Random::new(seed);
    (0..8 + 8 * seed).flat_map(|_| random.next().to_le_bytes()).collect()
}

/// What the peers of each connection in `testdata` said, in the form of [`super::dialogue`].
fn dialogues() -> Vec<Vec<u8>> {
    let mut dialogues: Vec<Vec<u8>> = captures().iter().flat_map(|path| dialogues_of(path)).collect();
    dialogues.sort();
    dialogues.dedup();
    dialogues
}

fn dialogues_of(path: &Path) -> Vec<Vec<u8>> {
    let (mut table, mut decoder) = (Table::new(Roles::default(), MaxMemory::default()), Decoder::new());
    let dialogues = std::rc::Rc::default();
    let Ok(mut input) = Input::open(&[path.to_owned()]) else { return Vec::new() };
    let app = || Heard { recorder: Recorder::default(), dialogues: std::rc::Rc::clone(&dialogues) };
    while let Ok(Some(item)) = input.next_item() {
        let Item::Packet(packet) = item else { continue };
        if let Decoded::Tcp(segment) = decoder.decode(&packet) {
            table.segment(packet.reference(), &segment, app, &mut Nobody);
        }
    }
    table.finish(app, &mut Nobody);
    dialogues.take()
}

/// Wants no record.
struct Nobody;

impl Records for Nobody {
    fn ended(&mut self, _: &mut Timeline) {}

    fn given_up(&mut self, _: &HalfOpen) -> bool {
        true
    }
}

/// Keeps what was recorded of a connection when it ends.
struct Heard {
    recorder: Recorder,
    dialogues: std::rc::Rc<std::cell::RefCell<Vec<Vec<u8>>>>,
}

impl Application for Heard {
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark) {
        self.recorder.data(line, from, bytes, start);
    }

    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark) {
        self.recorder.gap(line, from, len, start);
    }

    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, at: Mark) {
        self.recorder.end_of_stream(line, from, at);
    }

    fn finish(&mut self, _: &mut Timeline) {
        let dialogue = std::mem::take(&mut self.recorder.dialogue);
        if dialogue.len() > 3 && dialogue.len() as u64 <= LARGEST {
            self.dialogues.borrow_mut().push(dialogue);
        }
    }
}

/// HTTP/2 is mostly encrypted: these dialogues are those that lie in the clear, and the frames of a short one.
fn http2() -> Vec<Vec<u8>> {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let clear = dialogues().into_iter().filter(|dialogue| dialogue.windows(24).any(|window| window == preface));
    let mut seeds: Vec<Vec<u8>> = clear.collect();
    let line = &mut Timeline::new(
        0,
        pcap520::timeline::Endpoint { address: packets::EDGE.into(), port: 40_000 },
        pcap520::timeline::Endpoint { address: packets::ORIGIN.into(), port: 80 },
        PacketRef::default(),
    );
    let mut recorder = Recorder::default();
    let get = [0x82, 0x87, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff];
    let says: [(Peer, Vec<u8>); 8] = [
        (Peer::Edge, [&preface[..], &frame(4, 0, 0, &[0, 3, 0, 0, 0, 100])].concat()),
        (Peer::Origin, frame(4, 0, 0, &[0, 1, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0])),
        (Peer::Edge, [frame(4, 1, 0, &[]), frame(1, 5, 1, &get)].concat()),
        (Peer::Origin, [frame(4, 1, 0, &[]), frame(1, 4, 1, &[0x88, 0x0f, 0x0d, 1, b'3'])].concat()),
        (Peer::Origin, frame(0, 1, 1, b"abc")),
        (
            Peer::Edge,
            [frame(1, 0x25, 3, &[&[0, 0, 0, 0, 9], &get[..]].concat()), frame(8, 0, 0, &[0, 0, 9, 9])].concat(),
        ),
        (Peer::Origin, [frame(3, 0, 3, &[0, 0, 0, 7]), frame(6, 0, 0, &[1; 8])].concat()),
        (Peer::Origin, frame(7, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 2, b'b', b'y', b'e'])),
    ];
    for (from, bytes) in says {
        recorder.data(line, from, &bytes, Mark::default());
    }
    seeds.push(recorder.dialogue);
    seeds
}

/// length (24), type (8), flags (8), stream (32), payload (RFC 9113 section 4.1)
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

const WORDS: &[&str] = &[
    "GET /a?token=abc&page=2#x HTTP/1.1\r\nCookie: a=b; c=d\r\nAuthorization: Basic abc==\r\n\r\n",
    "http://ann:pw@shop.example/a?%74oken=abc&to=ann%2Blee%40mail.example",
    "{\"password\": \"a\\\"b\", \"n\": [1, {\"api_key\": 'x'}]}",
    "eyJhbGciOi.eyJzdWIiOiIxMjM0NTY.SflKxwRJSM \u{202e}ä\u{1b}[31m ann@mail.example",
];
