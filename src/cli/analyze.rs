//! `pcap520 analyze`: captures in, a report out.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::output::Output;
use super::plan::{Connections, Plan};
use super::terminal::Color;
use super::units::{Server, bytes, seconds, server};
use super::{Error, exit};
use crate::analysis::{Analysis, Options, Records};
use crate::capture::{Filter, Input, Item, Summary};
use crate::report::{self, Document, Source};
use crate::tcp::Roles;
use crate::tls::{KeyLog, TrustAnchors};
use crate::verdict::Verdict;

/// Analyze captures: which exchange failed, who did it, what proves it, what to change
///
/// Several captures are merged by the time of their packets. Words behind -- are a BPF filter, as with tcpdump.
#[derive(Debug, clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Args {
    /// Capture files, folders of them, or - for standard input
    #[arg(required = true, value_name = "CAPTURE")]
    pub(super) captures: Vec<PathBuf>,

    /// Only packets that match this BPF expression, as with tcpdump
    #[arg(short, long, value_name = "BPF", conflicts_with = "expression", help_heading = "Input")]
    pub(super) filter: Option<String>,

    /// BPF expression, in place of --filter
    #[arg(last = true, value_name = "BPF")]
    pub(super) expression: Vec<String>,

    /// NSS key log that decrypts TLS; may be given several times
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(super) keylog: Vec<PathBuf>,

    /// PEM file with roots that the edge trusts beside the public ones
    ///
    /// Certificates that lead to one of them are not reported as untrusted or self-signed.
    #[arg(long, value_name = "FILE", help_heading = "Input")]
    pub(super) ca: Vec<PathBuf>,

    /// Who the origin is, where the capture began too late to tell
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = server, help_heading = "Input")]
    pub(super) server: Option<Server>,

    /// Accepted for the fingers of tcpdump users: names are never looked up
    #[arg(short = 'n', hide = true)]
    pub(super) numeric: bool,

    /// The reverse proxy whose timeouts and limits apply
    #[arg(long, value_enum, value_name = "PROFILE", default_value_t, help_heading = "Edge")]
    pub(super) edge: Profile,

    /// How long it waits for a TCP connection
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Edge")]
    pub(super) connect_timeout: Option<f64>,

    /// How long it waits for a TLS handshake
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Edge")]
    pub(super) handshake_timeout: Option<f64>,

    /// How long it waits for the next bytes of a response
    #[arg(long, value_name = "SECONDS", value_parser = seconds, help_heading = "Edge")]
    pub(super) response_timeout: Option<f64>,

    /// Longest field line of a response that it takes
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "Edge")]
    pub(super) header_limit: Option<u64>,

    /// Largest header section of a response that it takes
    #[arg(long, value_name = "BYTES", value_parser = bytes, help_heading = "Edge")]
    pub(super) headers_limit: Option<u64>,

    /// Only the request with this Ray ID
    #[arg(long, value_name = "RAY-ID", help_heading = "Report")]
    pub(super) ray: Option<String>,

    /// Only requests and connections for this host
    #[arg(long, value_name = "NAME", help_heading = "Report")]
    pub(super) host: Option<String>,

    /// Only incidents of this cause
    #[arg(long, value_name = "ID", help_heading = "Report")]
    pub(super) cause: Option<String>,

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

/// A profile of the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Profile {
    /// Cloudflare, by its public documents
    #[default]
    Cloudflare,
    /// Any other reverse proxy, by the defaults that most of them share
    Generic,
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
    let (verdict, sources) = run_analysis(&plan)?;
    let document = Document::new(&verdict, &sources, &plan.view);
    output.write(|out| write(&plan, &document, out))?;
    Ok(if plan.fail_on.matches(&document) { exit::MATCHED } else { exit::ANALYSED })
}

/// Reads every packet of the input into an analysis.
fn run_analysis(plan: &Plan) -> Result<(Verdict, Vec<Source>), Error> {
    let mut input = Input::open(&plan.inputs)?;
    let mut filter = plan.filter.as_deref().map(Filter::new).transpose()?;
    let mut analysis = Analysis::new(options(plan)?);
    let mut progress = plan.progress(input.total_bytes());
    let mut packets = 0_u64;
    while let Some(item) = input.next_item()? {
        match item {
            Item::Secrets(key_log) => analysis.secrets(key_log),
            Item::Packet(packet) => {
                let wanted = match &mut filter {
                    Some(filter) => filter.matches(&packet)?,
                    None => true,
                };
                if wanted {
                    analysis.packet(&packet);
                }
            }
        }
        packets += 1;
        if packets.is_multiple_of(PACKETS_PER_LOOK) {
            progress.update(input.bytes_read());
        }
    }
    drop(progress);
    if let Some(link) = analysis.only_unknown_link() {
        let path = plan.inputs.first().cloned().unwrap_or_default();
        return Err(Error::UnknownLink { path, link });
    }
    let sources = input.summaries().iter().map(source).collect();
    Ok((analysis.finish(), sources))
}

/// Packets between two looks at the progress bar.
const PACKETS_PER_LOOK: u64 = 4096;

fn options(plan: &Plan) -> Result<Options, Error> {
    let keys = KeyLog::new();
    for path in &plan.keylogs {
        keys.add(&read(path, "name the key log that the edge or the origin wrote")?);
    }
    let mut trust = TrustAnchors::bundled();
    for path in &plan.ca {
        let pem = read(path, "name a PEM file of certification authorities")?;
        trust = trust.with_pem(&pem).map_err(|source| Error::Authority { path: path.clone(), source })?;
    }
    let roles =
        plan.server.map_or_else(Roles::default, |server| Roles { server: Some(server.address), port: server.port });
    let records = match plan.connections {
        Connections::Listed => Records::OfAll,
        Connections::LeftOut => Records::OfIncidents,
    };
    Ok(Options { edge: plan.edge.clone(), roles, keys, trust, records })
}

fn read(path: &Path, advice: &'static str) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source, advice })
}

fn source(summary: &Summary) -> Source {
    Source {
        path: summary.path.display().to_string(),
        format: summary.format.map_or_else(String::new, |format| format.to_string()),
        link_types: summary.link_types.iter().map(ToString::to_string).collect(),
        packets: summary.packets,
        bytes: summary.bytes,
        first: summary.first,
        last: summary.last,
        problems: summary.problems(),
    }
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
