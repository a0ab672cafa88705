//! What each room costs on healthy traffic, and the whole way through the house: `cargo bench`.
//!
//! `reading` does no more than any program must that looks at the bytes: the others are to be compared with it.

use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use pcap520::analysis::{Analysis, Options};
use pcap520::capture::{Input, Item, Packet};
use pcap520::http::Http;
use pcap520::tcp::{Application, MaxMemory, Records, Roles, Table};
use pcap520::timeline::{HalfOpen, Mark, PacketRef, Peer, Timeline};
use pcap520::wire::{Decoded, Decoder};

#[expect(dead_code, reason = "the other benchmarks use the rest")]
mod traffic;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

/// A capture in a file of its own, which goes with the program.
struct File {
    path: tempfile::TempPath,
    bytes: usize,
}

impl File {
    fn new(capture: &[u8]) -> Self {
        let file = tempfile::NamedTempFile::new().expect("a temporary folder");
        fs::write(file.path(), capture).expect("room for a few megabytes");
        Self { path: file.into_temp_path(), bytes: capture.len() }
    }

    fn each_packet(&self, mut take: impl FnMut(&Packet<'_>)) {
        let mut input = Input::open(&[PathBuf::from(&*self.path)]).expect("a capture");
        while let Some(item) = input.next_item().expect("a whole capture") {
            if let Item::Packet(packet) = item {
                take(&packet);
            }
        }
    }
}

static WEB: LazyLock<File> = LazyLock::new(|| File::new(&traffic::capture(traffic::WEB)));
static SMALL: LazyLock<File> = LazyLock::new(|| File::new(&traffic::capture(traffic::SMALL)));
static FLOOD: LazyLock<File> = LazyLock::new(|| File::new(&traffic::flood(200_000)));

/// The captures that each room is measured on.
#[derive(Clone, Copy, Debug)]
enum Traffic {
    Web,
    Small,
    Flood,
}

impl Traffic {
    fn file(self) -> &'static File {
        match self {
            Self::Web => &WEB,
            Self::Small => &SMALL,
            Self::Flood => &FLOOD,
        }
    }
}

const ALL: [Traffic; 3] = [Traffic::Web, Traffic::Small, Traffic::Flood];

fn measure(bencher: Bencher<'_, '_>, traffic: Traffic, work: impl Fn(&File) -> u64 + Sync) {
    let file = traffic.file();
    bencher.counter(BytesCount::new(file.bytes)).bench(|| work(file));
}

#[divan::bench(args = ALL)]
fn a_reading(bencher: Bencher<'_, '_>, traffic: Traffic) {
    measure(bencher, traffic, |file| fs::read(&file.path).expect("it is there").len() as u64);
}

#[divan::bench(args = ALL)]
fn b_capture(bencher: Bencher<'_, '_>, traffic: Traffic) {
    measure(bencher, traffic, |file| {
        let mut bytes = 0;
        file.each_packet(|packet| bytes += packet.data.len() as u64);
        bytes
    });
}

#[divan::bench(args = ALL)]
fn c_wire(bencher: Bencher<'_, '_>, traffic: Traffic) {
    measure(bencher, traffic, |file| {
        let (mut decoder, mut segments) = (Decoder::new(), 0);
        file.each_packet(|packet| segments += u64::from(matches!(decoder.decode(packet), Decoded::Tcp(_))));
        segments
    });
}

#[divan::bench(args = ALL)]
fn d_tcp(bencher: Bencher<'_, '_>, traffic: Traffic) {
    measure(bencher, traffic, |file| connections(file, || Deaf));
}

#[divan::bench(args = ALL)]
fn e_http(bencher: Bencher<'_, '_>, traffic: Traffic) {
    measure(bencher, traffic, |file| connections(file, Http::new));
}

#[divan::bench(args = ALL)]
fn f_analysis(bencher: Bencher<'_, '_>, traffic: Traffic) {
    measure(bencher, traffic, |file| {
        let mut analysis = Analysis::new(Options::default());
        file.each_packet(|packet| analysis.packet(packet));
        analysis.finish().exchanges
    });
}

/// Reads all connections of a file with this layer above TCP.
fn connections<A: Application>(file: &File, app: impl Fn() -> A) -> u64 {
    let (mut decoder, mut table, mut ended) =
        (Decoder::new(), Table::new(Roles::default(), MaxMemory::default()), Ended(0));
    file.each_packet(|packet| {
        if let Decoded::Tcp(segment) = decoder.decode(packet) {
            let at = PacketRef { number: packet.number, time: packet.time };
            table.segment(at, &segment, &app, &mut ended);
        }
    });
    table.finish(&app, &mut ended);
    ended.0
}

/// Hears nothing.
struct Deaf;

impl Application for Deaf {
    fn data(&mut self, _: &mut Timeline, _: Peer, _: &[u8], _: Mark) {}
    fn gap(&mut self, _: &mut Timeline, _: Peer, _: u64, _: Mark) {}
    fn end_of_stream(&mut self, _: &mut Timeline, _: Peer, _: Mark) {}
    fn finish(&mut self, _: &mut Timeline) {}
}

/// Counts what has ended.
struct Ended(u64);

impl Records for Ended {
    fn ended(&mut self, _: &mut Timeline) {
        self.0 += 1;
    }

    fn given_up(&mut self, _: &HalfOpen) -> bool {
        self.0 += 1;
        true
    }
}
