//! The catalogue of causes, read from `causes/ID.md`: one Markdown file a cause, with its data in the front matter.

use std::sync::OnceLock;

/// The raw files, listed by the build: (id, text).
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/causes.rs"));

/// All causes.
#[derive(Debug)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

/// One cause.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Stable kebab-case id.
    pub id: &'static str,
    /// One line.
    pub title: &'static str,
    /// Where in the stack it lies.
    pub layer: Layer,
    /// The status that Cloudflare shows.
    pub status: u16,
    /// The status that another edge shows.
    pub generic_status: u16,
    /// Causes for which this one is mistaken: where both are found on one exchange, this one explains the other.
    pub mistaken_for: Vec<&'static str>,
    /// What to do, by server or device.
    pub fixes: Vec<Fix>,
    /// The text below the front matter, as Markdown.
    pub text: &'static str,
}

/// What to do about a cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// Server or device: `nginx`, `Node.js`, `firewall`, or `any`.
    pub target: &'static str,
    /// What to change.
    pub text: String,
}

/// The layer of a cause, as in the OSI model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layer {
    /// 4
    Transport,
    /// 5
    Session,
    /// 6
    Presentation,
    /// 7
    Application,
}

impl Layer {
    /// The stable lower-case word for reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Session => "session",
            Self::Presentation => "presentation",
            Self::Application => "application",
        }
    }
}

impl Catalogue {
    /// The catalogue that is built into the program.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        CATALOGUE
            .get_or_init(|| Self { entries: FILES.iter().filter_map(|&(id, text)| Entry::parse(id, text)).collect() })
    }

    /// Every cause in order of its id.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The cause with this id.
    #[must_use]
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }
}

impl Entry {
    fn parse(_id: &'static str, _text: &'static str) -> Option<Self> {
        None
    }
}
