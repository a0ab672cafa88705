//! What the command line means: the second step after what was typed.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use super::analyze::{Args, Format, Profile};
use super::progress::Progress;
use super::terminal;
use super::units::Server;
use super::{Error, names};
use crate::report::{Detail, Document, Palette, Redaction, Selection, Style, View};
use crate::timeline::Edge;

/// Everything that an analysis needs, checked.
#[derive(Debug)]
pub(super) struct Plan {
    /// Captures, in the order in which they were named.
    pub(super) inputs: Vec<PathBuf>,
    /// BPF expression.
    pub(super) filter: Option<String>,
    /// Key logs.
    pub(super) keylogs: Vec<PathBuf>,
    /// Roots that the edge trusts.
    pub(super) ca: Vec<PathBuf>,
    /// Who the origin is.
    pub(super) server: Option<Server>,
    /// What the edge puts up with.
    pub(super) edge: Edge,
    /// Whether every connection is listed.
    pub(super) connections: Connections,
    /// How much the report shows.
    pub(super) view: View,
    /// Form of the report.
    pub(super) format: Format,
    /// How the text looks.
    pub(super) style: Style,
    /// File of the report; standard output where there is none.
    pub(super) output: Option<PathBuf>,
    /// What the exit status says.
    pub(super) fail_on: FailOn,
    talk: Talk,
}

/// Whether the report lists every connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connections {
    /// It does.
    Listed,
    /// It does not.
    LeftOut,
}

/// What goes to standard error beside errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Talk {
    /// Hints and progress.
    Hints,
    /// Nothing.
    Nothing,
}

/// The incidents that make the program end with status 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum FailOn {
    /// Any.
    Any,
    /// Those of these causes.
    Causes(Vec<&'static str>),
}

impl Plan {
    /// Looks at everything that the arguments name.
    pub(super) fn resolve(args: Args) -> Result<Self, Error> {
        let edge = edge(&args);
        let keylogs = readable(args.keylog, "name a key log that can be read, or leave --keylog out")?;
        let ca = readable(args.ca, "name a PEM file that can be read, or leave --ca out")?;
        let to_terminal = args.output.is_none();
        Ok(Self {
            inputs: inputs(args.captures)?,
            filter: args.filter.or_else(|| (!args.expression.is_empty()).then(|| args.expression.join(" "))),
            keylogs,
            ca,
            server: args.server,
            edge,
            connections: if args.connections { Connections::Listed } else { Connections::LeftOut },
            view: View {
                redaction: if args.no_redact { Redaction::Off } else { Redaction::On },
                selection: Selection {
                    ray: args.ray,
                    host: args.host,
                    cause: args.cause.map(|name| names::cause(&name).map(|entry| entry.id.to_owned())).transpose()?,
                },
            },
            format: args.format,
            style: Style {
                width: if to_terminal { terminal::width() } else { 80 },
                palette: if to_terminal { args.color.palette() } else { Palette::Plain },
                detail: if args.verbose { Detail::Full } else { Detail::Digest },
            },
            output: args.output,
            fail_on: FailOn::resolve(&args.fail_on)?,
            talk: if args.quiet { Talk::Nothing } else { Talk::Hints },
        })
    }

    /// A progress bar over `total` bytes of input, where their number is known.
    pub(super) fn progress(&self, total: Option<u64>) -> Progress {
        match self.talk {
            Talk::Nothing => Progress::silent(),
            Talk::Hints => Progress::new(total),
        }
    }

    /// What the user may have forgotten.
    pub(super) fn hint(&self) -> Option<&'static str> {
        // The variable is not followed silently: the same capture would give another report.
        let forgotten =
            self.keylogs.is_empty() && std::env::var_os("SSLKEYLOGFILE").is_some_and(|file| !file.is_empty());
        (forgotten && self.talk == Talk::Hints)
            .then_some("a key log is named in SSLKEYLOGFILE; pass it with --keylog to look into TLS")
    }
}

impl FailOn {
    fn resolve(names: &[String]) -> Result<Self, Error> {
        if names.iter().any(|name| name == "any") {
            return Ok(Self::Any);
        }
        let causes: Result<_, _> = names.iter().map(|name| names::cause(name).map(|entry| entry.id)).collect();
        Ok(Self::Causes(causes?))
    }

    /// True where the report holds one of them.
    pub(super) fn matches(&self, document: &Document) -> bool {
        match self {
            Self::Any => !document.incidents.is_empty(),
            Self::Causes(causes) => document.incidents.iter().any(|incident| causes.contains(&incident.cause)),
        }
    }
}

/// The profile with what the options change in it.
fn edge(args: &Args) -> Edge {
    let profile = match args.edge {
        Profile::Cloudflare => Edge::default(),
        Profile::Generic => Edge::generic(),
    };
    Edge {
        connect_timeout_s: args.connect_timeout.unwrap_or(profile.connect_timeout_s),
        handshake_timeout_s: args.handshake_timeout.unwrap_or(profile.handshake_timeout_s),
        response_timeout_s: args.response_timeout.unwrap_or(profile.response_timeout_s),
        response_timeout_given: args.response_timeout.is_some(),
        header_limit: args.header_limit.unwrap_or(profile.header_limit),
        headers_limit: args.headers_limit.unwrap_or(profile.headers_limit),
        ..profile
    }
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
