//! The document for a ticket: headings, tables and fenced code, which GitHub, GitLab and Jira all take.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::document::{Document, Event, Fix, Incident};
use super::plain::{Plain, shortened};

/// Writes the document.
///
/// # Errors
/// What `out` fails with.
pub fn write(document: &Document, out: &mut dyn Write) -> io::Result<()> {
    let summary = &document.summary;
    writeln!(
        out,
        "## {} in {} exchanges on {} connections\n",
        match summary.incidents {
            0 => "No incident".to_owned(),
            1 => "1 incident".to_owned(),
            more => format!("{more} incidents"),
        },
        summary.exchanges,
        summary.connections
    )?;
    if !document.incidents.is_empty() {
        overview(&document.incidents, out)?;
    }
    for (index, incident) in document.incidents.iter().take(IN_FULL).enumerate() {
        in_full(index + 1, incident, out)?;
    }
    list("Patterns", document.patterns.iter().map(|it| (it.kind, it.summary.as_str())), out)?;
    list("Observations", document.observations.iter().map(|it| (it.kind, it.summary.as_str())), out)?;
    let problems = document
        .captures
        .iter()
        .flat_map(|capture| capture.problems.iter().map(|problem| (capture.path.as_str(), problem.as_str())));
    let caveats = document.caveats.iter().map(|caveat| ("all captures", caveat.as_str()));
    list("Read with care", problems.chain(caveats), out)
}

/// One line an incident.
fn overview(incidents: &[Incident], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "| | time (UTC) | edge | origin | cause | by | confidence | request | CF-Ray |")?;
    writeln!(out, "| ---: | --- | --- | --- | --- | --- | --- | --- | --- |")?;
    for (index, incident) in incidents.iter().take(IN_OVERVIEW).enumerate() {
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            index + 1,
            incident.fault.time.date_and_time(),
            incident.edge_status,
            incident.origin_status,
            incident.cause,
            incident.actor,
            incident.confidence,
            code(&request(incident)),
            code(ray(incident)),
        )?;
    }
    let more = incidents.len().saturating_sub(IN_OVERVIEW);
    if more > 0 {
        writeln!(out, "\n{more} more are in the JSON report.")?;
    }
    Ok(())
}

fn in_full(nth: usize, incident: &Incident, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n### {nth}. {} ({}): {}\n", incident.cause, incident.edge_status, text(incident.title))?;
    writeln!(out, "{}\n", text(&incident.summary))?;
    writeln!(out, "| what | |\n| --- | --- |")?;
    let connection = &incident.connection;
    let facts = [
        ("request", request(incident)),
        ("CF-Ray", ray(incident).to_owned()),
        ("time (UTC)", incident.fault.time.to_string()),
        ("connection", format!("{} to {}", connection.client, connection.server)),
        ("Wireshark", incident.wireshark.clone()),
        ("id", incident.id.clone()),
    ];
    for (name, fact) in facts.iter().filter(|(_, fact)| !fact.is_empty()) {
        writeln!(out, "| {name} | {} |", code(fact))?;
    }
    writeln!(out, "\n| packet | what it proves |\n| ---: | --- |")?;
    for evidence in &incident.evidence {
        writeln!(out, "| {} | {} |", evidence.packet, text(&evidence.note))?;
    }
    timeline(&incident.timeline, out)?;
    list("Also weighed", incident.also.iter().map(|also| (also.cause, also.why_not.as_str())), out)?;
    fixes(&incident.fix, out)
}

/// The timeline as a fenced block that unfolds on a click.
fn timeline(events: &[Event], out: &mut dyn Write) -> io::Result<()> {
    let mut lines = String::new();
    for event in events {
        if event.left_out > 0 {
            let _ = writeln!(lines, "… {} left out", event.left_out);
        }
        let (at, packet) = (event.at, format!("#{}", event.packet));
        let _ = writeln!(lines, "{at:>12.6}  {packet:<8} {:<9} {}", Plain(&event.from), Plain(&event.text));
    }
    let fence = "`".repeat(longest_run(&lines, '`').max(2) + 1);
    writeln!(out, "\n<details><summary>Timeline, in seconds since the connection's first packet</summary>\n")?;
    writeln!(out, "{fence}text\n{lines}{fence}\n\n</details>")
}

/// A heading with one bullet a line; nothing where there is none.
fn list<'a>(title: &str, items: impl Iterator<Item = (&'a str, &'a str)>, out: &mut dyn Write) -> io::Result<()> {
    let mut items = items.peekable();
    if items.peek().is_some() {
        writeln!(out, "\n**{title}**\n")?;
    }
    items.try_for_each(|(name, item)| writeln!(out, "- {}: {}", code(name), text(item)))
}

/// What to do: the catalogue's own Markdown, so nothing in it is escaped.
fn fixes(fixes: &[Fix], out: &mut dyn Write) -> io::Result<()> {
    if !fixes.is_empty() {
        writeln!(out, "\n**What to do**\n")?;
    }
    fixes.iter().try_for_each(|fix| writeln!(out, "- {}: {}", code(fix.target), fix.text.replace('\n', "\n  ")))
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
    let ticks = "`".repeat(longest_run(&plain, '`') + 1);
    if plain.starts_with('`') || plain.ends_with('`') {
        format!("{ticks} {plain} {ticks}")
    } else {
        format!("{ticks}{plain}{ticks}")
    }
}

/// A sentence without markup in it; `#12` and `@name` are set as code, or a tracker would link and notify.
fn text(sentence: &str) -> String {
    let plain = Plain(sentence).to_string();
    let mut safe = String::with_capacity(plain.len() + 16);
    let mut rest = plain.as_str();
    while let Some(c) = rest.chars().next() {
        let len = match c {
            '#' | '@' => rest.len() - rest.trim_start_matches(c).trim_start_matches(is_name_char).len(),
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

/// Incidents told in full.
const IN_FULL: usize = 10;

/// Characters of a code span.
const LONGEST_CODE: usize = 400;

/// Incidents that get a line.
const IN_OVERVIEW: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, sample};

    fn rendered(document: &Document) -> String {
        let mut out = Vec::new();
        write(document, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_ticket_tells_what_failed_and_what_to_do() {
        let text = rendered(&sample::document(&View::default()));
        assert!(text.starts_with("## 2 incidents in 310 exchanges on 40 connections\n"), "{text}");
        assert!(text.contains("| `GET shop.example/cart?token=[redacted]` | `8f3b2c1d0e9a7b65-FRA` |"), "{text}");
        assert!(text.contains("| 121 | origin closed the idle connection 1.000 s after its last response |"), "{text}");
        assert!(text.contains("- `nginx`: `keepalive_timeout 910s;` (75 s by default)."), "{text}");
    }

    #[test]
    fn many_incidents_stay_a_short_ticket() {
        let text = rendered(&sample::alike_document(500));
        assert_eq!(text.matches("\n### ").count(), IN_FULL);
        assert!(text.contains("\n400 more are in the JSON report.\n"));
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
