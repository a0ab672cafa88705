//! The document for people, on a terminal: first what matters, then why, then what to do.

mod incident;
mod layout;

use std::io::{self, Write};

pub use layout::Palette;
pub(crate) use layout::{Page, Row, Tone};

use super::alike::Group;
use super::document::{Capture, Document, Incident, Observation, Pattern, Summary};
use super::joined;
use super::numbers::{count, duration, size, thousands};
use super::plain::{sentences, shortened};

/// How the text looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Columns of a line.
    pub width: usize,
    /// Colours.
    pub palette: Palette,
    /// How much is told.
    pub detail: Detail,
}

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Detail {
    /// Alike incidents are folded, long timelines shortened.
    #[default]
    Digest,
    /// Every incident in full.
    Full,
}

/// Writes the document.
///
/// # Errors
/// What `out` fails with.
pub fn write(document: &Document<'_>, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style.width, style.palette);
    headline(&mut page, document)?;
    captures(&mut page, &document.captures)?;
    let groups = document.incidents.groups();
    overview(&mut page, document, &groups)?;
    incidents(&mut page, document, &groups, style.detail)?;
    joined::write_stories(&mut page, &document.requests)?;
    patterns(&mut page, &document.patterns)?;
    observations(&mut page, &document.observations)?;
    if let Some(log) = &document.edge_log {
        joined::write_edge_log(&mut page, log)?;
    }
    cautions(&mut page, document)
}

/// Writes one incident ahead of the document, as the `nth` of those that are still to come.
///
/// # Errors
/// What `out` fails with.
pub fn write_incident(incident: &Incident, nth: usize, style: Style, out: &mut dyn Write) -> io::Result<()> {
    let mut page = Page::new(out, style.width, style.palette);
    let time = incident.fault.time.to_the_second();
    incident::write(&mut page, incident, &format!("{nth}, {time} UTC"), style.detail)
}

/// How many incidents in how much traffic, and the most frequent causes.
fn headline(page: &mut Page<'_>, document: &Document<'_>) -> io::Result<()> {
    let summary = &document.summary;
    let traffic = traffic(document);
    let row = if summary.incidents == 0 {
        Row::new(0).text(Tone::Good, "No incident").text(Tone::Plain, format!("{traffic}."))
    } else {
        Row::new(0)
            .text(Tone::Alarm, count(summary.incidents, "incident"))
            .text(Tone::Plain, format!("{traffic}:"))
            .text(Tone::Strong, causes(summary))
    };
    page.row(&row)?;
    if summary.incidents_left_out > 0 {
        let text = format!("{} left out by --ray, --host or --cause.", count(summary.incidents_left_out, "incident"));
        page.row(&Row::new(0).text(Tone::Faint, text))?;
    }
    Ok(())
}

/// What was looked at, as the end of a sentence.
fn traffic(document: &Document<'_>) -> String {
    let summary = &document.summary;
    let on = format!("on {}", count(summary.connections, "connection"));
    match (summary.exchanges, summary.exchanges.saturating_sub(summary.exchanges_ok)) {
        (0, _) if summary.connections == 0 => {
            let packets = document.captures.iter().map(|capture| capture.packets).sum();
            format!("in {}: they hold no TCP connection", count(packets, "packet"))
        }
        (0, _) => format!("{on}, on which no HTTP exchange could be read"),
        (exchanges, 0) => format!("in {} {on}", count(exchanges, "exchange")),
        (exchanges, _) => {
            format!("in {} ({} complete and clean) {on}", count(exchanges, "exchange"), thousands(summary.exchanges_ok))
        }
    }
}

/// The most frequent causes with their counts.
fn causes(summary: &Summary) -> String {
    let mut causes: Vec<_> = summary.by_cause.iter().collect();
    causes.sort_by_key(|&(cause, &number)| (std::cmp::Reverse(number), *cause));
    let named: Vec<String> =
        causes.iter().take(CAUSES).map(|(cause, number)| format!("{cause} ({})", thousands(**number))).collect();
    match causes.len().saturating_sub(CAUSES) {
        0 => named.join(", "),
        1 => format!("{} and 1 other cause", named.join(", ")),
        more => format!("{} and {more} other causes", named.join(", ")),
    }
}

