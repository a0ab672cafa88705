//! The document as one page for a browser: no network, no other file, nothing of a stranger's text that a browser obeys.
//!
//! The template escapes whatever is put into it. A policy in the page lets only its own script and style run, by their
//! hashes. A page of many incidents stays small enough to be mailed: it shows the ladder of some of every kind, and
//! says what it leaves out.

mod incident;
mod joined;
mod ladder;
mod list;
mod overview;

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use maud::{DOCTYPE, Escaper, Markup, PreEscaped, Render, html};
use sha2::{Digest, Sha256};

use super::alike::Group;
use super::document::{Capture, Document, Evidence, Observation};
use super::numbers::{count, duration, size, thousands};
use super::plain::{Plain, sentences, shortened};
use incident::Keys;

/// Writes the document.
///
/// # Errors
/// What `out` fails with.
pub fn write(document: &Document<'_>, out: &mut dyn Write) -> io::Result<()> {
    let groups = document.incidents.groups();
    let keys = Keys::of(document);
    let beginning = html! {
        (DOCTYPE)
        html lang="en" { (head(document)) }
    };
    // The page is written piece by piece, so its outermost elements are opened and closed by hand.
    out.write_all(beginning.into_string().trim_end_matches("</html>").as_bytes())?;
    out.write_all(b"<body>")?;
    out.write_all(top(document, &groups, &keys).into_string().as_bytes())?;
    let left_out = list::write(document, &groups, &keys, out)?;
    out.write_all(bottom(document, left_out).into_string().as_bytes())?;
    out.write_all(b"</body></html>\n")
}

fn head(document: &Document<'_>) -> Markup {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    );
    html! {
        head {
            meta charset="utf-8";
            meta http-equiv="Content-Security-Policy" content=(policy);
            meta name="viewport" content="width=device-width, initial-scale=1";
            meta name="referrer" content="no-referrer";
            title { (headline(document)) " · pcap520" }
            style { (PreEscaped(STYLE)) }
        }
    }
}

/// Everything above the list of incidents.
fn top(document: &Document<'_>, groups: &[Group], keys: &Keys) -> Markup {
    html! {
        a.skip href="#incidents" { "To the incidents" }
        header {
            h1 .good[document.incidents.is_empty()] { (headline(document)) }
            p.soft { (traffic(document)) }
            @for capture in document.captures.iter().take(CAPTURES) { (capture_line(capture)) }
            @if document.captures.len() > CAPTURES {
                p.soft { "and " (count(document.captures.len().saturating_sub(CAPTURES) as u64, "more capture")) }
            }
        }
        (PreEscaped("<main>"))
        (joined::stories(&document.requests))
        @if !document.incidents.is_empty() {
            h2 { "What failed" }
            ul.kinds { @for group in groups.iter().take(KINDS) { (kind(document, group, keys)) } }
            @if groups.len() > KINDS {
                p.soft { (thousands(groups.len().saturating_sub(KINDS) as u64)) " more kinds are among the incidents below." }
            }
            h2 { "When" }
            (overview::figure(document))
            h2 #incidents { "Incidents" }
            (keys.form())
        }
    }
}

/// Everything below the list of incidents.
fn bottom(document: &Document<'_>, left_out: u64) -> Markup {
    let edge = &document.edge;
    html! {
        @if left_out > 0 {
            p.note { (count(left_out, "incident")) " more would make the page too long; --format json holds them all." }
        }
        (joined::patterns(&document.patterns))
        @if let Some(log) = &document.edge_log { (joined::edge_log(log)) }
        @if !document.observations.is_empty() {
            h2 { "Observations" }
            p.soft { "Worth knowing, and no 52x." }
            @for observation in document.observations.iter().take(OBSERVATIONS) { (observed(observation)) }
        }
        (cautions(document))
        (PreEscaped("</main>"))
        footer {
            p {
                "Written by " (document.tool.name) " " (document.tool.version) " from packets alone. Edge: "
                (edge.profile) ", which waits " (seconds(edge.connect_timeout_s)) " for a connection, "
                (seconds(edge.response_timeout_s)) " for a response, and takes headers up to " (size(edge.headers_limit))
                ", one field up to " (size(edge.header_limit)) "."
            }
            @if !document.incidents.is_empty() {
                p { "Keys: / searches, j and k go from incident to incident, Enter opens one." }
            }
        }
        script { (PreEscaped(SCRIPT)) }
    }
}

