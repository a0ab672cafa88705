//! The options of every command that analyses captures.

use std::path::PathBuf;

use super::units::{Server, bytes, seconds, server};

/// What is read.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Input")]
pub(super) struct InputArgs {
    /// Capture files, folders of them, or - for standard input
    #[arg(required = true, value_name = "CAPTURE", help_heading = "Arguments")]
    pub(super) captures: Vec<PathBuf>,

    /// Only packets that match this BPF expression, as with tcpdump
    #[arg(short, long, value_name = "BPF", conflicts_with = "expression")]
    pub(super) filter: Option<String>,

    /// BPF expression, in place of --filter
    #[arg(last = true, value_name = "BPF", help_heading = "Arguments")]
    pub(super) expression: Vec<String>,

    /// NSS key log that decrypts TLS; may be given several times
    #[arg(long, value_name = "FILE")]
    pub(super) keylog: Vec<PathBuf>,

    /// PEM file with roots that the edge trusts beside the public ones
    ///
    /// Certificates that lead to one of them are not reported as untrusted or self-signed.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Vec<PathBuf>,

    /// Who the origin is, where the capture began too late to tell
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = server)]
    pub(super) server: Option<Server>,

    /// What open connections may take [default: 1G or a quarter of memory]
    ///
    /// The most silent ones are given up beyond it. The default is 1G, or a quarter of this machine's memory where that
    /// is less.
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(super) max_memory: Option<u64>,

    /// The edge's own log of the requests: Cloudflare Logpush's http_requests
    ///
    /// NDJSON, gzip or not. Needs the fields RayID and EdgeResponseStatus; EdgeServerIP, EdgeStartTimestamp and
    /// OriginTCPHandshakeDurationMs join what TLS hides.
    #[arg(long, value_name = "FILE", help_heading = "Edge")]
    pub(super) edge_log: Option<PathBuf>,

    /// Accepted for the fingers of tcpdump users: names are never looked up
    #[arg(short = 'n', hide = true)]
    pub(super) numeric: bool,
}

/// What the edge puts up with.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Edge")]
pub(super) struct EdgeArgs {
    /// The reverse proxy: cloudflare, generic, or a file that describes it
    ///
    /// A file is TOML, as the built-in profiles in the folder edges/ of the source; what it leaves out is as in its
    /// `base`. The options below change single values of a profile.
    #[arg(long, value_name = "NAME|FILE", default_value = "cloudflare")]
    pub(super) edge: String,

    /// How long it waits for a TCP connection
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) connect_timeout: Option<f64>,

    /// How long it waits for a TLS handshake
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) handshake_timeout: Option<f64>,

    /// How long it waits for the next bytes of a response
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) response_timeout: Option<f64>,

    /// Longest field line of a response that it takes
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(super) header_limit: Option<u64>,

    /// Largest header section of a response that it takes
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub(super) headers_limit: Option<u64>,
}

/// What is told of it.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selection")]
pub(super) struct SelectionArgs {
    /// Only the request with this Ray ID
    #[arg(long, value_name = "RAY-ID")]
    pub(super) ray: Option<String>,

    /// Only requests and connections for this host
    #[arg(long, value_name = "NAME")]
    pub(super) host: Option<String>,

    /// Only incidents of this cause
    #[arg(long, value_name = "ID")]
    pub(super) cause: Option<String>,
}
