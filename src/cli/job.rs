//! What every command that analyses captures begins with: from the command line to a verdict.

use std::fs;
use std::io::{self, IsTerminal, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use super::options::{EdgeArgs, InputArgs, SelectionArgs};
use super::progress::Progress;
use super::units::Server;
use super::{Error, machine, names};
use crate::analysis::{Analysis, Judging, Options, Records};
use crate::capture::{Batch, Filter, Input, Item, Packet};
use crate::report::{Selection, Source};
use crate::tcp::{MaxMemory, Roles};
use crate::timeline::Edge;
use crate::tls::{KeyLog, TrustAnchors};
use crate::verdict::{EdgeLog, Verdict};

/// Captures to be analysed, and how: everything that the arguments name was looked at.
#[derive(Debug)]
pub(super) struct Job {
    /// Captures, in the order in which they were named.
    pub(super) inputs: Vec<PathBuf>,
    /// BPF expression.
    filter: Option<String>,
    /// Key logs.
    pub(super) keylogs: Vec<PathBuf>,
    /// Roots that the edge trusts.
    ca: Vec<PathBuf>,
    /// Who the origin is.
    server: Option<Server>,
    /// What open connections may take.
    max_memory: MaxMemory,
    /// What the edge puts up with.
    edge: Edge,
    /// The edge's own log.
    edge_log: Option<EdgeLog>,
}

impl Job {
    pub(super) fn resolve(input: InputArgs, edge: &EdgeArgs) -> Result<Self, Error> {
        Ok(Self {
            inputs: inputs(input.captures)?,
            filter: input.filter.or_else(|| (!input.expression.is_empty()).then(|| input.expression.join(" "))),
            keylogs: readable(input.keylog, "name a key log that can be read, or leave --keylog out")?,
            ca: readable(input.ca, "name a PEM file that can be read, or leave --ca out")?,
            server: input.server,
            max_memory: input.max_memory.map_or_else(machine::share, MaxMemory),
            edge: profile(edge)?,
            edge_log: input.edge_log.as_deref().map(edge_log).transpose()?,
        })
    }

    /// Packets that come from elsewhere.
    pub(super) fn live(ca: Vec<PathBuf>, server: Option<Server>, edge: &EdgeArgs) -> Result<Self, Error> {
        Ok(Self {
            inputs: Vec::new(),
            filter: None,
            keylogs: Vec::new(),
            ca: readable(ca, "name a PEM file that can be read, or leave --ca out")?,
            server,
            edge: profile(edge)?,
            edge_log: None,
            max_memory: MaxMemory::default(),
        })
    }

    /// Reads every packet of the input into an analysis, and lets `look` see each, where there is one.
    pub(super) fn analyse(
        &self,
        key_logs: &[Vec<u8>],
        records: Records,
        talk: Talk,
        mut look: Option<&mut dyn FnMut(&Packet<'_>)>,
    ) -> Result<(Verdict, Vec<Source>), Error> {
        let mut analysis = Analysis::new(self.options(key_logs, records, Judging::WithHindsight)?);
        let input = self.read(talk, |item| {
            match item {
                Item::Secrets(key_log) => analysis.secrets(key_log),
                Item::Packet(packet) => {
                    if let Some(look) = &mut look {
                        look(&packet);
                    }
                    analysis.packet(&packet);
                }
            }
            Next::Go
        })?;
        if let Some(link) = analysis.only_unknown_link() {
            let path = self.inputs.first().cloned().unwrap_or_default();
            return Err(Error::UnknownLink { path, link });
        }
        let sources = input.summaries().iter().map(Source::from).collect();
        Ok((analysis.finish(), sources))
    }

    /// Hands what the filter lets pass to `take`, until it has enough.
    pub(super) fn read(&self, talk: Talk, mut take: impl FnMut(Item<'_>) -> Next) -> Result<Input, Error> {
        let mut input = Input::open(&self.inputs)?;
        let mut filter = self.filter.as_deref().map(Filter::new).transpose()?;
        let mut progress = talk.progress(input.total_bytes());
        let mut batches = 0_u64;
        while let Some(batch) = input.next_batch()? {
            match batch {
                Batch::Secrets(key_log) => {
                    if take(Item::Secrets(key_log)) == Next::Stop {
                        return Ok(input);
                    }
                }
                Batch::Packets(packets) => {
                    for packet in packets {
                        let wanted = filter.as_mut().map_or(Ok(true), |filter| filter.matches(&packet))?;
                        if wanted && take(Item::Packet(packet)) == Next::Stop {
                            return Ok(input);
                        }
                    }
                }
            }
            batches = batches.saturating_add(1);
            if batches.is_multiple_of(BATCHES_PER_LOOK) {
                progress.update(input.bytes_read());
            }
        }
        Ok(input)
    }

    /// The text of the key logs, each of which may be a pipe: they are read once.
    pub(super) fn key_logs(&self) -> Result<Vec<Vec<u8>>, Error> {
        self.keylogs.iter().map(|path| read(path, "name the key log that the edge or the origin wrote")).collect()
    }

    /// What an analysis goes by.
    pub(super) fn options(&self, key_logs: &[Vec<u8>], records: Records, judging: Judging) -> Result<Options, Error> {
        let keys = KeyLog::new();
        key_logs.iter().for_each(|text| keys.add(text));
        let mut trust = TrustAnchors::bundled();
        for path in &self.ca {
            let pem = read(path, "name a PEM file of certification authorities")?;
            trust = trust.with_pem(&pem).map_err(|source| Error::Authority { path: path.clone(), source })?;
        }
        let (server, clients) = (self.server, self.edge.networks.clone());
        let roles = Roles { server: server.map(|server| server.address), port: server.and_then(|s| s.port), clients };
        let (edge, edge_log) = (self.edge.clone(), self.edge_log.clone());
        Ok(Options { edge, roles, keys, trust, records, edge_log, judging, max_memory: self.max_memory })
    }
}

/// Whether more is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It is.
    Go,
    /// What came is enough.
    Stop,
}

/// What goes to standard error beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    /// Hints and progress.
    Hints,
    /// Nothing.
    Nothing,
}

impl Talk {
    /// A progress bar over `total` bytes of input, where their number is known.
    pub(super) fn progress(self, total: Option<u64>) -> Progress {
        match self {
            Self::Nothing => Progress::silent(),
            Self::Hints => Progress::new(total),
        }
    }
}

/// What the report or the extract is narrowed to.
pub(super) fn selection(args: SelectionArgs) -> Result<Selection, Error> {
    let cause = args.cause.map(|name| names::cause(&name).map(|entry| entry.id.to_owned())).transpose()?;
    Ok(Selection { ray: args.ray, host: args.host, cause })
}

/// The edge's own log, unpacked where it is packed.
fn edge_log(path: &Path) -> Result<EdgeLog, Error> {
    let advice = "name a file of Logpush's http_requests, NDJSON or packed by gzip";
    let mut text = read(path, advice)?;
    if text.starts_with(GZIP) {
        let mut unpacked = Vec::new();
        let read = MultiGzDecoder::new(text.as_slice()).take(EDGE_LOG_BYTES).read_to_end(&mut unpacked);
        read.map_err(|source| Error::Unreadable { path: path.to_owned(), source, advice })?;
        text = unpacked;
    }
    EdgeLog::parse(&text).map_err(|source| Error::EdgeLog { path: path.to_owned(), source })
}

/// The profile with what the options change in it.
fn profile(args: &EdgeArgs) -> Result<Edge, Error> {
    let mut profile = match Edge::built_in(&args.edge) {
        Some(profile) => profile,
        None => profile_of_file(Path::new(&args.edge))?,
    };
    if let Some(seconds) = args.response_timeout {
        profile = profile.with_response_timeout(seconds);
    }
    Ok(Edge {
        connect_timeout_s: args.connect_timeout.unwrap_or(profile.connect_timeout_s),
        handshake_timeout_s: args.handshake_timeout.unwrap_or(profile.handshake_timeout_s),
        header_limit: args.header_limit.unwrap_or(profile.header_limit),
        headers_limit: args.headers_limit.unwrap_or(profile.headers_limit),
        ..profile
    })
}

fn profile_of_file(path: &Path) -> Result<Edge, Error> {
    let text = read(path, "name a profile (cloudflare, generic) or a TOML file that describes an edge")?;
    let profile = Edge::from_toml(&String::from_utf8_lossy(&text))
        .map_err(|source| Error::Profile { path: path.to_owned(), source })?;
    for id in profile.status_of.keys() {
        names::cause(id)?;
    }
    Ok(profile)
}

/// Whether they are captures is seen when they are read; only a person at the keyboard is not waited for.
fn inputs(paths: Vec<PathBuf>) -> Result<Vec<PathBuf>, Error> {
    if paths.iter().any(|path| path == Path::new("-")) && io::stdin().is_terminal() {
        return Err(Error::TerminalInput);
    }
    Ok(paths)
}

/// Finds out before the work begins that a file cannot be opened.
fn readable(paths: Vec<PathBuf>, advice: &'static str) -> Result<Vec<PathBuf>, Error> {
    for path in &paths {
        // A pipe is opened once only, when its turn comes.
        let is_pipe = fs::metadata(path).is_ok_and(|found| !found.is_file());
        if !is_pipe && let Err(source) = fs::File::open(path) {
            return Err(Error::Unreadable { path: path.clone(), source, advice });
        }
    }
    Ok(paths)
}

fn read(path: &Path, advice: &'static str) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Unreadable { path: path.to_owned(), source, advice })
}

/// The first bytes of a gzip file (RFC 1952 section 2.3.1).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Bytes of an unpacked log that are read: a small file can unpack to any size.
const EDGE_LOG_BYTES: u64 = 1 << 30;

/// Batches of packets between two looks at the progress bar.
const BATCHES_PER_LOOK: u64 = 128;
