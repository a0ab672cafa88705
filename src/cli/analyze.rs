//! `pcap520 analyze`: captures in, a report out.

use std::io::{self, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::options::{EdgeArgs, InputArgs, SelectionArgs};
use super::output::Output;
use super::plan::{Plan, Pseudonyms};
use super::terminal::Color;
use super::{Error, exit};
use crate::analysis::Records;
use crate::capture::Packet;
use crate::report::{self, Addresses, Document, Key};

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

    /// Take IP addresses out, too, beside credentials and e-mail addresses
    ///
    /// Each address gets a pseudonym, the same in the whole report and in every report on the same packets. Incidents
    /// get other ids.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', help_heading = "Report")]
    pub(super) redact: Vec<Redact>,

    /// Show credentials and e-mail addresses in targets and quoted bytes
    #[arg(long, conflicts_with = "redact", help_heading = "Report")]
    pub(super) no_redact: bool,

    /// Show times in UTC, as they are by default
    #[arg(long, conflicts_with = "local", help_heading = "Report")]
    pub(super) utc: bool,

    /// Show times in this computer's time zone; JSON and HAR stay in UTC
    #[arg(long, help_heading = "Report")]
    pub(super) local: bool,

    /// Exit with status 1 on an incident of these causes, or of any
    #[arg(long, value_name = "CAUSE|any", value_delimiter = ',', help_heading = "Report")]
    pub(super) fail_on: Vec<String>,

    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", default_value_t, help_heading = "Report")]
    pub(super) color: Color,

    /// Do not show the report with PAGER (less), which is asked on a terminal
    #[arg(long, help_heading = "Report")]
    pub(super) no_pager: bool,

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
    /// For a ticket: GitHub, GitLab, Jira
    Markdown,
    /// One page for a browser, with pictures and filters
    Html,
    /// The exchanges as an HTTP Archive 1.2
    Har,
}

impl Format {
    /// True where it is to be read as it is.
    pub(super) fn is_read_by_people(self) -> bool {
        matches!(self, Self::Text | Self::Markdown)
    }

    /// Which connections the report needs.
    pub(super) fn records(self) -> Records {
        if self == Self::Har { Records::OfAll } else { Records::OfIncidents }
    }
}

/// What is taken out beside credentials and e-mail addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Redact {
    /// IP addresses
    Addresses,
}

/// Analyses, writes the report, and says how the program ends.
pub(super) fn run(args: Args) -> Result<u8, Error> {
    let plan = Plan::resolve(args)?;
    if let Some(hint) = plan.hint() {
        let _ = writeln!(io::stderr(), "pcap520: {hint}");
    }
    let output = match &plan.pager {
        Some(pager) => Output::Pager(pager.clone()),
        None => Output::open(plan.output.as_deref())?,
    };
    let mut digest = Sha256::new();
    let mut digest_packet = |packet: &Packet<'_>| digest.update(packet.data);
    let hidden = plan.pseudonyms == Pseudonyms::OfAddresses;
    let look: Option<&mut dyn FnMut(&Packet<'_>)> = if hidden { Some(&mut digest_packet) } else { None };
    let (verdict, sources) = plan.job.analyse(&plan.job.key_logs()?, plan.records.clone(), plan.talk, look)?;
    let mut view = plan.view.clone();
    if hidden {
        view.redaction.addresses = Addresses::Hidden(Key::new(&digest.finalize()));
    }
    let document = Document::new(&verdict, &sources, &view);
    output.write(|out| write(&plan, &document, out))?;
    Ok(if plan.fail_on.matches(&document) { exit::MATCHED } else { exit::ANALYSED })
}

fn write(plan: &Plan, document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    match plan.format {
        Format::Text => report::write_text(document, plan.style, out),
        Format::Json => report::write_json(document, out),
        Format::Ndjson => report::write_ndjson(document, out),
        Format::Markdown => report::write_markdown(document, out),
        Format::Html => report::write_html(document, out),
        Format::Har => report::write_har(document, out),
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
  pcap520 analyze --format html --redact addresses -o report.html capture.pcap
      A page to mail around, which names no address.
  tcpdump -i any -w - tcp port 80 | pcap520 analyze -
      While it is captured.
  pcap520 analyze -q --fail-on any --format markdown capture.pcap
      For a pipeline that ends with status 1 where visitors saw an error.

Exit status:
  0  analysed, whatever was found
  1  analysed, and --fail-on matched
  2  the command line or the input was at fault; standard error says what, where and what to do";
