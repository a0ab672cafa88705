//! One incident on a terminal.

use std::io;

use super::Detail;
use super::layout::{Page, Row, Tone, columns};
use crate::report::alike::Group;
use crate::report::document::{Document, Event, Evidence, Incident};
use crate::report::excerpt::excerpt;
use crate::report::joined::write_hops;
use crate::report::numbers::{count, thousands};
use crate::report::plain::shortened;

/// The whole incident, under the name of its `place` among all.
pub(super) fn write(page: &mut Page<'_>, incident: &Incident, place: &str, detail: Detail) -> io::Result<()> {
    rule(page, place, &incident.id)?;
    heading(page, incident)?;
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Plain, &incident.summary))?;
    page.blank()?;
    facts(page, incident)?;
    if !incident.hops.is_empty() {
        section(page, "Hops of this request")?;
        write_hops(page, 2, &incident.hops)?;
    }
    fixes(page, incident, detail)?;
    if !incident.evidence.is_empty() {
        section(page, "Evidence")?;
        evidence(page, 2, &incident.evidence)?;
    }
    timeline(page, incident, detail)?;
    if !incident.also.is_empty() {
        section(page, "Also weighed")?;
        for also in &incident.also {
            page.row(&Row::new(2).text(Tone::Strong, format!("{}:", also.cause)).text(Tone::Plain, &also.why_not))?;
        }
    }
    Ok(())
}

/// How far the other incidents of `group` go, and one line for some of them.
pub(super) fn write_alike(page: &mut Page<'_>, document: &Document<'_>, group: &Group) -> io::Result<()> {
    let others = group.members.get(1..).unwrap_or_default();
    section(page, &format!("{} more of {} at {}", thousands(others.len() as u64), group.cause, group.server))?;
    for extreme in &group.extremes {
        let text = format!("{}: {}", extreme.what.name(), extreme.range());
        page.row(&Row::new(2).text(Tone::Plain, text))?;
    }
    let shown: Vec<Incident> =
        others.iter().take(ALIKE_SHOWN).filter_map(|&index| document.incidents.get(index)).collect();
    let rays = shown.iter().filter_map(ray).map(columns).max().unwrap_or(0).min(RAY);
    for other in &shown {
        let mut row =
            Row::new(2).left(ID, Tone::Faint, &other.id).left(19, Tone::Plain, other.fault.time.to_the_second());
        if rays > 0 {
            row = row.left(rays, Tone::Plain, ray(other).unwrap_or_default());
        }
        let room = page.width().saturating_sub(2 + ID + 2 + 19 + 2).saturating_sub(if rays > 0 {
            rays.saturating_add(2)
        } else {
            0
        });
        page.row(&row.text(Tone::Plain, shortened(&request(other), room)))?;
    }
    let rest = others.len().saturating_sub(shown.len());
    if rest > 0 {
        let text = format!("and {} more: -v or --format json shows them all", thousands(rest as u64));
        page.row(&Row::new(2).text(Tone::Faint, text))?;
    }
    Ok(())
}

/// Packets and what they prove.
pub(super) fn evidence(page: &mut Page<'_>, indent: usize, evidence: &[Evidence]) -> io::Result<()> {
    let width = evidence.iter().map(|one| columns(&packet(one.packet))).max().unwrap_or(0);
    evidence.iter().try_for_each(|one| {
        let row = Row::new(indent).left(width, Tone::Packet, packet(one.packet));
        page.row(&row.text(Tone::Plain, shortened(&one.note, LONG_TEXT)))
    })
}

/// A line across the page with a text at each end.
fn rule(page: &mut Page<'_>, left: &str, right: &str) -> io::Result<()> {
    let taken = columns(left).saturating_add(columns(right)).saturating_add(8);
    let dashes = "─".repeat(page.width().saturating_sub(taken));
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Faint, format!("── {left} {dashes} {right} ──")))
}

