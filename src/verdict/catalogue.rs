//! The catalogue of causes, read from `causes/ID.md`: one Markdown file a cause, with its data in the front matter.
//!
//! ```text
//! ---
//! title: The origin closed the connection without a response
//! layer: application
//! actor: origin
//! status: 520
//! generic-status: 502
//! mistaken-for: reset-before-response
//! ---
//! One paragraph: what it is and why visitors see it.
//!
//! ## On the wire
//! ## Mistaken for
//! - `reset-before-response`: Why this cause, where it is found, wins over that one.
//!
//! ## Fix
//! ### nginx
//! ## See also
//! - [title](https://...)
//! ```

use std::sync::OnceLock;

use thiserror::Error;

use crate::detect::Actor;

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
    /// Who can be at fault, the most frequent one first.
    pub actors: Vec<Actor>,
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
    /// What to change: Markdown, one line a paragraph.
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

impl Catalogue {
    /// The catalogue that is built into the program.
    #[must_use]
    pub fn built_in() -> &'static Self {
        static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
        // A file that cannot be read fails the tests below, so none is lost here.
        CATALOGUE.get_or_init(|| Self {
            entries: FILES.iter().filter_map(|&(id, file)| Entry::parse(id, file).ok()).collect(),
        })
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
    /// What the cause is and why visitors see it: one paragraph of Markdown, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        unwrapped(self.text.split("\n\n").next().unwrap_or_default())
    }

    /// Why this cause, where both are found on one exchange, is the root of `other`. None where it is not.
    #[must_use]
    pub fn explains(&self, other: &str) -> Option<&'static str> {
        self.reasons().find_map(|(cause, why)| (cause == other).then_some(why))
    }

    /// The causes that this one explains, each with the sentence that says why.
    fn reasons(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        section(self.text, "Mistaken for")
            .unwrap_or_default()
            .lines()
            .filter_map(|line| line.strip_prefix("- `")?.split_once("`: "))
    }

    fn parse(id: &'static str, file: &'static str) -> Result<Self, Malformed> {
        let (front, text) = file
            .strip_prefix("---\n")
            .and_then(|rest| rest.split_once("\n---\n"))
            .ok_or(Malformed::FrontMatterMissing)?;
        let front = FrontMatter::parse(front)?;
        Ok(Self {
            id,
            title: front.required("title")?,
            layer: front.one_of("layer", &Layer::ALL, Layer::name)?,
            actors: front.some_of("actor", &ACTORS, Actor::name)?,
            status: front.number("status")?,
            generic_status: front.number("generic-status")?,
            mistaken_for: front.list("mistaken-for"),
            fixes: fixes(text)?,
            text,
        })
    }
}

