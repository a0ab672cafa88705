//! What ends a run early: the command line, the input, or the output.

use std::io;
use std::path::{Path, PathBuf};

use crate::capture::{CaptureError, LinkType};
use crate::timeline::ProfileError;
use crate::tls::TlsError;
use crate::verdict::LogError;

/// Why a command could not do its work; each message says what, where and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of the command line that cannot be read.
    #[error("{}: {source}; {advice}", path.display())]
    Unreadable {
        /// The path as it was named.
        path: PathBuf,
        /// Why not.
        source: io::Error,
        /// What to do about it.
        advice: &'static str,
    },
    /// A capture that cannot be read, or a filter that cannot be used on it.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// Not one packet could be decoded.
    #[error("{}: link type {link} is not known: capture on an Ethernet or IP interface", path.display())]
    UnknownLink {
        /// The first input.
        path: PathBuf,
        /// The link type.
        link: LinkType,
    },
    /// A file of certification authorities that holds none.
    #[error("{}: {source}", path.display())]
    Authority {
        /// The path as it was named.
        path: PathBuf,
        /// What is wrong with it.
        source: TlsError,
    },
    /// Nothing to watch.
    #[error("name an interface with -i, such as -i eth0 or -i any; `pcap520 live -D` lists them")]
    NoInterface,
    /// A user that this host does not have.
    #[error("{name}: no such user; name one with --user that may read and write what is named")]
    UnknownUser {
        /// The name as it was given.
        name: String,
    },
    /// Root is to be given up for root.
    #[error("it would go on as root; name another user with --user, or say --no-sandbox if you must")]
    StaysRoot,
    /// A privilege that cannot be given up.
    #[error("{step}: {reason}; --no-sandbox goes on without giving up privileges")]
    Sandbox {
        /// What was tried.
        step: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// The address of the metrics cannot be listened on.
    #[error("{address}: cannot serve metrics: {source}; name another address with --metrics")]
    Metrics {
        /// The address.
        address: std::net::SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A file of metrics that cannot be written.
    #[error("{}: cannot write the metrics: {source}; name a file with --metrics-file in a folder that the user of --user \
             may write", path.display())]
    UnwritableMetrics {
        /// The path as it was named.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A folder that cannot be recorded to.
    #[error("{}: cannot record there: {source}; name another folder with --record", path.display())]
    Unrecordable {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that describes no edge.
    #[error("{}: {source}", path.display())]
    Profile {
        /// The path as it was named.
        path: PathBuf,
        /// What is wrong with it.
        source: ProfileError,
    },
    /// A file that is no log of the edge.
    #[error("{}: {source}", path.display())]
    EdgeLog {
        /// The path as it was named.
        path: PathBuf,
        /// What is wrong with it.
        source: LogError,
    },
    /// Standard input is a terminal.
    #[error("standard input is a terminal; pipe a capture into it, or name a file in place of -")]
    TerminalInput,
    /// An input that can be read once only, where it has to be read more than once.
    #[error(
        "{}: it can be read once only, and an extract reads its captures again: write it to a file first",
        name(path)
    )]
    ReadOnce {
        /// The path as it was named.
        path: PathBuf,
    },
    /// An output that stands where an input stands.
    #[error("{}: it is one of the captures that are read; name another file with -o", path.display())]
    OutputIsInput {
        /// The path as it was named.
        path: PathBuf,
    },
    /// Packets would go to a terminal.
    #[error("standard output is a terminal and packets are no text; name a file with -o")]
    TerminalOutput,
    /// A cause that the catalogue does not hold.
    #[error("{name}: no such cause; {}", suggestion(nearest))]
    UnknownCause {
        /// The name as it was given.
        name: String,
        /// Names that are close to it, the nearest first.
        nearest: Vec<&'static str>,
    },
    /// A command that there is no man page of.
    #[error("{name}: no such command; `pcap520 --help` lists them")]
    UnknownCommand {
        /// The name as it was given.
        name: String,
    },
    /// The report cannot be written to a file.
    #[error("{}: cannot write the report: {source}; name another place with -o", path.display())]
    Unwritable {
        /// The path as it was named.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Standard output cannot be written.
    #[error("standard output: {0}; write to a file with -o")]
    Output(#[from] io::Error),
}

impl Error {
    /// True where the reader of our output has gone.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        matches!(
            self,
            Self::Output(source) | Self::Unwritable { source, .. } if source.kind() == io::ErrorKind::BrokenPipe
        )
    }
}

/// What a path means to people.
fn name(path: &Path) -> String {
    if path == Path::new("-") { "- (standard input)".to_owned() } else { path.display().to_string() }
}

fn suggestion(nearest: &[&str]) -> String {
    match nearest {
        [] => "`pcap520 explain` lists them all".to_owned(),
        names => format!("did you mean {}? `pcap520 explain` lists them all", names.join(" or ")),
    }
}
