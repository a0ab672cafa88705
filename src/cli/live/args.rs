//! The options of `pcap520 live`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::options::EdgeArgs;
use crate::cli::terminal::Color;
use crate::cli::units::{Keep, Server, keep, seconds, server};

/// Watch an origin as it runs: incidents as they are decided
///
/// Takes packets from network interfaces, or from a stream (tcpdump -w - | pcap520 live -r -), and tells every incident
/// within a second of the packet that decides it. SIGINT and SIGTERM end it with a full report, SIGUSR1 prints the
/// summary so far, SIGHUP opens the outputs and key logs again.
///
/// Started as root it opens the interfaces and the outputs, then gives up every privilege before it reads the first
/// packet: it goes on as the user of --user, with no capability, confined by Landlock and seccomp where the kernel has
/// them. CAP_NET_RAW alone is enough to start it.
///
/// Every option can be given as an environment variable: PCAP520_ and its name in capitals, such as PCAP520_INTERFACE.
#[derive(Debug, clap::Args)]
#[command(
    after_long_help = EXAMPLES,
    // A capture that is analysed gives the same report in every environment: only here have they a variable.
    mut_arg("edge", |arg| arg.env("PCAP520_EDGE")),
    mut_arg("connect_timeout", |arg| arg.env("PCAP520_CONNECT_TIMEOUT")),
    mut_arg("handshake_timeout", |arg| arg.env("PCAP520_HANDSHAKE_TIMEOUT")),
    mut_arg("response_timeout", |arg| arg.env("PCAP520_RESPONSE_TIMEOUT")),
    mut_arg("header_limit", |arg| arg.env("PCAP520_HEADER_LIMIT")),
    mut_arg("headers_limit", |arg| arg.env("PCAP520_HEADERS_LIMIT")),
)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    pub(super) source: SourceArgs,

    #[command(flatten)]
    pub(super) edge: EdgeArgs,

    #[command(flatten)]
    pub(super) output: OutputArgs,

    #[command(flatten)]
    pub(super) record: RecordArgs,

    #[command(flatten)]
    pub(super) process: ProcessArgs,

    /// List the interfaces and end
    #[arg(short = 'D', long, exclusive = true, help_heading = "Packets")]
    pub(super) list_interfaces: bool,
}

/// Where packets come from.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Packets")]
pub(super) struct SourceArgs {
    /// Interface to watch, or any; may be given several times
    #[arg(short, long, value_name = "INTERFACE", env = "PCAP520_INTERFACE", value_delimiter = ',')]
    pub(super) interface: Vec<String>,

    /// Read a stream of packets in place of an interface: - or a pipe
    #[arg(short, long, value_name = "FILE", env = "PCAP520_READ", conflicts_with = "interface")]
    pub(super) read: Option<PathBuf>,

    /// Only packets that match this BPF expression
    ///
    /// Without one: the ports that this host listens on, and ICMP.
    #[arg(short, long, value_name = "BPF", env = "PCAP520_FILTER", conflicts_with = "expression")]
    pub(super) filter: Option<String>,

    /// BPF expression, as with tcpdump
    #[arg(value_name = "BPF", help_heading = "Arguments")]
    pub(super) expression: Vec<String>,

    /// Bytes taken of each packet; 0 is all
    #[arg(short, long, value_name = "BYTES", env = "PCAP520_SNAPLEN", default_value_t = 0)]
    pub(super) snaplen: u32,

    /// Kernel buffer in KiB
    #[arg(short = 'B', long, value_name = "KIB", env = "PCAP520_BUFFER_SIZE", default_value_t = 32 * 1024,
          value_parser = clap::value_parser!(u32).range(1..=2 * 1024 * 1024 - 1))]
    pub(super) buffer_size: u32,

    /// Take packets that are not for this host, too
    #[arg(long, env = "PCAP520_PROMISCUOUS")]
    pub(super) promiscuous: bool,

    /// Accepted as in tcpdump: promiscuous mode is off anyway
    #[arg(short = 'p', hide = true)]
    pub(super) no_promiscuous: bool,

    /// End after so many packets
    #[arg(short, long, value_name = "PACKETS", env = "PCAP520_COUNT")]
    pub(super) count: Option<u64>,

    /// End after this time
    #[arg(long, value_name = "SECONDS", env = "PCAP520_DURATION", value_parser = duration)]
    pub(super) duration: Option<Duration>,

    /// NSS key log that decrypts TLS, followed as it grows
    #[arg(long, value_name = "FILE", env = "PCAP520_KEYLOG", value_delimiter = ',')]
    pub(super) keylog: Vec<PathBuf>,

    /// PEM file with roots that the edge trusts beside the public ones
    #[arg(long, value_name = "FILE", env = "PCAP520_CA", value_delimiter = ',')]
    pub(super) ca: Vec<PathBuf>,

    /// Who the origin is, of connections that began before
    #[arg(long, value_name = "ADDRESS[:PORT]", env = "PCAP520_SERVER", value_parser = server)]
    pub(super) server: Option<Server>,

    /// Accepted for the fingers of tcpdump users: names are never looked up
    #[arg(short = 'n', hide = true, action = clap::ArgAction::Count)]
    pub(super) numeric: u8,
}