/// One line a capture; of many captures one line for all.
fn captures(page: &mut Page<'_>, captures: &[Capture]) -> io::Result<()> {
    page.blank()?;
    if captures.len() <= CAPTURES {
        let width = captures.iter().map(|capture| layout::columns(&capture.path)).max().unwrap_or(0).min(PATH);
        return captures.iter().try_for_each(|capture| {
            let row = Row::new(2).left(width, Tone::Strong, &capture.path);
            page.row(&row.text(Tone::Plain, facts(capture)))
        });
    }
    let packets = captures.iter().map(|capture| capture.packets).sum();
    let bytes = captures.iter().map(|capture| capture.bytes).sum();
    let first = captures.iter().filter_map(|capture| capture.first).min_by_key(|stamp| stamp.time);
    let last = captures.iter().filter_map(|capture| capture.last).max_by_key(|stamp| stamp.time);
    let span = span(first, last);
    let text =
        format!("{}, {}, {}{span}", count(captures.len() as u64, "capture"), count(packets, "packet"), size(bytes));
    page.row(&Row::new(2).text(Tone::Plain, text))
}

fn facts(capture: &Capture) -> String {
    let kinds: Vec<&str> = std::iter::once(&capture.format)
        .chain(&capture.link_types)
        .map(String::as_str)
        .filter(|kind| !kind.is_empty())
        .collect();
    let span = span(capture.first, capture.last);
    format!("{}, {}, {}{span}", kinds.join(", "), count(capture.packets, "packet"), size(capture.bytes))
}

/// From when to when, as the end of a list.
fn span(first: Option<super::Stamp>, last: Option<super::Stamp>) -> String {
    let (Some(first), Some(last)) = (first, last) else { return String::new() };
    let (from, to) = (first.to_the_second(), last.to_the_second());
    let same_day = from.split(' ').next() == to.split(' ').next();
    let to = if same_day { to.split(' ').next_back().unwrap_or_default() } else { &to };
    format!(", {from} to {to} {} ({})", last.zone(), duration(last.time.seconds_since(first.time)))
}

/// What failed, how often, since when, and what to do: nothing where there is one incident, which says it itself.
fn overview(page: &mut Page<'_>, document: &Document<'_>, groups: &[Group]) -> io::Result<()> {
    if document.incidents.len() < 2 {
        return Ok(());
    }
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Strong, "What failed"))?;
    for group in groups.iter().take(OVERVIEW) {
        let first = group.members.first().and_then(|&first| document.incidents.get(first));
        kind(page, group, first.as_ref())?;
    }
    more(page, groups.iter().skip(OVERVIEW), "of other kinds: below, and in --format json")
}

/// One kind of incident in a few lines.
fn kind(page: &mut Page<'_>, group: &Group, first: Option<&Incident>) -> io::Result<()> {
    let times = match group.members.len() {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        more => format!("{} times", thousands(more as u64)),
    };
    let row = Row::new(2).left(3, Tone::Alarm, group.status()).text(Tone::Strong, group.cause);
    page.row(&row.text(Tone::Alarm, times).text(Tone::Plain, format!("· by the {}", group.actor())))?;
    let indent = 7;
    page.row(&Row::new(indent).text(Tone::Plain, group.title))?;
    let mut place = format!("at {}", group.server);
    if !group.hosts.is_empty() {
        place = format!("for {} {place}", group.host_names());
    }
    page.row(&Row::new(indent).text(Tone::Plain, format!("{}; {place}", when(group))))?;
    if let Some(fix) = first.and_then(|first| first.fix.first()) {
        let text = fix.text.lines().next().unwrap_or_default();
        let text = if fix.target == "any" { text.to_owned() } else { format!("{}: {text}", fix.target) };
        page.row(&Row::new(indent).left(1, Tone::Good, "→").text(Tone::Plain, sentences(&text, ADVICE)))?;
    }
    Ok(())
}

/// What the incidents have in common.
fn patterns(page: &mut Page<'_>, patterns: &[Pattern]) -> io::Result<()> {
    if patterns.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Strong, "Patterns"))?;
    patterns.iter().try_for_each(|pattern| page.row(&Row::new(2).text(Tone::Plain, &pattern.summary)))
}

