//! The document for a ticket: headings, tables and fenced code, which GitHub, GitLab and Jira all take.
//!
//! A tracker refuses what is too long, so a ticket is bounded, and says what it leaves out.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::alike::Group;
use super::document::{Document, Event, Fix, Incident};
use super::excerpt::excerpt;
use super::joined::{Hop, told};
use super::numbers::{count, thousands};
use super::plain::{Plain, shortened};

/// Writes the document.
///
/// # Errors
/// What `out` fails with.
pub fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(ticket(document).unwrap_or_default().as_bytes())
}

fn ticket(document: &Document<'_>) -> Result<String, std::fmt::Error> {
    let mut ticket = String::new();
    let summary = &document.summary;
    let incidents = match summary.incidents {
        0 => "No incident".to_owned(),
        number => count(number, "incident"),
    };
    let (exchanges, connections) = (count(summary.exchanges, "exchange"), count(summary.connections, "connection"));
    writeln!(ticket, "## {incidents} in {exchanges} on {connections}")?;
    let groups = document.incidents.groups();
    if document.incidents.len() > 1 {
        overview(&groups, &mut ticket)?;
    }
    let support = for_support(document)?;
    let rest = closing(document)?;
    let room = [ticket.len(), support.len(), rest.len(), LEFT_OUT].into_iter().fold(LONGEST, usize::saturating_sub);
    let requests = requests(document)?;
    let room = room.saturating_sub(requests.len());
    ticket += &requests;
    let (told, text) = sections(document, &groups, room)?;
    ticket += &text;
    let left_out = document.incidents.len().saturating_sub(told);
    if left_out > 0 {
        let text = count(left_out as u64, "incident");
        writeln!(
            ticket,
            "\n_{text} more, not told here one by one: `--format html` or `--format json` holds them all._"
        )?;
    }
    Ok(ticket + &support + &rest)
}

/// One line a kind of incident.
fn overview(groups: &[Group], out: &mut String) -> std::fmt::Result {
    let zone = groups.first().map(|group| group.first.zone()).unwrap_or_default();
    writeln!(out, "\n| how often | edge | cause | by | since ({zone}) | until | origin | hosts |")?;
    writeln!(out, "| ---: | --- | --- | --- | --- | --- | --- | --- |")?;
    for group in groups.iter().take(IN_OVERVIEW) {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            thousands(group.members.len() as u64),
            group.status(),
            code(group.cause),
            group.actor(),
            group.first.to_the_second(),
            group.last.to_the_second(),
            code(&group.server),
            code(&group.host_names()),
        )?;
    }
    let more = groups.len().saturating_sub(IN_OVERVIEW);
    if more > 0 {
        writeln!(out, "\n_{} more kinds of incidents are in the other formats._", thousands(more as u64))?;
    }
    Ok(())
}

/// Of each kind one incident in full, then further ones, as long as there is room; and how many were told.
fn sections(document: &Document<'_>, groups: &[Group], room: usize) -> Result<(usize, String), std::fmt::Error> {
    let mut text = String::new();
    let mut told = 0_usize;
    for nth in 0..ALIKE {
        for group in groups {
            let Some(incident) = group.members.get(nth).and_then(|&index| document.incidents.get(index)) else {
                continue;
            };
            let alike = if nth == 0 { group.members.len() } else { 1 };
            let section = in_full(told.saturating_add(1), &incident, group, alike)?;
            if told == IN_FULL || text.len().saturating_add(section.len()) > room {
                return Ok((told, text));
            }
            text += &section;
            told = told.saturating_add(1);
        }
    }
    Ok((told, text))
}

fn in_full(nth: usize, incident: &Incident, group: &Group, alike: usize) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let times = if alike > 1 { format!(", the first of {}", thousands(alike as u64)) } else { String::new() };
    writeln!(out, "\n### {nth}. {} ({}){times}: {}\n", incident.cause, incident.edge_status, text(incident.title))?;
    writeln!(out, "{}\n", text(&incident.summary))?;
    writeln!(out, "| what | |\n| --- | --- |")?;
    let connection = &incident.connection;
    let time = incident.fault.time;
    let facts = [
        ("request", request(incident)),
        ("CF-Ray", ray(incident).to_owned()),
        ("time", format!("{} {}", time.date_and_time(), time.zone())),
        ("connection", format!("{} to {}", connection.client, connection.server)),
        ("who, how sure", format!("{}, {}", incident.actor, incident.confidence)),
        ("Wireshark", incident.wireshark.clone()),
        ("id", incident.id.clone()),
    ];
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        writeln!(out, "| {name} | {} |", code(fact))?;
    }
    if alike > 1 {
        for extreme in &group.extremes {
            writeln!(out, "| all {}: {} | {} |", thousands(alike as u64), extreme.what.name(), extreme.range())?;
        }
    }
    hops(&incident.hops, &mut out)?;
    fixes(incident, &mut out)?;
    writeln!(out, "\n| packet | what it proves |\n| ---: | --- |")?;
    for evidence in &incident.evidence {
        writeln!(out, "| {} | {} |", evidence.packet, text(&shortened(&evidence.note, LONGEST_CODE)))?;
    }
    timeline(incident, &mut out)?;
    list("Also weighed", incident.also.iter().map(|also| (also.cause, also.why_not.as_str())), &mut out)?;
    Ok(out)
}