/// What is told, and where.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub(super) struct OutputArgs {
    /// Form of what is written
    #[arg(long, value_enum, value_name = "FORMAT", env = "PCAP520_FORMAT", default_value_t)]
    pub(super) format: Format,

    /// Append to a file in place of standard output
    #[arg(short, long, value_name = "FILE", env = "PCAP520_OUTPUT")]
    pub(super) output: Option<PathBuf>,

    /// Name of this origin, in every NDJSON line
    #[arg(long, value_name = "NAME", env = "PCAP520_ORIGIN_NAME")]
    pub(super) origin_name: Option<String>,

    /// Show credentials and e-mail addresses in targets and quoted bytes
    #[arg(long, env = "PCAP520_NO_REDACT")]
    pub(super) no_redact: bool,

    /// When to use colours
    #[arg(long, value_enum, value_name = "WHEN", env = "PCAP520_COLOR", default_value_t)]
    pub(super) color: Color,

    /// Nothing on standard error but errors
    #[arg(short, long, env = "PCAP520_QUIET")]
    pub(super) quiet: bool,

    /// Every incident with its whole timeline
    #[arg(short, long, env = "PCAP520_VERBOSE")]
    pub(super) verbose: bool,

    /// Serve metrics for Prometheus at http://ADDRESS/metrics
    #[arg(long, value_name = "ADDRESS:PORT", env = "PCAP520_METRICS")]
    pub(super) metrics: Option<SocketAddr>,

    /// Write metrics to a file for the node exporter
    #[arg(long, value_name = "FILE", env = "PCAP520_METRICS_FILE")]
    pub(super) metrics_file: Option<PathBuf>,
}

/// The form of what is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    #[default]
    Text,
    /// One JSON object a line, for log shippers
    Ndjson,
}

/// The flight recorder.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Flight recorder")]
pub(super) struct RecordArgs {
    /// Keep the latest packets in this folder, and those of every incident
    ///
    /// The latest packets are kept as they were captured, with every credential in them; only the owner may read the
    /// folder. Those of an incident are redacted as by pcap520 extract, unless --no-redact is given.
    #[arg(long, value_name = "DIR", env = "PCAP520_RECORD")]
    pub(super) record: Option<PathBuf>,

    /// How much is kept: a time, a size, or both
    #[arg(long, value_name = "TIME,SIZE", env = "PCAP520_KEEP", default_value = "10m,1G", value_parser = keep)]
    pub(super) keep: Keep,
}

/// The process itself.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Process")]
pub(super) struct ProcessArgs {
    /// User to go on as, once everything is open
    #[arg(short = 'Z', long, value_name = "USER", env = "PCAP520_USER", default_value = "nobody")]
    pub(super) user: String,

    /// Keep all privileges, and confine nothing
    ///
    /// A mistake in this program, met by a packet that was made for it, would then have the rights of whoever started
    /// it. For kernels and containers in which nothing else works.
    #[arg(long, env = "PCAP520_NO_SANDBOX")]
    pub(super) no_sandbox: bool,

    /// Connections that are kept in memory at one time
    #[arg(long, value_name = "NUMBER", env = "PCAP520_MAX_CONNECTIONS", default_value_t = 50_000,
          value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(super) max_connections: usize,
}

fn duration(text: &str) -> Result<Duration, String> {
    seconds(text).and_then(|seconds| Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string()))
}

const EXAMPLES: &str = "\
Examples:
  pcap520 live -i eth0
      Watch the ports that this host listens on.
  pcap520 live -i any --format ndjson -o /var/log/pcap520.ndjson --origin-name web-1
      One line an incident, for a log shipper.
  pcap520 live -i eth0 --record /var/lib/pcap520 --keep 10m,2G
      With the packets of the last ten minutes, and those of every incident.
  pcap520 live -i eth0 --metrics 127.0.0.1:9520 tcp port 443
      For Prometheus, and only one port.
  ssh origin tcpdump -U -w - tcp port 80 | pcap520 live -r -
      What another host captures.";

#[cfg(test)]
mod tests {
    use clap::Args as _;

    use super::*;

    #[test]
    fn every_option_has_its_variable() {
        let command = Args::augment_args(clap::Command::new("live"));
        for option in command.get_arguments().filter(|arg| arg.get_id() != "list_interfaces") {
            let Some(name) = option.get_long() else { continue };
            let variable = format!("PCAP520_{}", name.to_uppercase().replace('-', "_"));
            assert_eq!(option.get_env().and_then(|name| name.to_str()), Some(variable.as_str()), "--{name}");
        }
    }
}
