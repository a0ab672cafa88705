//! `pcap520 completions`: what the shell offers at the tabulator key.

use std::io::{self, Write};

use clap_complete::Shell;

use super::{Error, command, exit};

/// Print the completions of a shell
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// Shell to complete in
    shell: Shell,
}

pub(super) fn run(args: &Args) -> Result<u8, Error> {
    // Written to memory first: the generator panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "pcap520", &mut script);
    io::stdout().lock().write_all(&script)?;
    Ok(exit::ANALYSED)
}

const EXAMPLES: &str = "\
Examples:
  pcap520 completions bash > ~/.local/share/bash-completion/completions/pcap520
  pcap520 completions zsh > ~/.zfunc/_pcap520
  pcap520 completions fish > ~/.config/fish/completions/pcap520.fish";
