//! Incidents over time: how many in each part of the time, and on which connections.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use crate::report::Stamp;
use crate::report::document::{Document, Incident};
use crate::report::numbers::{count, duration, thousands};
use crate::timeline::Time;

/// The picture, with its words for those who do not see it.
pub(super) fn figure(document: &Document<'_>) -> Markup {
    let Some(axis) = Axis::of(document) else { return html! {} };
    let bars = bars(document, &axis);
    let most = bars.iter().copied().max().unwrap_or(1).max(1);
    let (lines, marks) = lanes(document, &axis);
    let lanes = lines.iter().map(|line| line.lane.saturating_add(1)).max().unwrap_or(0);
    let top = BARS + 14;
    let top_of = |lane: usize| top.saturating_add(lane.saturating_mul(LANE));
    let bottom = top_of(lanes).saturating_add(6);
    let height = bottom.saturating_add(22);
    let told = format!(
        "{} from {} to {} {}; the most in {}: {}",
        count(document.incidents.len() as u64, "incident"),
        axis.from.to_the_second(),
        axis.to.to_the_second(),
        axis.to.zone(),
        duration(axis.seconds() / BINS as f64),
        thousands(most)
    );
    html! {
        figure {
            svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(told) {
                @for (x, label) in axis.ticks() {
                    line.grid x1=(x) x2=(x) y1="6" y2=(bottom) {}
                    text x=(x) y=(bottom.saturating_add(15)) text-anchor="middle" { (label) }
                }
                text x=(LEFT - 8) y="16" text-anchor="end" { (thousands(most)) }
                @for (nth, number) in bars.iter().enumerate().filter(|(_, number)| **number > 0) {
                    rect.bar x=(tenths(axis.bin(nth))) y=(tenths(bar_top(*number, most)))
                        width=(tenths(RANGE / BINS as f64 - 1.5)) height=(tenths(BARS as f64 + 6.0 - bar_top(*number, most))) {
                        title { (count(*number, "incident")) }
                    }
                }
                @for line in &lines {
                    rect.life x=(tenths(line.from)) y=(top_of(line.lane).saturating_add(3)) width=(tenths((line.to - line.from).max(3.0)))
                        height=(LANE - 6) rx="3" { title { "connection " (line.index) } }
                    @if lanes <= LABELLED && !line.shares {
                        text x=(LEFT - 8) y=(top_of(line.lane).saturating_add(LANE - 5)) text-anchor="end" { (line.index) }
                    }
                }
                @for mark in &marks {
                    a href={ "#i-" (mark.id) } tabindex="-1" data-i=(mark.incident) {
                        circle class={ "s" (mark.status) } cx=(tenths(mark.x)) cy=(top_of(mark.lane).saturating_add(LANE / 2)) r="5" {
                            title { (mark.status) " " (mark.cause) ", " (mark.at) }
                        }
                    }
                }
            }
            figcaption {
                "Above, how many incidents; below, connections as lanes (numbered as tcp.stream), with a mark at each fault."
                @if document.incidents.len() > marks.len() {
                    " The lanes show the first " (thousands(marks.len() as u64)) " incidents."
                }
            }
        }
    }
}

/// From when to when.
struct Axis {
    from: Stamp,
    to: Stamp,
}

impl Axis {
    /// What the incidents' connections cover, within what was captured.
    fn of(document: &Document<'_>) -> Option<Self> {
        let mut axis: Option<Self> = None;
        let mut cover = |from: Stamp, to: Stamp| {
            let axis = axis.get_or_insert(Self { from, to });
            if from.time < axis.from.time {
                axis.from = from;
            }
            if to.time > axis.to.time {
                axis.to = to;
            }
        };
        for incident in document.incidents.iter() {
            cover(incident.connection.first, incident.connection.last);
            cover(incident.fault.time, incident.fault.time);
        }
        let captured = document.captures.iter().filter_map(|capture| capture.first.zip(capture.last));
        captured.for_each(|(first, last)| cover(first, last));
        axis
    }

    fn seconds(&self) -> f64 {
        self.to.time.seconds_since(self.from.time).max(1e-6)
    }

    fn x(&self, stamp: Stamp) -> f64 {
        LEFT as f64 + RANGE * stamp.time.seconds_since(self.from.time) / self.seconds()
    }

    fn bin(&self, nth: usize) -> f64 {
        LEFT as f64 + RANGE * nth as f64 / BINS as f64
    }

    fn bin_of(&self, stamp: Stamp) -> usize {
        let share = stamp.time.seconds_since(self.from.time) / self.seconds();
        ((share * BINS as f64).max(0.0) as usize).min(BINS - 1)
    }

    /// Places and words of the scale.
    fn ticks(&self) -> Vec<(String, String)> {
        let span = self.to.time.0.saturating_sub(self.from.time.0);
        let step = STEPS.iter().copied().find(|&step| span.checked_div(step).is_some_and(|ticks| ticks <= TICKS));
        let step = step.unwrap_or((span / DAY / TICKS).saturating_add(1).saturating_mul(DAY));
        let first = self.from.time.0.div_euclid(step).saturating_add(1).saturating_mul(step);
        let at = (0..=TICKS).map(|nth| first.saturating_add(nth.saturating_mul(step)));
        at.take_while(|&at| at <= self.to.time.0)
            .map(|at| {
                let stamp = Stamp { time: Time(at), ..self.from };
                (tenths(self.x(stamp)), label(stamp, step))
            })
            .collect()
    }
}