/// The requests that were asked for, healthy or not.
fn requests(document: &Document<'_>) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    for story in document.requests.iter().take(REQUESTS) {
        writeln!(out, "\n### {}", text(&shortened(&story.name(), LONGEST_CODE)))?;
        hops(&story.hops, &mut out)?;
        let mut lines = String::new();
        story.timeline.iter().take(EVENTS).try_for_each(|event| line(event, &mut lines))?;
        gap(story.timeline.len().saturating_sub(EVENTS) as u64, &mut lines)?;
        let fence = fence(&lines);
        writeln!(out, "\n<details><summary>Timeline</summary>\n\n{fence}text\n{lines}{fence}\n\n</details>")?;
    }
    Ok(out)
}

/// The way of a request through a chain of proxies.
fn hops(hops: &[Hop], out: &mut String) -> std::fmt::Result {
    let ways: Vec<(String, String)> =
        hops.iter().map(|hop| (format!("{} → {}", hop.client, hop.server), told(hop))).collect();
    list("Its way through the proxies", ways.iter().map(|(way, told)| (way.as_str(), told.as_str())), out)
}

/// What Cloudflare's support asks for: address, Ray ID and time of failed requests.
fn for_support(document: &Document<'_>) -> Result<String, std::fmt::Error> {
    let mut lines = String::new();
    let mut listed = 0_usize;
    for incident in document.incidents.iter().filter(|incident| !ray(incident).is_empty()) {
        listed = listed.saturating_add(1);
        if listed <= FOR_SUPPORT {
            let request = incident.request.as_ref();
            let host = request.and_then(|request| request.host.as_deref()).unwrap_or("(no host)");
            let target = request.and_then(|request| request.target.as_deref()).unwrap_or_default();
            let url = shortened(&format!("{host}{target}"), LONGEST_URL);
            let (time, status) = (request.map_or(incident.fault.time, |request| request.time), incident.edge_status);
            writeln!(lines, "{time}  {}  {status}  {}", Plain(ray(&incident)), Plain(&url))?;
        }
    }
    if listed == 0 {
        return Ok(lines);
    }
    if listed > FOR_SUPPORT {
        writeln!(lines, "and {} more", thousands(listed.saturating_sub(FOR_SUPPORT) as u64))?;
    }
    let fence = fence(&lines);
    Ok(format!("\n**For Cloudflare support** (UTC, Ray ID, status, URL)\n\n{fence}text\n{lines}{fence}\n"))
}

/// What holds for the whole report.
fn closing(document: &Document<'_>) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let patterns = document.patterns.iter().take(IN_LISTS);
    list("Patterns", patterns.map(|it| (it.kind, it.summary.as_str())), &mut out)?;
    if let Some(log) = &document.edge_log {
        writeln!(out, "\n**The edge's own log**: {}\n", log.balance())?;
        let named = log.contradictions().chain(log.unseen()).take(IN_LISTS);
        named.map(|one| text(&one)).try_for_each(|one| writeln!(out, "- {one}"))?;
    }
    let observations = document.observations.iter().take(IN_LISTS);
    list("Observations", observations.map(|it| (it.kind, it.summary.as_str())), &mut out)?;
    let problems = document
        .captures
        .iter()
        .flat_map(|capture| capture.problems.iter().map(|problem| (capture.path.as_str(), problem.as_str())));
    let caveats = document.caveats.iter().map(|caveat| ("all captures", caveat.as_str()));
    list("Read with care", problems.chain(caveats).take(IN_LISTS), &mut out)?;
    Ok(out)
}

