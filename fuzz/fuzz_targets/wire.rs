#![no_main]

libfuzzer_sys::fuzz_target!(init: pcap520_fuzz::seeds::lay_out("wire"), |data: &[u8]| pcap520_fuzz::targets::wire::run(data));