impl Layer {
    const ALL: [Self; 4] = [Self::Transport, Self::Session, Self::Presentation, Self::Application];

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

const ACTORS: [Actor; 4] = [Actor::Origin, Actor::Middlebox, Actor::Network, Actor::Edge];

/// Why a file of the catalogue cannot be read.
#[derive(Debug, Error, PartialEq, Eq)]
enum Malformed {
    #[error("it does not begin with front matter between two lines of ---")]
    FrontMatterMissing,
    #[error("front matter: `{0}` is no line of the form `key: value`, or its key is unknown or repeated")]
    Line(&'static str),
    #[error("front matter: there is no `{0}`")]
    KeyMissing(&'static str),
    #[error("front matter: `{value}` cannot be the {key}")]
    Value { key: &'static str, value: &'static str },
    #[error("`## Fix` is missing, or has text outside of its `### TARGET` parts, or a part without text")]
    Fix,
}

/// The lines `key: value` at the head of a file.
struct FrontMatter(Vec<(&'static str, &'static str)>);

impl FrontMatter {
    const KEYS: [&'static str; 6] = ["title", "layer", "actor", "status", "generic-status", "mistaken-for"];

    fn parse(text: &'static str) -> Result<Self, Malformed> {
        let mut fields: Vec<(&str, &str)> = Vec::new();
        for line in text.lines() {
            let (key, value) = line.split_once(": ").ok_or(Malformed::Line(line))?;
            if !Self::KEYS.contains(&key) || fields.iter().any(|&(known, _)| known == key) {
                return Err(Malformed::Line(line));
            }
            fields.push((key, value.trim()));
        }
        Ok(Self(fields))
    }

    fn value(&self, key: &str) -> Option<&'static str> {
        self.0.iter().find_map(|&(known, value)| (known == key && !value.is_empty()).then_some(value))
    }

    fn required(&self, key: &'static str) -> Result<&'static str, Malformed> {
        self.value(key).ok_or(Malformed::KeyMissing(key))
    }

    fn number(&self, key: &'static str) -> Result<u16, Malformed> {
        let value = self.required(key)?;
        value.parse().map_err(|_| Malformed::Value { key, value })
    }

    fn list(&self, key: &str) -> Vec<&'static str> {
        self.value(key).map(|value| value.split(", ").collect()).unwrap_or_default()
    }

    fn one_of<T: Copy>(&self, key: &'static str, all: &[T], name: fn(T) -> &'static str) -> Result<T, Malformed> {
        named(key, self.required(key)?, all, name)
    }

    fn some_of<T: Copy>(&self, key: &'static str, all: &[T], name: fn(T) -> &'static str) -> Result<Vec<T>, Malformed> {
        self.required(key)?;
        self.list(key).into_iter().map(|value| named(key, value, all, name)).collect()
    }
}

fn named<T: Copy>(
    key: &'static str,
    value: &'static str,
    all: &[T],
    name: fn(T) -> &'static str,
) -> Result<T, Malformed> {
    all.iter().copied().find(|&one| name(one) == value).ok_or(Malformed::Value { key, value })
}

fn fixes(text: &'static str) -> Result<Vec<Fix>, Malformed> {
    let parts = section(text, "Fix").and_then(|section| section.strip_prefix("### ")).ok_or(Malformed::Fix)?;
    parts
        .split("\n### ")
        .map(|part| match part.split_once('\n') {
            Some((target, text)) if !text.trim().is_empty() => Ok(Fix { target, text: unwrapped(text) }),
            _ => Err(Malformed::Fix),
        })
        .collect()
}

fn section(text: &'static str, heading: &str) -> Option<&'static str> {
    text.split("\n## ").skip(1).find_map(|section| {
        let (title, body) = section.split_once('\n')?;
        (title == heading).then_some(body.trim())
    })
}

/// Markdown with one line a paragraph or list item: the files wrap theirs, a report wraps its own.
fn unwrapped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.trim().lines() {
        if !out.is_empty() {
            let starts_anew = line.is_empty() || line.starts_with("- ") || out.ends_with('\n');
            out.push(if starts_anew { '\n' } else { ' ' });
        }
        out.push_str(line.trim());
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;

    /// Ids are held by reports, tickets and dashboards: new ones may come, none of these may go.
    const STABLE_IDS: [&str; 46] = [
        "accept-stalled",
        "alpn-mismatch",
        "alpn-rejected",
        "broken-content-encoding",
        "conflicting-framing",
        "connect-refused",
        "connect-timeout",
        "connect-unreachable",
        "duplicate-header",
        "early-response-reset",
        "empty-response",
        "h2-goaway",
        "h2-protocol-error",
        "h2-stream-reset",
        "header-too-large",
        "headers-too-large",
        "http09-response",
        "idle-connection-dropped",
        "invalid-status-code",
        "keepalive-race",
        "malformed-chunk",
        "malformed-header",
        "malformed-status-line",
        "middlebox-reset",
        "mtu-blackhole",
        "reset-before-response",
        "reset-mid-response",
        "response-timeout",
        "stalled-response",
        "tls-cert-expired",
        "tls-cert-name-mismatch",
        "tls-cert-not-yet-valid",
        "tls-cert-self-signed",
        "tls-cert-untrusted",
        "tls-cipher-mismatch",
        "tls-client-cert-required",
        "tls-handshake-closed",
        "tls-handshake-failure",
        "tls-handshake-reset",
        "tls-handshake-timeout",
        "tls-internal-error",
        "tls-not-spoken",
        "tls-sni-rejected",
        "tls-version-mismatch",
        "truncated-response",
        "unsolicited-response",
    ];

    const CLOUDFLARE_STATUSES: [u16; 8] = [502, 520, 521, 522, 523, 524, 525, 526];
    const GENERIC_STATUSES: [u16; 2] = [502, 504];

    const WHOLE: &str = "---
title: A title
layer: session
actor: middlebox, origin
status: 520
generic-status: 502
mistaken-for: empty-response, reset-mid-response
---
What it is, told
in two lines.

A second paragraph.

## On the wire
What proves it.

## Mistaken for
- `empty-response`: The first reason.
- `reset-mid-response`: The second reason.

## Fix

### any
Look at
the log:
- one item
  in two lines
- another

Then restart.

### nginx
`keepalive_timeout 910s;`

## See also
- [RFC 9112](https://www.rfc-editor.org/rfc/rfc9112.html)
";

    /// Title and address of each line of "See also"; none where the line is no link.
    fn links(entry: &Entry) -> impl Iterator<Item = Option<(&'static str, &'static str)>> {
        let lines = section(entry.text, "See also").unwrap_or_default().lines();
        lines.map(|line| line.strip_prefix("- [")?.strip_suffix(')')?.split_once("]("))
    }

    fn every_entry() -> impl Iterator<Item = &'static Entry> {
        Catalogue::built_in().entries().iter()
    }

    #[test]
    fn a_file_is_read_whole() {
        let entry = Entry::parse("x", WHOLE).unwrap();
        assert_eq!((entry.id, entry.title, entry.layer), ("x", "A title", Layer::Session));
        assert_eq!(entry.actors, [Actor::Middlebox, Actor::Origin]);
        assert_eq!((entry.status, entry.generic_status), (520, 502));
        assert_eq!(entry.summary(), "What it is, told in two lines.");
        assert_eq!(section(entry.text, "On the wire"), Some("What proves it."));
        assert_eq!(entry.explains("reset-mid-response"), Some("The second reason."));
        assert_eq!(entry.explains("reset"), None);
        assert_eq!(entry.fixes[0].target, "any");
        assert_eq!(entry.fixes[0].text, "Look at the log:\n- one item in two lines\n- another\n\nThen restart.");
        assert_eq!(entry.fixes[1].text, "`keepalive_timeout 910s;`");
        let url = "https://www.rfc-editor.org/rfc/rfc9112.html";
        assert_eq!(links(&entry).collect::<Vec<_>>(), [Some(("RFC 9112", url))]);
    }

    #[test]
    fn a_malformed_file_is_refused_with_its_reason() {
        let broken = |from: &str, to: &str| {
            assert!(WHOLE.contains(from), "{from}");
            Entry::parse("x", WHOLE.replacen(from, to, 1).leak()).unwrap_err()
        };
        assert_eq!(broken("---\n", ""), Malformed::FrontMatterMissing);
        assert_eq!(broken("title: A title\n", ""), Malformed::KeyMissing("title"));
        assert_eq!(broken("layer:", "level:"), Malformed::Line("level: session"));
        assert_eq!(broken("layer: session", "title: again"), Malformed::Line("title: again"));
        assert_eq!(broken("session", "physical"), Malformed::Value { key: "layer", value: "physical" });
        assert_eq!(broken("middlebox", "nobody"), Malformed::Value { key: "actor", value: "nobody" });
        assert_eq!(broken("status: 520", "status: many"), Malformed::Value { key: "status", value: "many" });
        assert_eq!(broken("## Fix", "## Cure"), Malformed::Fix);
        assert_eq!(broken("### any\n", ""), Malformed::Fix);
        assert_eq!(broken("`keepalive_timeout 910s;`\n", ""), Malformed::Fix);
    }

    #[test]
    fn every_file_of_the_catalogue_can_be_read() {
        for &(id, file) in FILES {
            if let Err(malformed) = Entry::parse(id, file) {
                panic!("causes/{id}.md: {malformed}");
            }
        }
        assert_eq!(Catalogue::built_in().entries().len(), FILES.len());
    }

    #[test]
    fn ids_stay() {
        for id in STABLE_IDS {
            assert!(Catalogue::built_in().entry(id).is_some(), "causes/{id}.md is gone");
        }
    }

    #[test]
    fn every_cause_has_its_text() {
        for entry in every_entry() {
            let id = entry.id;
            assert!(
                id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{id} is no kebab-case"
            );
            assert!(!entry.title.ends_with('.') && entry.title.len() <= 90, "{id}: title");
            assert!(entry.summary().ends_with('.'), "{id}: summary");
            assert!(section(entry.text, "On the wire").is_some_and(|text| !text.is_empty()), "{id}: On the wire");
        }
    }

    #[test]
    fn every_status_is_one_that_an_edge_shows() {
        for entry in every_entry() {
            assert!(CLOUDFLARE_STATUSES.contains(&entry.status), "{}: {}", entry.id, entry.status);
            assert!(GENERIC_STATUSES.contains(&entry.generic_status), "{}: {}", entry.id, entry.generic_status);
        }
    }

    #[test]
    fn every_cause_that_is_explained_exists_and_has_its_sentence() {
        for entry in every_entry() {
            for &other in &entry.mistaken_for {
                assert!(Catalogue::built_in().entry(other).is_some(), "{}: {other} is no cause", entry.id);
            }
            let reasons: Vec<_> = entry.reasons().map(|(cause, _)| cause).collect();
            assert_eq!(reasons, entry.mistaken_for, "{}: front matter and `Mistaken for` differ", entry.id);
            for (cause, why) in entry.reasons() {
                assert!(why.ends_with('.') && why.len() <= 160, "{}: sentence for {cause}", entry.id);
            }
            let bullets = section(entry.text, "Mistaken for").unwrap_or_default().lines().count();
            assert_eq!(bullets, reasons.len(), "{}: a line of `Mistaken for` is no `- `ID`: sentence`", entry.id);
        }
    }

    #[test]
    fn no_cause_explains_itself_through_others() {
        let mut open: BTreeMap<&str, BTreeSet<&str>> =
            every_entry().map(|entry| (entry.id, entry.mistaken_for.iter().copied().collect())).collect();
        while let Some(end) = open.iter().find_map(|(&id, others)| others.is_empty().then_some(id)) {
            open.remove(end);
            open.values_mut().for_each(|others| {
                others.remove(end);
            });
        }
        assert!(open.is_empty(), "these explain each other: {:?}", open.keys());
    }

    #[test]
    fn every_cause_has_a_fix_for_nginx_and_one_more_or_for_all() {
        for entry in every_entry() {
            let has = |target| entry.fixes.iter().any(|fix| fix.target == target);
            assert!(has("any") || has("nginx") && entry.fixes.len() > 1, "{}", entry.id);
            let targets: BTreeSet<_> = entry.fixes.iter().map(|fix| fix.target).collect();
            assert_eq!(targets.len(), entry.fixes.len(), "{}: a target stands twice", entry.id);
        }
    }

    #[test]
    fn a_server_is_spelled_the_same_everywhere() {
        let mut spellings: BTreeMap<String, &str> = BTreeMap::new();
        for fix in every_entry().flat_map(|entry| &entry.fixes) {
            let key = fix.target.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
            let first = *spellings.entry(key).or_insert(fix.target);
            assert_eq!(first, fix.target);
        }
    }

    #[test]
    fn the_readme_lists_every_cause() {
        let readme = include_str!("../../README.md");
        for Entry { id, status, title, .. } in every_entry() {
            let row = format!("| [`{id}`](causes/{id}.md) | {status} | {title} |");
            assert!(readme.contains(&row), "README.md lacks the row {row}");
        }
        assert!(readme.contains(&format!("one of {} causes", FILES.len())), "README.md counts the causes wrong");
    }

    #[test]
    fn every_link_is_https() {
        for entry in every_entry() {
            assert!(links(entry).count() > 0, "{}: no link", entry.id);
            for link in links(entry) {
                let (title, url) =
                    link.unwrap_or_else(|| panic!("{}: `See also` has a line that is no link", entry.id));
                assert!(url.starts_with("https://") && !title.is_empty(), "{}: {url}", entry.id);
            }
        }
    }
}
