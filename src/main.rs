//! `pcap520`: the command line is [`pcap520::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    pcap520::cli::run()
}
