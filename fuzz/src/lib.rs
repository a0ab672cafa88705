//! What is fuzzed, and how captures are bent.
//!
//! A target is a function of bytes that panics where a promise is broken. The programs in `fuzz_targets` run them with
//! libFuzzer; `tests/hostile` of pcap520 runs the same functions over the corpus and over seeded mutations of it.

pub mod bytes;
pub mod dialogue;
pub mod mutate;
pub mod packets;
pub mod seeds;
pub mod targets;