/// The timeline as a fenced block that unfolds on a click; a long one around the fault only.
fn timeline(incident: &Incident, out: &mut String) -> std::fmt::Result {
    let packets: Vec<u64> = incident.timeline.iter().map(|event| event.packet).collect();
    let kept = excerpt(&packets, &[incident.fault.packet], EVENTS);
    let mut lines = String::new();
    let mut hidden = 0_u64;
    for (index, event) in incident.timeline.iter().enumerate() {
        hidden = hidden.saturating_add(event.left_out);
        if kept.binary_search(&index).is_err() {
            hidden = hidden.saturating_add(1);
            continue;
        }
        gap(std::mem::take(&mut hidden), &mut lines)?;
        line(event, &mut lines)?;
    }
    gap(hidden.saturating_add(incident.timeline_left_out), &mut lines)?;
    let fence = fence(&lines);
    writeln!(out, "\n<details><summary>Timeline, in seconds since the connection's first packet</summary>\n")?;
    writeln!(out, "{fence}text\n{lines}{fence}\n\n</details>")
}

fn line(event: &Event, out: &mut String) -> std::fmt::Result {
    let (at, packet, digits) = (event.at, format!("#{}", event.packet), event.time.precision.digits());
    let (from, what) = (Plain(&event.from).to_string(), shortened(&event.text, EVENT));
    writeln!(out, "{at:>12.digits$}  {packet:<8} {from:<9} {}", Plain(&what))
}

fn gap(events: u64, out: &mut String) -> std::fmt::Result {
    if events == 0 { Ok(()) } else { writeln!(out, "{:>12}  {} left out", "…", count(events, "event")) }
}

/// More backticks than stand anywhere in `text`.
fn fence(text: &str) -> String {
    "`".repeat(longest_run(text, '`').max(2).saturating_add(1))
}

/// A heading with one bullet a line; nothing where there is none.
fn list<'a>(title: &str, items: impl Iterator<Item = (&'a str, &'a str)>, out: &mut String) -> std::fmt::Result {
    let mut items = items.peekable();
    if items.peek().is_some() {
        writeln!(out, "\n**{title}**\n")?;
    }
    items.try_for_each(|(name, item)| writeln!(out, "- {}: {}", code(name), text(&shortened(item, LONGEST_ITEM))))
}

/// What to do: the catalogue's own Markdown, so nothing in it is escaped. The first few; the others have a place.
fn fixes(incident: &Incident, out: &mut String) -> std::fmt::Result {
    if incident.fix.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n**What to do**\n")?;
    let (shown, rest) = incident.fix.split_at(incident.fix.len().min(FIXES));
    let bullet = |fix: &Fix| format!("- {}: {}\n", code(fix.target), fix.text.replace('\n', "\n  "));
    out.extend(shown.iter().map(bullet));
    if !rest.is_empty() {
        let others: Vec<&str> = rest.iter().map(|fix| fix.target).collect();
        writeln!(out, "- also for {}: `pcap520 explain {}`", others.join(", "), incident.cause)?;
    }
    Ok(())
}

/// What failed.
fn request(incident: &Incident) -> String {
    let Some(request) = &incident.request else {
        return incident.connection.sni.clone().unwrap_or_else(|| "none was sent".to_owned());
    };
    let method = request.method.as_deref().unwrap_or("(encrypted)");
    let host = request.host.as_deref().or(incident.connection.sni.as_deref()).unwrap_or_default();
    format!("{method} {host}{}", request.target.as_deref().unwrap_or_default())
}

fn ray(incident: &Incident) -> &str {
    incident.request.as_ref().and_then(|request| request.ray.as_deref()).unwrap_or_default()
}

/// A code span that nothing in `text` can end, and that no table cell splits.
fn code(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let plain = Plain(&shortened(text, LONGEST_CODE)).to_string().replace('|', "¦");
    let ticks = "`".repeat(longest_run(&plain, '`').saturating_add(1));
    if plain.starts_with('`') || plain.ends_with('`') {
        format!("{ticks} {plain} {ticks}")
    } else {
        format!("{ticks}{plain}{ticks}")
    }
}

/// A sentence without markup in it; `#12` and `@name` are set as code, or a tracker would link and notify.
fn text(sentence: &str) -> String {
    let plain = Plain(sentence).to_string();
    let mut safe = String::with_capacity(plain.len().saturating_add(16));
    let mut rest = plain.as_str();
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '#' | '@' => rest.len().saturating_sub(rest.trim_start_matches(c).trim_start_matches(is_name_char).len()),
            _ => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(len);
        rest = after;
        match c {
            '#' | '@' if len > 1 => {
                let _ = write!(safe, "`{piece}`");
            }
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '`' => safe.push_str("&#96;"),
            '\\' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            c => safe.push(c),
        }
    }
    safe
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/')
}

