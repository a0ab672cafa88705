//! `pcap520 analyze`: captures in, a report out.

use std::io::{self, Write};
use std::path::PathBuf;

use super::options::{EdgeArgs, InputArgs, SelectionArgs};
use super::output::Output;
use super::plan::Plan;
use super::terminal::Color;
use super::{Error, exit};
use crate::report::{self, Document};

/// Analyze captures: which exchange failed, who did it, what proves it, what to change
///
/// Several captures are merged by the time of their packets. Words behind -- are a BPF filter, as with tcpdump.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    pub(super) input: InputArgs,

    #[command(flatten)]
    pub(super) edge: EdgeArgs,

    #[command(flatten)]
    pub(super) selection: SelectionArgs,

    /// Form of the report
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t, help_heading = "Report")]
    pub(super) format: Format,

    /// Write the report to a file that only its owner may read
    ///
    /// The file appears, or takes the place of an old one, once the report is whole.
    #[arg(short, long, value_name = "FILE", help_heading = "Report")]
    pub(super) output: Option<PathBuf>,

    /// List every connection, too (JSON and NDJSON)
    #[arg(long, help_heading = "Report")]
    pub(super) connections: bool,

    /// Show credentials and e-mail addresses in targets and quoted bytes
    #[arg(long, help_heading = "Report")]
    pub(super) no_redact: bool,

    /// Exit with status 1 on an incident of these causes, or of any
    #[arg(long, value_name = "CAUSE|any", value_delimiter = ',', help_heading = "Report")]
    pub(super) fail_on: Vec<String>,

    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, help_heading = "Report")]
    pub(super) color: Color,

    /// No progress bar and no hints
    #[arg(short, long, conflicts_with = "verbose", help_heading = "Report")]
    pub(super) quiet: bool,

    /// Every incident in full, with its whole timeline
    #[arg(short, long, help_heading = "Report")]
    pub(super) verbose: bool,
}

/// The form of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people, on a terminal
    #[default]
    Text,
    /// One JSON document (pcap520/report/v1)
    Json,
    /// The same facts, one JSON object a line
    Ndjson,
    /// For a ticket
    Markdown,
}

/// Analyses, writes the report, and says how the program ends.
pub(super) fn run(args: Args) -> Result<u8, Error> {
    let plan = Plan::resolve(args)?;
    if let Some(hint) = plan.hint() {
        let _ = writeln!(io::stderr(), "pcap520: {hint}");
    }
    let output = Output::open(plan.output.as_deref())?;
    let (verdict, sources) = plan.job.analyse(&plan.job.key_logs()?, plan.records.clone(), plan.talk)?;
    let document = Document::new(&verdict, &sources, &plan.view);
    output.write(|out| write(&plan, &document, out))?;
    Ok(if plan.fail_on.matches(&document) { exit::MATCHED } else { exit::ANALYSED })
}

fn write(plan: &Plan, document: &Document, out: &mut dyn Write) -> io::Result<()> {
    match plan.format {
        Format::Text => report::write_text(document, plan.style, out),
        Format::Json => report::write_json(document, out),
        Format::Ndjson => report::write_ndjson(document, out),
        Format::Markdown => report::write_markdown(document, out),
    }
}

const EXAMPLES: &str = "\
Examples:
  pcap520 analyze capture.pcap
      Who broke what, with the packets that prove it and what to change.
  pcap520 analyze --keylog keys.txt capture.pcapng
      The same under TLS.
  pcap520 analyze --ray 8f3b2c1d0e9a7b65 /var/captures/
      The one request of which a visitor sent the Ray ID.
  pcap520 analyze --format json -o report.json capture.pcap -- host 10.0.0.2
      For a program, and only the packets of one host.
  tcpdump -i any -w - tcp port 80 | pcap520 analyze -
      While it is captured.
  pcap520 analyze -q --fail-on any --format markdown capture.pcap
      For a pipeline that ends with status 1 where visitors saw an error.";