fn section(page: &mut Page<'_>, title: &str) -> io::Result<()> {
    page.blank()?;
    page.row(&Row::new(0).text(Tone::Strong, title))
}

/// The status, the cause, who did it and how sure that is; below it what the cause is.
fn heading(page: &mut Page<'_>, incident: &Incident) -> io::Result<()> {
    let row = Row::new(0).left(3, Tone::Alarm, incident.edge_status.to_string());
    let by = format!("· {} · {}", incident.actor, incident.confidence);
    page.row(&row.text(Tone::Strong, incident.cause).text(Tone::Plain, by))?;
    page.row(&Row::new(5).text(Tone::Plain, incident.title))
}

fn facts(page: &mut Page<'_>, incident: &Incident) -> io::Result<()> {
    let connection = &incident.connection;
    let exchange = incident.exchange.map(|number| format!(", exchange {number}")).unwrap_or_default();
    let statuses = match incident.origin_status {
        0 => format!("{} at the visitor, none from the origin", incident.edge_status),
        status => format!("{} at the visitor, {status} from the origin", incident.edge_status),
    };
    let facts = [
        ("failed", request(incident)),
        ("CF-Ray", ray(incident).unwrap_or_default().to_owned()),
        ("when", format!("{} {}", incident.fault.time.date_and_time(), incident.fault.time.zone())),
        ("status", statuses),
        ("path", format!("{} → {}", connection.client, connection.server)),
        ("vantage", if connection.vantage == "unknown" { "" } else { connection.vantage }.to_owned()),
        ("packets", format!("connection {}{exchange}; in Wireshark: {}", connection.index, incident.wireshark)),
    ];
    for (name, text) in facts.iter().filter(|(_, text)| !text.is_empty()) {
        page.row(&Row::new(2).left(7, Tone::Faint, *name).text(Tone::Plain, shortened(text, LONG_TEXT)))?;
    }
    Ok(())
}

/// What failed, in one line.
fn request(incident: &Incident) -> String {
    let sni = incident.connection.sni.as_deref();
    let Some(request) = &incident.request else {
        return match sni {
            Some(sni) => format!("the connection, before a request, for {sni}"),
            None => "the connection, before a request".to_owned(),
        };
    };
    match (&request.method, &request.target) {
        (Some(method), target) => {
            let host = request.host.as_deref().or(sni).unwrap_or_default();
            format!("{method} {host}{}", target.as_deref().unwrap_or_default())
        }
        (None, _) => format!("a request that encryption hides, for {}", sni.unwrap_or("an unknown host")),
    }
}

fn ray(incident: &Incident) -> Option<&str> {
    incident.request.as_ref()?.ray.as_deref()
}

/// What happened, in seconds since the connection began; a long story around the fault only.
fn timeline(page: &mut Page<'_>, incident: &Incident, detail: Detail) -> io::Result<()> {
    if incident.timeline.is_empty() {
        return Ok(());
    }
    section(page, "Timeline (seconds since the connection's first packet)")?;
    let packets: Vec<u64> = incident.timeline.iter().map(|event| event.packet).collect();
    let limit = match detail {
        Detail::Digest => EVENTS,
        Detail::Full => packets.len(),
    };
    let kept = excerpt(&packets, &focus(incident), limit);
    let columns = EventColumns::of(kept.iter().filter_map(|&index| incident.timeline.get(index)));
    let mut kept = kept.into_iter().peekable();
    let mut hidden = 0_u64;
    for (index, event) in incident.timeline.iter().enumerate() {
        hidden = hidden.saturating_add(event.left_out);
        if kept.next_if_eq(&index).is_some() {
            columns.gap(page, std::mem::take(&mut hidden))?;
            columns.event(page, event, incident.fault.packet)?;
        } else {
            hidden = hidden.saturating_add(1);
        }
    }
    columns.gap(page, hidden.saturating_add(incident.timeline_left_out))
}