fn longest_run(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).max().unwrap_or(0)
}

/// Characters of a ticket: GitHub takes 65,536.
const LONGEST: usize = 60_000;

/// Room for the line that says what is left out.
const LEFT_OUT: usize = 200;

/// Incidents told in full.
const IN_FULL: usize = 10;

/// Alike incidents told in full.
const ALIKE: usize = 3;

/// Kinds of incidents that get a line.
const IN_OVERVIEW: usize = 40;

/// Requests for the support.
const FOR_SUPPORT: usize = 20;

/// Observations, and cautions.
const IN_LISTS: usize = 20;

/// Requests of one Ray ID.
const REQUESTS: usize = 3;

/// What to do, for one incident.
const FIXES: usize = 4;

/// Events of one timeline.
const EVENTS: usize = 40;

/// Characters of an event.
const EVENT: usize = 160;

/// Characters of a code span.
const LONGEST_CODE: usize = 400;

/// Characters of an address for the support.
const LONGEST_URL: usize = 300;

/// Characters of an observation.
const LONGEST_ITEM: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, sample};

    fn rendered(document: &Document<'_>) -> String {
        let mut out = Vec::new();
        write(document, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_ticket_tells_what_failed_and_what_to_do() {
        let text = rendered(&sample::document(&View::default()));
        assert!(text.starts_with("## 2 incidents in 310 exchanges on 40 connections\n"), "{text}");
        assert!(text.contains("| 1 | 520 | `keepalive-race` | origin | 2026-11-23 08:59:18 |"), "{text}");
        assert!(text.contains("| request | `GET shop.example/cart?token=[redacted]` |"), "{text}");
        assert!(text.contains("| 121 | origin closed the idle connection 1.000 s after its last response |"), "{text}");
        assert!(text.contains("- `nginx`: `keepalive_timeout 910s;` (75 s by default)."), "{text}");
        let support =
            "2026-11-23T08:59:18.786374Z  8f3b2c1d0e9a7b65-FRA  520  shop.example/cart?token=[redacted]\n```\n";
        assert!(text.contains(support), "{text}");
    }

    #[test]
    fn many_incidents_stay_a_short_ticket_that_says_what_it_left_out() {
        let text = rendered(&sample::alike_document(500));
        assert_eq!(text.matches("\n### ").count(), ALIKE);
        assert!(text.contains("the first of 500"), "{text}");
        assert!(text.contains("\n_497 incidents more, not told here"), "{text}");
        assert!(text.contains("\nand 480 more\n"), "{text}");
        assert!(text.chars().count() <= LONGEST);
        for document in [sample::hostile_document(), sample::busy_document()] {
            assert!(rendered(&document).chars().count() <= LONGEST);
        }
    }

    #[test]
    fn strangers_text_is_no_markup() {
        let text = rendered(&sample::hostile_document());
        assert!(text.chars().all(|c| c == '\n' || crate::report::plain::shows(c)));
        let prose: String = text.split("\n```").step_by(2).map(without_spans).collect();
        assert!(prose.contains("fake: line"), "{prose}");
        assert!(!prose.contains("<script>") && !prose.contains("@all") && !prose.contains("#1"), "{prose}");
    }

    /// Markdown without its code spans: what stands between two runs of backticks of the same length.
    fn without_spans(markdown: &str) -> String {
        let mut prose = String::new();
        let mut rest = markdown;
        while let Some(start) = rest.find('`') {
            prose.push_str(&rest[..start]);
            let ticks = rest[start..].len() - rest[start..].trim_start_matches('`').len();
            let span = &rest[start + ticks..];
            let end = span.split('`').scan(0, |at, piece| {
                let here = *at + piece.len();
                *at = here + 1;
                Some(here)
            });
            let closing = end.filter(|&at| {
                let run = &span[at..];
                at > 0 && !span[..at].ends_with('`') && run.len() - run.trim_start_matches('`').len() == ticks
            });
            rest = closing.map(|at| &span[at + ticks..]).next().unwrap_or(span);
        }
        prose + rest
    }

    #[test]
    fn spans_and_sentences_are_closed_to_markup() {
        assert_eq!(code("a`b|c"), "``a`b¦c``");
        assert_eq!(code("`"), "`` ` ``");
        assert_eq!(
            text("see #12, @all <b>*x*</b> [a](b) 5 & 6"),
            "see `#12`, `@all` &lt;b&gt;\\*x\\*&lt;/b&gt; \\[a\\](b) 5 &amp; 6"
        );
    }
}
