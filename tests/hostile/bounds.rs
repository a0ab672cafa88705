//! Memory, work and depth: bounded by constants, and linear in the bytes of the capture.

use super::allocator::{Memory, measure};
use super::attacks::{ALL, Attack};
use super::fuzz::targets::program;

/// Memory that an analysis may take whatever the capture holds: buffers, tables, roots of trust.
const LEAST: u64 = 1 << 20;

/// Memory for each byte of a capture: what five reports tell of a packet that broke something takes
/// more than the packet (most for a refused connection: two packets of 112 bytes).
const FOR_EACH_BYTE: u64 = 160;

/// How much more work twice the capture may be: linear is 2.
const TWICE: f64 = 2.5;

/// Work that does not grow: reading the catalogue, the roots of trust, the first buffers.
const FIXED: u64 = 1 << 20;

/// Packets or messages of the smaller capture.
const SIZE: usize = 250;

fn analyse(capture: &[u8]) -> Memory {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    std::io::Write::write_all(&mut file, capture).unwrap();
    measure(|| drop(program::analyse(file.path()).expect("a capture")))
}

#[test]
fn memory_stays_within_its_bound_under_every_attack() {
    for Attack { name, make } in ALL {
        let capture = make(SIZE);
        let memory = analyse(&capture);
        let bound = LEAST + FOR_EACH_BYTE * capture.len() as u64;
        println!("{name}: {} bytes of capture, {} held, {} asked for", capture.len(), memory.peak, memory.asked);
        assert!(memory.peak <= bound, "{name}: {} bytes held for {} of capture", memory.peak, capture.len());
    }
}

#[test]
fn twice_the_capture_is_at_most_twice_the_work() {
    for Attack { name, make } in ALL {
        let (once, twice) = (analyse(&make(SIZE)), analyse(&make(2 * SIZE)));
        let most = (once.asked as f64 * TWICE) as u64 + FIXED;
        assert!(twice.asked <= most, "{name}: {} bytes copied or asked for, then {}", once.asked, twice.asked);
    }
}

/// A thread with little stack overflows where a parser calls itself as deep as the input says.
#[test]
fn depth_does_not_follow_the_input() {
    for Attack { name, make } in ALL {
        let capture = make(SIZE);
        let small = std::thread::Builder::new().name((*name).to_owned()).stack_size(SMALL_STACK);
        small.spawn(move || analyse(&capture)).unwrap().join().unwrap();
    }
}

/// The deepest way through the program without optimisation takes less.
const SMALL_STACK: usize = 512 << 10;
