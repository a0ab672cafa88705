#![no_main]

libfuzzer_sys::fuzz_target!(init: pcap520_fuzz::seeds::lay_out("capture"), |data: &[u8]| pcap520_fuzz::targets::capture::run(data));
