//! `pcap520 live`: packets of this host in, incidents out as they are decided.

mod args;
mod default_filter;
mod feed;
mod follow;
mod metrics;
mod recorder;
mod sandbox;
mod signals;
mod sink;
mod user;
mod watcher;

use std::io::{self, Write};

use super::{Error, exit};
use crate::capture::interfaces;
pub(super) use args::Args;
use watcher::Watcher;

/// Watches until it is told to stop.
pub(super) fn run(args: Args) -> Result<u8, Error> {
    if args.list_interfaces {
        list()?;
        return Ok(exit::ANALYSED);
    }
    let mut watcher = Watcher::start(args)?;
    watcher.watch()?;
    watcher.finish()
}

/// What tcpdump -D lists, with its numbers.
fn list() -> Result<(), Error> {
    let mut out = io::stdout().lock();
    for (number, interface) in interfaces()?.iter().enumerate() {
        let state = match (interface.up, interface.loopback) {
            (true, true) => " [up, loopback]",
            (true, false) => " [up]",
            (false, _) => "",
        };
        let what = interface.description.as_deref().map(|text| format!(" ({text})")).unwrap_or_default();
        writeln!(out, "{}.{}{what}{state}", number.saturating_add(1), interface.name)?;
    }
    Ok(())
}