fn label(stamp: Stamp, step: i64) -> String {
    let text = stamp.date_and_time();
    let (date, time) = text.split_once(' ').unwrap_or((&text, ""));
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    match step {
        step if step >= DAY => date.to_owned(),
        step if step >= MINUTE => clock.get(..5).unwrap_or(clock).to_owned(),
        step if step >= SECOND => clock.to_owned(),
        step if step >= SECOND / 1_000 => format!("{clock}.{}", fraction.get(..3).unwrap_or(fraction)),
        _ => format!("{clock}.{fraction}"),
    }
}

/// Incidents in each part of the time.
fn bars(document: &Document<'_>, axis: &Axis) -> Vec<u64> {
    let mut bars = vec![0_u64; BINS];
    for incident in document.incidents.iter() {
        if let Some(bar) = bars.get_mut(axis.bin_of(incident.fault.time)) {
            *bar = bar.saturating_add(1);
        }
    }
    bars
}

fn bar_top(number: u64, most: u64) -> f64 {
    6.0 + BARS as f64 * (1.0 - number as f64 / most as f64)
}

/// A connection's life.
struct Line {
    index: u32,
    lane: usize,
    from: f64,
    to: f64,
    /// True where another connection has the lane, too.
    shares: bool,
}

/// A fault.
struct Mark {
    incident: usize,
    id: String,
    status: u16,
    cause: &'static str,
    at: String,
    lane: usize,
    x: f64,
}

/// Connections in lanes: each in the first that is free, in the last where none is.
fn lanes(document: &Document<'_>, axis: &Axis) -> (Vec<Line>, Vec<Mark>) {
    let mut lines: Vec<Line> = Vec::new();
    let mut lane_of = BTreeMap::new();
    let mut ends: Vec<f64> = Vec::new();
    let mut shared = BTreeSet::new();
    let mut marks = Vec::new();
    let incidents: Vec<Incident> = document.incidents.iter().take(MARKS).collect();
    let mut connections: Vec<&Incident> = incidents.iter().collect();
    connections.sort_by_key(|incident| (incident.connection.first.time, incident.connection.index));
    for incident in connections {
        let connection = &incident.connection;
        if lane_of.contains_key(&connection.index) {
            continue;
        }
        let (from, to) = (axis.x(connection.first), axis.x(connection.last));
        let free = if lane_of.len() < LABELLED { None } else { ends.iter().position(|end| *end + 4.0 < from) };
        let lane = free.unwrap_or(ends.len()).min(LANES - 1);
        match ends.get_mut(lane) {
            Some(end) => {
                shared.insert(lane);
                *end = end.max(to);
            }
            None => ends.push(to),
        }
        lane_of.insert(connection.index, lane);
        lines.push(Line { index: connection.index, lane, from, to, shares: false });
    }
    for line in &mut lines {
        line.shares = shared.contains(&line.lane);
    }
    for (index, incident) in incidents.into_iter().enumerate() {
        marks.push(Mark {
            lane: lane_of.get(&incident.connection.index).copied().unwrap_or(0),
            x: axis.x(incident.fault.time),
            at: incident.fault.time.date_and_time(),
            status: incident.edge_status,
            cause: incident.cause,
            id: incident.id,
            incident: index,
        });
    }
    (lines, marks)
}

fn tenths(number: f64) -> String {
    format!("{number:.1}")
}

const WIDTH: usize = 1_000;
const LEFT: usize = 44;
/// Where times stand, between the labels on the left and the right edge.
const RANGE: f64 = 940.0;
/// Height of the bars.
const BARS: usize = 60;
/// Parts of the time.
const BINS: usize = 60;
/// Height of a lane.
const LANE: usize = 18;
/// Most lanes.
const LANES: usize = 30;
/// Lanes that have one connection each, with its number.
const LABELLED: usize = 16;
/// Most marks.
const MARKS: usize = 1_000;
/// Most ticks.
const TICKS: i64 = 8;
const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;
const DAY: i64 = 1_440 * MINUTE;
/// Nanoseconds between ticks.
const STEPS: [i64; 25] = [
    1_000,
    10_000,
    100_000,
    SECOND / 1_000,
    SECOND / 200,
    SECOND / 100,
    SECOND / 20,
    SECOND / 10,
    SECOND / 5,
    SECOND / 2,
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    30 * MINUTE,
    60 * MINUTE,
    180 * MINUTE,
    360 * MINUTE,
    DAY,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Precision, View, sample};

    #[test]
    fn the_scale_has_round_times() {
        let stamp = |seconds: i64| Stamp { time: Time(seconds * SECOND), precision: Precision::Micro, offset: None };
        let labels = |from, to| -> Vec<String> {
            Axis { from: stamp(from), to: stamp(to) }.ticks().into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(58, 63), ["00:00:59", "00:01:00", "00:01:01", "00:01:02", "00:01:03"]);
        assert_eq!(labels(0, 7_200), ["00:30", "01:00", "01:30", "02:00"]);
        assert_eq!(labels(0, 3 * 86_400), ["1970-01-02", "1970-01-03", "1970-01-04"]);
        assert!(labels(0, 9_000_000_000).len() <= 9);
    }

    #[test]
    fn lanes_and_marks_are_bounded() {
        let document = sample::alike_document(3_000);
        let axis = Axis::of(&document).unwrap();
        let (lines, marks) = lanes(&document, &axis);
        assert_eq!((lines.len(), marks.len()), (1, MARKS), "they are all on one connection");
        assert_eq!(bars(&document, &axis).iter().sum::<u64>(), 3_000);
        let both = sample::document(&View::default());
        let (lines, _) = lanes(&both, &Axis::of(&both).unwrap());
        assert_eq!(lines.iter().map(|line| (line.index, line.lane)).collect::<Vec<_>>(), [(12, 0), (13, 1)]);
    }
}
