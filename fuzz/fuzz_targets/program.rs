#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use pcap520_fuzz::bytes::Random;
use pcap520_fuzz::mutate;
use pcap520_fuzz::targets::program;

fuzz_target!(init: pcap520_fuzz::seeds::lay_out("program"), |data: &[u8]| program::run(data));

// One time in three libFuzzer's own bytes, otherwise a capture that is bent as a capture.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    if seed.is_multiple_of(3) {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut random = Random::new(seed.into());
    let bent = mutate::file(data.get(..size).unwrap_or_default(), &mut random);
    let len = bent.len().min(max_size).min(data.len());
    data[..len].copy_from_slice(&bent[..len]);
    len
});