fn headline(document: &Document<'_>) -> String {
    match document.summary.incidents {
        0 => "No incident".to_owned(),
        number => count(number, "incident"),
    }
}

fn traffic(document: &Document<'_>) -> String {
    let summary = &document.summary;
    let mut text = format!(
        "in {} ({} complete and clean) on {}",
        count(summary.exchanges, "exchange"),
        thousands(summary.exchanges_ok),
        count(summary.connections, "connection")
    );
    if summary.incidents_left_out > 0 {
        let _ =
            write!(text, "; {} left out by --ray, --host or --cause", count(summary.incidents_left_out, "incident"));
    }
    text
}

fn capture_line(capture: &Capture) -> Markup {
    let span = capture.first.zip(capture.last).map(|(first, last)| {
        let (from, zone) = (first.to_the_second(), last.zone());
        let same_day = from.split(' ').next() == last.to_the_second().split(' ').next();
        let to = if same_day { last.time_of_day() } else { last.to_the_second() };
        format!("{from} to {to} {zone} ({})", duration(last.time.seconds_since(first.time)))
    });
    html! {
        p.soft {
            span.mono { (Plain(&capture.path)) } " · " (Plain(&capture.format)) " · " (count(capture.packets, "packet"))
            " · " (size(capture.bytes)) @if let Some(span) = span { " · " (span) }
        }
    }
}

/// One kind of incident: what, how often, since when, what to do.
fn kind(document: &Document<'_>, group: &Group, keys: &Keys) -> Markup {
    let first = group.members.first().and_then(|&index| document.incidents.get(index));
    let often = thousands(group.members.len() as u64);
    html! {
        li.kind {
            h3 {
                @for status in &group.statuses { span class={ "badge s" (status) } { (status) } }
                span { (group.cause) }
                span.often { (often) "×" }
            }
            p.title { (group.title) }
            dl.facts {
                dt { "by" } dd { (group.actor()) ", " (group.confidences.iter().copied().collect::<Vec<_>>().join(", ")) }
                dt { "since" } dd { (group.first.to_the_second()) " " (group.first.zone()) }
                @if group.members.len() > 1 { dt { "until" } dd { (group.last.to_the_second()) " " (group.last.zone()) } }
                @if !group.hosts.is_empty() { dt { "host" } dd.mono { (Plain(&group.host_names())) } }
                dt { "origin" } dd.mono { (Plain(&group.server)) }
                @if group.members.len() > 1 {
                    @for extreme in &group.extremes { dt { "of all" } dd { (extreme.what.name()) ": " (extreme.range()) } }
                }
            }
            @if let Some(first) = &first {
                @if let Some(fix) = first.fix.first() {
                    div.do { @if fix.target != "any" { strong { (fix.target) ": " } } (incident::prose(&sentences(fix.text.lines().next().unwrap_or_default(), ADVICE))) }
                }
                p { a href={ "#i-" (first.id) } { "The first one" } " "
                    button type="button" hidden data-k=(keys.of_kind(group.cause, &group.server)) { "Show only these" } }
            }
        }
    }
}

fn observed(observation: &Observation) -> Markup {
    html! {
        div.note {
            p { strong { (observation.kind) } ": " (Plain(&observation.summary)) }
            (evidence(&observation.evidence))
        }
    }
}

fn evidence(evidence: &[Evidence]) -> Markup {
    html! {
        @if !evidence.is_empty() {
            ul {
                @for one in evidence.iter().take(PROOFS) {
                    li { span.mono { "#" (one.packet) } " " (Plain(&shortened(&one.note, LONG_TEXT))) }
                }
                @if evidence.len() > PROOFS { li.soft { "and " (count(evidence.len().saturating_sub(PROOFS) as u64, "more packet")) } }
            }
        }
    }
}

