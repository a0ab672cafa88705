//! What the command line means: the second step after what was typed.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::analyze::{Args, Format};
use super::job::{Job, Talk, selection};
use super::pager::Pager;
use super::terminal;
use super::{Error, names};
use crate::analysis::Records;
use crate::report::{Detail, Document, Listing, Palette, Redaction, Secrets, Style, View, Zone};

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
    /// What shows a long report on a terminal.
    pub(super) pager: Option<Pager>,
    /// What stands in the place of addresses.
    pub(super) pseudonyms: Pseudonyms,
    /// File of the report; standard output where there is none.
    pub(super) output: Option<PathBuf>,
    /// What the exit status says.
    pub(super) fail_on: FailOn,
    /// What goes to standard error beside errors.
    pub(super) talk: Talk,
}

/// What stands in the place of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pseudonyms {
    /// Nothing: they are shown.
    No,
    /// Names that the capture's own bytes are the key of: the same capture gives the same names, and who has not got
    /// it cannot find an address by trying them all.
    OfAddresses,
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
            records: match (&args.selection.ray, args.connections) {
                (_, true) => Records::OfAll,
                (Some(ray), false) if args.format.records() == Records::OfIncidents => Records::OfRay(ray.clone()),
                _ => args.format.records(),
            },
            view: View {
                connections: if args.connections || args.format.records() == Records::OfAll {
                    Listing::Kept
                } else {
                    Listing::None
                },
                redaction: Redaction {
                    secrets: if args.no_redact { Secrets::Shown } else { Secrets::Hidden },
                    ..Redaction::default()
                },
                selection: selection(args.selection)?,
                zone: if args.local { Zone::Local(TimeZone::system()) } else { Zone::Utc },
            },
            pseudonyms: if args.redact.is_empty() { Pseudonyms::No } else { Pseudonyms::OfAddresses },
            format: args.format,
            style: Style {
                width: if to_terminal { terminal::width() } else { 80 },
                palette: if to_terminal { args.color.palette() } else { Palette::Plain },
                detail: if args.verbose { Detail::Full } else { Detail::Digest },
            },
            pager: (to_terminal && !args.no_pager && args.format.is_read_by_people())
                .then(Pager::of_environment)
                .flatten(),
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
    pub(super) fn matches(&self, document: &Document<'_>) -> bool {
        match self {
            Self::Any => !document.incidents.is_empty(),
            Self::Causes(causes) => causes.iter().any(|cause| document.summary.by_cause.contains_key(cause)),
        }
    }
}
