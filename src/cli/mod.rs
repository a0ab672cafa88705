//! The command line: one file a command. The only room that knows all others, reads a clock, or writes to a terminal.

mod analyze;
mod completions;
mod draft;
mod error;
mod explain;
mod extract;
mod hops;
mod job;
mod live;
mod machine;
mod man;
mod names;
mod options;
mod output;
mod pager;
mod plan;
mod progress;
mod terminal;
mod units;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use error::Error;

use crate::report::Plain;

/// Exit statuses of the program.
pub mod exit {
    /// The input was analysed, whatever was found in it.
    pub const ANALYSED: u8 = 0;
    /// The input was analysed, and `--fail-on` matched.
    pub const MATCHED: u8 = 1;
    /// The command line or the input was at fault; standard error says in one line what, where and what to do.
    pub const FAULT: u8 = 2;
}

/// Runs the program with the arguments of the process.
#[must_use]
pub fn run() -> ExitCode {
    let status = match Cli::parse().command.run() {
        Ok(status) => status,
        // Whoever read our output has seen enough: `pcap520 analyze ... | head`.
        Err(error) if error.is_broken_pipe() => exit::ANALYSED,
        Err(error) => {
            // One line, whatever the names in it hold; nothing is left to be done where standard error is closed, too.
            let _ = writeln!(io::stderr(), "pcap520: {}", Plain(&error.to_string()));
            exit::FAULT
        }
    };
    ExitCode::from(status)
}

/// Reads the packets between a reverse proxy and its origin and says why visitors saw a 520.
///
/// The edge is the reverse proxy (Cloudflare), the TCP client of the captured
/// connections; the origin is the server that answers it. Take the capture on
/// the origin, or as close to it as you can:
///
///   tcpdump -i any -s 0 -w capture.pcap 'tcp port 80 or tcp port 443 or icmp'
#[derive(Debug, Parser)]
#[command(name = "pcap520", version, verbatim_doc_comment, after_long_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Analyze(Box<analyze::Args>),
    Live(Box<live::Args>),
    Extract(Box<extract::Args>),
    Hops(Box<hops::Args>),
    Explain(explain::Args),
    Completions(completions::Args),
    Man(man::Args),
}

impl Command {
    /// The exit status.
    fn run(self) -> Result<u8, Error> {
        match self {
            Self::Analyze(args) => analyze::run(*args),
            Self::Live(args) => live::run(*args),
            Self::Extract(args) => extract::run(*args),
            Self::Hops(args) => hops::run(*args),
            Self::Explain(args) => explain::run(&args),
            Self::Completions(args) => completions::run(&args),
            Self::Man(args) => man::run(&args),
        }
    }
}

/// The command line as data: for completions and man pages.
fn command() -> clap::Command {
    Cli::command()
}

const EXAMPLES: &str = "\
Examples:
  pcap520 analyze capture.pcap
  pcap520 analyze --keylog keys.txt --format json -o report.json capture.pcapng
  tcpdump -i any -w - tcp port 80 | pcap520 analyze -
  pcap520 live -i eth0
  pcap520 analyze --format html -o report.html capture.pcap
  pcap520 extract -o incidents.pcapng capture.pcap
  pcap520 hops --ray 8f3b2c1d0e9a7b65 capture.pcap
  pcap520 explain keepalive-race

Exit status:
  0  analysed, whatever was found
  1  analysed, and --fail-on matched
  2  the command line or the input was at fault; standard error says what, where and what to do";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn the_first_line_of_every_help_text_is_short() {
        let mut commands = vec![command()];
        while let Some(command) = commands.pop() {
            for argument in command.get_arguments().filter(|argument| !argument.is_hide_set()) {
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                let name = format!("{} {}", command.get_name(), argument.get_id());
                assert!((1..=72).contains(&help.chars().count()), "{name}: {help:?}");
            }
            commands.extend(command.get_subcommands().cloned());
        }
    }
}
