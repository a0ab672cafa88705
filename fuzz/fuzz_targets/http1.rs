#![no_main]

libfuzzer_sys::fuzz_target!(init: pcap520_fuzz::seeds::lay_out("http1"), |data: &[u8]| pcap520_fuzz::targets::http1::run(data));