fn cautions(document: &Document<'_>) -> Markup {
    let of_capture = |capture: &Capture| -> Vec<String> {
        capture.problems.iter().map(|problem| format!("{}: {problem}", capture.path)).collect()
    };
    let problems = document.captures.iter().flat_map(of_capture).chain(document.caveats.iter().cloned());
    let cautions: Vec<String> = problems.take(OBSERVATIONS).collect();
    html! {
        @if !cautions.is_empty() {
            h2 { "Read with care" }
            ul { @for caution in cautions { li { (Plain(&caution)) } } }
        }
    }
}

fn seconds(seconds: f64) -> String {
    format!("{seconds} s")
}

/// What a Content-Security-Policy knows a script or a style by.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut hash = String::from("sha256-");
    for chunk in digest.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| bits << 8 | u32::from(chunk.get(at).copied().unwrap_or(0)));
        for (place, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = (bits >> shift) as usize & 0x3f;
            let is_padding = place > chunk.len();
            hash.push(if is_padding { '=' } else { BASE64.get(digit).map_or('=', |&byte| char::from(byte)) });
        }
    }
    hash
}

/// Text of strangers: escaped for the reader's eyes by [`Plain`], and then for the page.
impl Render for Plain<'_> {
    fn render_to(&self, buffer: &mut String) {
        let _: fmt::Result = write!(Escaper::new(buffer), "{self}");
    }
}

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const STYLE: &str = include_str!("page.css");

const SCRIPT: &str = include_str!("page.js");

/// Kinds of incidents that get a card.
const KINDS: usize = 12;

/// Characters of what to do on a card; the incident tells all of it.
const ADVICE: usize = 240;

/// Captures that get a line.
const CAPTURES: usize = 6;

/// Observations, and cautions.
const OBSERVATIONS: usize = 100;

/// Packets shown of an observation.
const PROOFS: usize = 6;

/// Characters of a text that quotes strangers.
const LONG_TEXT: usize = 600;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, plain, sample};

    fn rendered(document: &Document<'_>) -> String {
        let mut out = Vec::new();
        write(document, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_page_tells_what_failed_and_draws_it() {
        let page = rendered(&sample::document(&View::default()));
        assert!(page.starts_with("<!DOCTYPE html><html lang=\"en\"><head>"), "{page}");
        assert!(page.ends_with("</script></body></html>\n"), "{page}");
        for part in [">2 incidents</h1>", "keepalive-race", "id=\"i-k3f9x2ma\"", "class=\"ladder", "tcp.stream eq 12"] {
            assert!(page.contains(part), "{part}");
        }
        assert_eq!(page.matches("<details").count(), page.matches("</details>").count());
    }

    #[test]
    fn strangers_text_is_no_markup_and_turns_nothing() {
        let page = rendered(&sample::hostile_document());
        let body = page.split_once("<body>").unwrap().1.split_once("<script>").unwrap().0;
        assert!(body.chars().all(|c| c == '\n' || plain::shows(c)));
        assert!(!body.contains("<script") && body.contains("&lt;script&gt;alert(1)"), "{body}");
    }

    #[test]
    fn the_page_asks_for_nothing_and_lets_only_its_own_script_run() {
        let page = rendered(&sample::document(&View::default()));
        for (name, text) in [("style-src", STYLE), ("script-src", SCRIPT)] {
            assert!(page.contains(&format!("{name} '{}'", hash(text))), "{name}");
        }
        assert!(page.contains("</line>"), "elements of a picture are closed");
        for part in ["http://", "https://", "src=", "@import", "url(", " style=", " onclick="] {
            assert!(!page.replace("default-src", "").contains(part), "{part}");
        }
    }

    #[test]
    fn hashes_are_written_in_base64() {
        assert_eq!(hash(""), "sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
    }
}