/// Since when, and until when.
fn when(group: &Group) -> String {
    let (first, last) = (group.first, group.last);
    match last.time.seconds_since(first.time) {
        seconds if seconds < 1.0 => format!("{} {}", first.to_the_second(), first.zone()),
        _ if first.to_the_second().split(' ').next() == last.to_the_second().split(' ').next() => {
            format!("since {} until {} {}", first.to_the_second(), last.time_of_day(), last.zone())
        }
        _ => format!("since {} until {} {}", first.to_the_second(), last.to_the_second(), last.zone()),
    }
}

/// How many incidents these groups hold, where they hold any.
fn more<'a>(page: &mut Page<'_>, groups: impl Iterator<Item = &'a Group>, text: &str) -> io::Result<()> {
    let sizes: Vec<u64> = groups.map(|group| group.members.len() as u64).collect();
    if sizes.is_empty() {
        return Ok(());
    }
    let text = format!("and {} {text}", count(sizes.iter().sum(), "incident"));
    page.row(&Row::new(2).text(Tone::Faint, text))
}

/// Every incident in full; of many alike ones the first, how far the others go, and a line for some of them.
fn incidents(page: &mut Page<'_>, document: &Document<'_>, groups: &[Group], detail: Detail) -> io::Result<()> {
    let all = document.incidents.len();
    if detail == Detail::Full {
        return (document.incidents.iter().zip(1..))
            .try_for_each(|(incident, nth)| incident::write(page, &incident, &format!("{nth} of {all}"), detail));
    }
    for group in groups.iter().take(IN_FULL) {
        let told = if group.members.len() > ALIKE { 1 } else { ALIKE };
        for &index in group.members.iter().take(told) {
            let Some(incident) = document.incidents.get(index) else { continue };
            incident::write(page, &incident, &format!("{} of {all}", index.saturating_add(1)), detail)?;
        }
        if group.members.len() > ALIKE {
            incident::write_alike(page, document, group)?;
        }
    }
    let rest = groups.get(IN_FULL..).unwrap_or_default();
    if !rest.is_empty() {
        page.blank()?;
        page.row(&Row::new(0).text(Tone::Strong, "Less frequent"))?;
    }
    for group in rest.iter().take(IN_A_LINE) {
        let row = Row::new(2).left(3, Tone::Alarm, group.status()).text(Tone::Strong, group.cause);
        let text = format!("({}) at {}; {}", thousands(group.members.len() as u64), group.server, when(group));
        page.row(&row.text(Tone::Plain, text))?;
    }
    more(page, rest.iter().skip(IN_A_LINE), "of other kinds: -v or --format json shows them all")
}

fn observations(page: &mut Page<'_>, observations: &[Observation]) -> io::Result<()> {
    if observations.is_empty() {
        return Ok(());
    }
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Strong, "Observations"))?;
    for observation in observations {
        page.row(
            &Row::new(2).text(Tone::Strong, format!("{}:", observation.kind)).text(Tone::Plain, &observation.summary),
        )?;
        let (shown, rest) = observation.evidence.split_at(observation.evidence.len().min(OBSERVED));
        incident::evidence(page, 4, shown)?;
        if !rest.is_empty() {
            page.row(&Row::new(4).text(Tone::Faint, format!("and {} more", count(rest.len() as u64, "packet"))))?;
        }
    }
    Ok(())
}

/// What is wrong with the captures, and what weakens the verdicts.
fn cautions(page: &mut Page<'_>, document: &Document<'_>) -> io::Result<()> {
    let problems = document
        .captures
        .iter()
        .flat_map(|capture| capture.problems.iter().map(|problem| (Some(shortened(&capture.path, PATH)), problem)));
    let mut cautions = problems.chain(document.caveats.iter().map(|caveat| (None, caveat))).peekable();
    if cautions.peek().is_none() {
        return Ok(());
    }
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Strong, "Read with care"))?;
    for (path, text) in cautions {
        let place = path.map(|path| format!("{path}:")).unwrap_or_default();
        page.row(&Row::new(2).text(Tone::Strong, place).text(Tone::Plain, text))?;
    }
    Ok(())
}

/// Causes named in the first line.
const CAUSES: usize = 3;

/// Captures that get a line each.
const CAPTURES: usize = 4;

/// Kinds of incidents in the overview: what fits one screen.
const OVERVIEW: usize = 4;

/// Kinds of incidents of which one is told in full.
const IN_FULL: usize = 12;