/// The fault's packet first, then the failed exchange's, then those of the evidence.
fn focus(incident: &Incident) -> Vec<u64> {
    let mut packets = vec![incident.fault.packet];
    packets.extend(incident.request.as_ref().map(|request| request.packet));
    packets.extend(incident.response.as_ref().map(|response| response.packet));
    packets.extend(incident.evidence.iter().map(|evidence| evidence.packet));
    packets
}

/// Widths of the columns of a timeline.
#[derive(Default)]
struct EventColumns {
    at: usize,
    packet: usize,
    from: usize,
}

impl EventColumns {
    fn of<'a>(events: impl Iterator<Item = &'a Event>) -> Self {
        events.fold(Self::default(), |widths, event| Self {
            at: widths.at.max(columns(&at(event))),
            packet: widths.packet.max(columns(&packet(event.packet))),
            from: widths.from.max(columns(&event.from)).min(FROM),
        })
    }

    fn event(&self, page: &mut Page<'_>, event: &Event, fault: u64) -> io::Result<()> {
        let (mark, tone) = if event.packet == fault { (">", Tone::Alarm) } else { ("", Tone::Plain) };
        let row = Row::new(0)
            .right(1, Tone::Alarm, mark)
            .right(self.at, Tone::Faint, at(event))
            .left(self.packet, Tone::Packet, packet(event.packet))
            .left(self.from, Tone::Plain, &event.from);
        page.row(&row.text(tone, shortened(&event.text, EVENT_TEXT)))
    }

    fn gap(&self, page: &mut Page<'_>, events: u64) -> io::Result<()> {
        if events == 0 {
            return Ok(());
        }
        let row = Row::new(3).right(self.at, Tone::Faint, "…");
        page.row(&row.text(Tone::Faint, format!("{} left out", count(events, "event"))))
    }
}

fn at(event: &Event) -> String {
    format!("{:.*}", event.time.precision.digits(), event.at)
}

fn packet(number: u64) -> String {
    format!("#{number}")
}

/// What to do: all of it, or the first few and where the others are.
fn fixes(page: &mut Page<'_>, incident: &Incident, detail: Detail) -> io::Result<()> {
    if incident.fix.is_empty() {
        return Ok(());
    }
    section(page, "What to do")?;
    let most = match detail {
        Detail::Digest => FIXES,
        Detail::Full => incident.fix.len(),
    };
    let (shown, rest) = incident.fix.split_at(incident.fix.len().min(most));
    let width = shown.iter().map(|fix| columns(fix.target)).max().unwrap_or(0).min(FIX_TARGET);
    for fix in shown {
        let mut lines = fix.text.lines();
        let first = lines.next().unwrap_or_default();
        page.row(&Row::new(2).left(width, Tone::Strong, fix.target).text(Tone::Plain, first))?;
        lines.try_for_each(|line| page.lines(width.saturating_add(4), Tone::Plain, line))?;
    }
    let others: Vec<&str> = rest.iter().map(|fix| fix.target).collect();
    let more = if others.is_empty() { String::new() } else { format!(" (also for {})", others.join(", ")) };
    page.row(&Row::new(2).text(Tone::Faint, format!("more: pcap520 explain {}{more}", incident.cause)))
}

/// Lines of one timeline.
const EVENTS: usize = 20;

/// Alike incidents that get a line.
const ALIKE_SHOWN: usize = 20;

/// What to do, in a digest.
const FIXES: usize = 3;

/// Characters of who did it in a timeline.
const FROM: usize = 39;

/// Columns of an incident's id.
const ID: usize = 8;

/// Characters of a Ray ID with its data centre.
const RAY: usize = 20;

/// Columns of a server's name.
const FIX_TARGET: usize = 14;

/// Characters of one event.
const EVENT_TEXT: usize = 160;

/// Characters of any other text that quotes strangers.
const LONG_TEXT: usize = 400;
