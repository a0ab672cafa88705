#![no_main]

libfuzzer_sys::fuzz_target!(init: pcap520_fuzz::seeds::lay_out("keys"), |data: &[u8]| pcap520_fuzz::targets::keys::run(data));
