#![no_main]

libfuzzer_sys::fuzz_target!(init: pcap520_fuzz::seeds::lay_out("http2"), |data: &[u8]| pcap520_fuzz::targets::http2::run(data));
