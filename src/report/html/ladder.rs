//! The ladder of an incident: edge on the left, origin on the right, what acts between them in the middle; time runs
//! down. A table, so that it can be read without eyes and wraps on a narrow page; the style draws the arrows.

use maud::{Markup, html};

use crate::report::document::{Event, Evidence, Incident};
use crate::report::excerpt::excerpt;
use crate::report::numbers::{count, duration};
use crate::report::plain::{Plain, shortened};

/// The ladder; a long one around the fault only.
pub(super) fn table(incident: &Incident) -> Markup {
    let rows = rows(incident);
    let acts = rows.iter().any(|row| matches!(row, Row::Arrow { event, .. } if is_between(event)));
    html! {
        table.ladder .acts[acts] {
            thead {
                tr {
                    th.at scope="col" { "seconds" }
                    th.no scope="col" { "packet" }
                    th scope="col" { div.ends {
                        span { "edge" } span { @if acts { "middlebox" } @else { "path" } } span { "origin" }
                    } }
                }
            }
            tbody { @for row in &rows { (row.markup(incident)) } }
        }
    }
}

enum Row<'a> {
    /// A packet that means something.
    Arrow { event: &'a Event, proves: Vec<&'a str> },
    /// A packet that no event tells of and that proves something.
    Proof { at: f64, evidence: &'a Evidence },
    /// Seconds in which nothing happened that is told.
    Pause(f64),
    /// Events that are not told.
    LeftOut(u64),
}

fn rows(incident: &Incident) -> Vec<Row<'_>> {
    let packets: Vec<u64> = incident.timeline.iter().map(|event| event.packet).collect();
    let focus: Vec<u64> =
        [incident.fault.packet].into_iter().chain(incident.evidence.iter().map(|proof| proof.packet)).collect();
    let kept = excerpt(&packets, &focus, EVENTS);
    let mut rows = Vec::new();
    let mut proofs = incident.evidence.iter().peekable();
    let mut hidden = 0_u64;
    let mut before = 0.0;
    for (index, event) in incident.timeline.iter().enumerate() {
        hidden = hidden.saturating_add(event.left_out);
        if kept.binary_search(&index).is_err() {
            hidden = hidden.saturating_add(1);
            continue;
        }
        if hidden > 0 {
            rows.push(Row::LeftOut(std::mem::take(&mut hidden)));
        }
        while let Some(proof) = proofs.next_if(|proof| proof.packet < event.packet) {
            let at = seconds(incident, proof);
            pause(&mut rows, before, at);
            before = at;
            rows.push(Row::Proof { at, evidence: proof });
        }
        pause(&mut rows, before, event.at);
        before = event.at;
        // Several events of one packet: what it proves stands beside the last of them.
        let is_last = incident.timeline.get(index.saturating_add(1)).is_none_or(|next| next.packet != event.packet);
        let mut proves = Vec::new();
        while let Some(proof) = proofs.next_if(|proof| is_last && proof.packet == event.packet) {
            proves.push(proof.note.as_str());
        }
        rows.push(Row::Arrow { event, proves });
    }
    for proof in proofs {
        let at = seconds(incident, proof);
        pause(&mut rows, before, at);
        before = at;
        rows.push(Row::Proof { at, evidence: proof });
    }
    hidden = hidden.saturating_add(incident.timeline_left_out);
    if hidden > 0 {
        rows.push(Row::LeftOut(hidden));
    }
    rows
}

fn pause(rows: &mut Vec<Row<'_>>, before: f64, at: f64) {
    if !rows.is_empty() && at - before >= PAUSE {
        rows.push(Row::Pause(at - before));
    }
}

fn seconds(incident: &Incident, proof: &Evidence) -> f64 {
    proof.time.time.seconds_since(incident.connection.first.time)
}

impl Row<'_> {
    fn markup(&self, incident: &Incident) -> Markup {
        let fault = incident.fault.packet;
        let digits = incident.fault.time.precision.digits();
        match self {
            Self::Arrow { event, proves } => html! {
                tr .fault[event.packet == fault] .proof[!proves.is_empty()] {
                    td.at { (format_args!("{:.digits$}", event.at)) }
                    td.no { "#" (event.packet) }
                    td class={ "lane " (arrow(event)) } {
                        span.say {
                            span.unseen { (Plain(&event.from)) " to " (event.to) ": " }
                            @if is_between(event) { (Plain(&event.from)) ": " }
                            (Plain(&shortened(&event.text, TEXT)))
                            @for note in proves { em { (Plain(&shortened(note, TEXT))) } }
                        }
                    }
                }
            },
            Self::Proof { at, evidence } => html! {
                tr.proof .fault[evidence.packet == fault] {
                    td.at { (format_args!("{at:.digits$}")) }
                    td.no { "#" (evidence.packet) }
                    td.lane { span.say { em { (Plain(&shortened(&evidence.note, TEXT))) } } }
                }
            },
            Self::Pause(seconds) => html! {
                tr.gap { td.at { "+ " (duration(*seconds)) } td {} td.lane {} }
            },
            Self::LeftOut(events) => html! {
                tr.gap { td.at { "…" } td {} td.lane { span.say { (count(*events, "event")) " left out" } } }
            },
        }
    }
}

/// How the style draws it: to the right or left, from the middle, or lost on the way.
fn arrow(event: &Event) -> &'static str {
    let to_origin = event.to == "origin";
    match (event.event, is_between(event)) {
        ("stuck", _) => {
            if to_origin {
                "xr"
            } else {
                "xl"
            }
        }
        (_, true) => {
            if to_origin {
                "mr"
            } else {
                "ml"
            }
        }
        (_, false) => {
            if to_origin {
                "r"
            } else {
                "l"
            }
        }
    }
}

/// True for what neither of the ends did.
fn is_between(event: &Event) -> bool {
    !matches!(event.from.as_str(), "edge" | "origin")
}

/// Events of one ladder.
const EVENTS: usize = 60;

/// Seconds without an event that get a line.
const PAUSE: f64 = 0.5;

/// Characters of one event.
const TEXT: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{View, sample};

    #[test]
    fn what_a_packet_proves_stands_beside_it_and_pauses_are_told() {
        let incident = sample::document(&View::default()).incidents.get(0).unwrap();
        let table = table(&incident).into_string();
        assert!(table.contains("<tr class=\"fault proof\"><td class=\"at\">1.001000</td>"), "{table}");
        assert!(table.contains("<td class=\"lane l\">"), "{table}");
        assert!(table.contains("+ 1.000 s"), "{table}");
        assert!(
            table.contains("<em>origin closed the idle connection 1.000 s after its last response</em>"),
            "{table}"
        );
        assert!(!table.contains("acts"), "nothing acts between them: {table}");
    }

    #[test]
    fn a_box_between_them_speaks_from_the_middle() {
        let mut incident = sample::document(&View::default()).incidents.get(0).unwrap();
        let last = incident.timeline.last_mut().unwrap();
        last.from = "middlebox".to_owned();
        let table = table(&incident).into_string();
        assert!(table.contains("<table class=\"ladder acts\">") && table.contains("lane ml"), "{table}");
    }

    #[test]
    fn every_event_is_drawn_or_counted() {
        let incident = sample::busy_document().incidents.get(0).unwrap();
        let told: u64 = rows(&incident)
            .iter()
            .map(|row| match row {
                Row::Arrow { .. } => 1,
                Row::LeftOut(events) => *events,
                Row::Proof { .. } | Row::Pause(_) => 0,
            })
            .sum();
        assert_eq!(told, 906);
    }
}
