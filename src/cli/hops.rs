//! `pcap520 hops`: the way of a request through a chain of proxies.

use std::io::{self, Write};

use super::job::{Job, Talk};
use super::options::{EdgeArgs, InputArgs};
use super::terminal::{self, Color};
use super::{Error, exit};
use crate::analysis::Records;
use crate::report::{Chosen, Redaction, Stories};

/// Show the way of a request through a chain of proxies, hop by hop
///
/// Hops are joined by CF-Ray, X-Request-Id or traceparent, else by addresses, time and target. Take the capture where
/// several hops pass: on the proxy itself, or merge the captures of several machines whose clocks agree. Without a
/// choice it shows the requests that failed.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    input: InputArgs,

    #[command(flatten)]
    edge: EdgeArgs,

    /// The request with this Ray ID
    #[arg(long, value_name = "RAY-ID", help_heading = "Selection")]
    ray: Option<String>,

    /// The request with this X-Request-Id or traceparent
    #[arg(long, value_name = "ID", help_heading = "Selection", conflicts_with = "ray")]
    request_id: Option<String>,

    /// One JSON document in place of the text
    #[arg(long, help_heading = "Report")]
    json: bool,

    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, help_heading = "Report")]
    color: Color,

    /// No progress bar and no hints
    #[arg(short, long, help_heading = "Report")]
    quiet: bool,
}

pub(super) fn run(args: Args) -> Result<u8, Error> {
    let talk = if args.quiet { Talk::Nothing } else { Talk::Hints };
    let job = Job::resolve(args.input, &args.edge)?;
    let (verdict, _) = job.analyse(&job.key_logs()?, Records::OfAll, talk, None)?;
    let chosen = match (args.ray, args.request_id) {
        (Some(ray), _) => Chosen::Ray(ray),
        (None, Some(id)) => Chosen::RequestId(id),
        (None, None) => Chosen::Failed,
    };
    let stories = Stories::new(&verdict, &chosen, Redaction::default());
    let mut text = Vec::new();
    if args.json {
        stories.write_json(&mut text)?;
    } else {
        stories.write_text(terminal::width(), args.color.palette(), &mut text)?;
    }
    io::stdout().lock().write_all(&text)?;
    Ok(exit::ANALYSED)
}

const EXAMPLES: &str = "\
Examples:
  pcap520 hops --ray 8f3b2c1d0e9a7b65 lb.pcap
      Edge to load balancer, load balancer to application: which hop failed first.
  pcap520 hops lb.pcap app.pcap
      The way of every request that failed.";
