//! `pcap520`: the command line is [`pcap520::cli`].

use std::process::ExitCode;

/// A connection is a dozen small blocks that come and go together; this allocator is made for such. glibc's takes as long
/// for a capture, but its memory grows with the connections that were: 45 MB after 8 GB of web traffic, this one's 36 MB.
/// Huge pages would cost a third more memory and save no time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    pcap520::cli::run()
}
