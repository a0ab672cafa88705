#![no_main]

libfuzzer_sys::fuzz_target!(init: pcap520_fuzz::seeds::lay_out("tcp"), |data: &[u8]| pcap520_fuzz::targets::tcp::run(data));
