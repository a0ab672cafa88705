#![no_main]

libfuzzer_sys::fuzz_target!(init: pcap520_fuzz::seeds::lay_out("redact"), |data: &[u8]| pcap520_fuzz::targets::redact::run(data));
