//! What the command line means: the second step after what was typed.

use std::path::PathBuf;

use super::analyze::{Args, Format};
use super::job::{Job, Talk, selection};
use super::terminal;
use super::{Error, names};
use crate::analysis::Records;
use crate::report::{Detail, Document, Listing, Palette, Redaction, Style, View};

/// Everything that an analysis needs, checked.
#[derive(Debug)]
pub(super) struct Plan {
    /// What is analysed.
    pub(super) job: Job,
    /// Which connections the report lists.
    pub(super) records: Records,
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
    /// What goes to standard error beside errors.
    pub(super) talk: Talk,
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
        let to_terminal = args.output.is_none();
        Ok(Self {
            job: Job::resolve(args.input, &args.edge)?,
            records: match &args.selection.ray {
                _ if args.connections => Records::OfAll,
                Some(ray) => Records::OfRay(ray.clone()),
                None => Records::OfIncidents,
            },
            view: View {
                connections: if args.connections { Listing::Kept } else { Listing::None },
                redaction: if args.no_redact { Redaction::Off } else { Redaction::On },
                selection: selection(args.selection)?,
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

    /// What the user may have forgotten.
    pub(super) fn hint(&self) -> Option<&'static str> {
        // The variable is not followed silently: the same capture would give another report.
        let forgotten =
            self.job.keylogs.is_empty() && std::env::var_os("SSLKEYLOGFILE").is_some_and(|file| !file.is_empty());
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