/// Kinds of incidents that get a line behind those.
const IN_A_LINE: usize = 40;

/// Characters of what to do, in the overview.
const ADVICE: usize = 200;

/// Characters of a path.
const PATH: usize = 40;

/// More alike incidents than these are folded.
const ALIKE: usize = 3;

/// Packets shown of an observation.
const OBSERVED: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, plain, sample};

    const DIGEST: Style = Style { width: 80, palette: Palette::Plain, detail: Detail::Digest };

    fn rendered(document: &Document<'_>, style: Style) -> String {
        let mut out = Vec::new();
        write(document, style, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn incidents_are_told_in_full() {
        assert_eq!(rendered(&sample::document(&View::default()), DIGEST), include_str!("sample.txt"));
    }

    #[test]
    fn a_healthy_capture_fits_one_screen() {
        let text = rendered(&sample::healthy_document(), DIGEST);
        assert!(text.starts_with("No incident in 310 exchanges on 40 connections.\n"), "{text}");
        assert!(text.lines().count() <= 24, "{text}");
    }

    #[test]
    fn it_says_no_more_than_was_seen() {
        let mut document = sample::healthy_document();
        document.summary.exchanges = 0;
        let text = rendered(&document, DIGEST);
        assert!(text.starts_with("No incident on 40 connections, on which no HTTP exchange could be read."), "{text}");
        document.summary.connections = 0;
        let text = rendered(&document, DIGEST);
        assert!(text.starts_with("No incident in 812 packets: they hold no TCP connection."), "{text}");
    }

    #[test]
    fn alike_incidents_are_folded_from_the_fourth_on() {
        let rules = |text: &str| text.lines().filter(|line| line.starts_with("── ")).count();
        assert_eq!(rules(&rendered(&sample::alike_document(3), DIGEST)), 3);
        let text = rendered(&sample::alike_document(30), DIGEST);
        assert_eq!(rules(&text), 1);
        assert!(text.contains("\n29 more of keepalive-race at 10.52.0.2:80\n"), "{text}");
        assert!(text.contains("\n  from the fault to the request that met it: 0.200 ms\n"), "{text}");
        assert!(text.lines().take(24).any(|line| line.contains("keepalive-race 30 times")), "{text}");
        assert!(text.contains("  race0020  2026-11-23 08:59:18  8f3b2c1d0e9a7b65-FRA  GET shop.example"), "{text}");
        assert!(text.contains("\n  and 9 more: -v or --format json shows them all\n"), "{text}");
        let full = Style { detail: Detail::Full, ..DIGEST };
        assert_eq!(rules(&rendered(&sample::alike_document(30), full)), 30);
    }

    #[test]
    fn a_long_timeline_is_cut_around_the_fault() {
        let document = sample::busy_document();
        let text = rendered(&document, DIGEST);
        let timeline: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("Timeline")).skip(1).collect();
        let events = timeline.iter().take_while(|line| !line.is_empty()).count();
        assert!(events <= 25, "{text}");
        assert!(text.contains(">  1.001000  #121  origin  FIN: sends no more\n"), "{text}");
        assert!(text.contains("events left out\n"), "{text}");
        let incident = document.incidents.get(0).unwrap();
        let told: u64 = incident.timeline.iter().map(|event| 1 + event.left_out).sum();
        assert_eq!(told + incident.timeline_left_out, 906, "every event is told or counted");
    }

    #[test]
    fn strangers_text_drives_no_terminal_and_makes_no_line() {
        for detail in [Detail::Digest, Detail::Full] {
            let text = rendered(&sample::hostile_document(), Style { detail, ..DIGEST });
            assert!(text.chars().all(|c| c == '\n' || plain::shows(c)), "{text:?}");
            assert!(!text.lines().any(|line| line.starts_with("fake:")), "{text}");
        }
    }

    #[test]
    fn lines_keep_within_the_width() {
        for width in [60, 80, 110, 300] {
            for document in [sample::document(&View::default()), sample::hostile_document(), sample::alike_document(9)]
            {
                let text = rendered(&document, Style { width, ..DIGEST });
                let widest = text.lines().map(layout::columns).max();
                assert!(widest <= Some(width.min(110)), "{widest:?} of {width}: {text}");
            }
        }
    }
}
