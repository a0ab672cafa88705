//! The packets of one incident and of what surrounded it, beside its report.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::ring::Segment;
use crate::capture::{Input, InterfaceDescription, InterfaceId, Item, Packet};
use crate::report::{Document, Extract, Precision, Stamp, View, write_json};
use crate::timeline::Time;
use crate::verdict::{Incident, Verdict};
use crate::wire::Decoder;

/// An incident to be saved.
pub(in crate::cli::live) struct Save {
    name: String,
    report: Vec<u8>,
    extract: Extract,
    first: u64,
    fault: Time,
    told: Time,
}

impl Save {
    /// The incident of which `now` something was told.
    pub(in crate::cli::live) fn new(incident: &Incident, view: &View, now: Time) -> io::Result<Self> {
        let at = incident.finding.at;
        let verdict = Verdict { incidents: vec![incident.clone()], connections: 1, ..Verdict::default() };
        let mut report = Vec::new();
        write_json(&Document::new(&verdict, &[], view), &mut report)?;
        Ok(Self {
            name: format!("{}-{}-{}", stamp(at.time), incident.finding.cause, incident.id),
            report,
            extract: Extract::new(&verdict, view),
            first: incident.timeline.first.number.min(at.number),
            fault: at.time,
            told: now,
        })
    }

    /// True once the window behind the incident is over.
    pub(super) fn is_due(&self, now: Time) -> bool {
        now.nanos_since(self.told) >= WINDOW_NS
    }

    /// Writes the report, and what the ring still holds of the packets.
    pub(super) fn write(mut self, folder: &Path, segments: &VecDeque<Segment>) -> io::Result<()> {
        create(&folder.join(format!("{}.json", self.name)))?.write_all(&self.report)?;
        let segments: Vec<&Segment> = segments.iter().filter(|segment| segment.last >= self.first).collect();
        // Of a connection that is older than this the beginning is not looked for.
        let recent = segments.len().saturating_sub(MOST_FILES);
        let segments = segments.get(recent..).unwrap_or_default();
        let mut decoder = Decoder::new();
        let mut surrounding = 0;
        each(segments, |packet, _| {
            let decoded = decoder.decode(packet);
            self.extract.packet(packet.number, &decoded);
            if surrounding < MOST_SURROUNDING && packet.time.nanos_since(self.fault).abs() <= AROUND_NS {
                surrounding = surrounding.saturating_add(1);
                self.extract.take(packet.number, &decoded);
            }
            Ok(())
        })?;
        let packets = self.extract.packets();
        let mut out = BufWriter::new(create(&folder.join(format!("{}.pcapng", self.name)))?);
        let mut file = packets.begin(vec!["the flight recorder".to_owned()], &mut out)?;
        each(segments, |packet, interface| {
            if !packets.contains(packet.number) {
                return Ok(());
            }
            let id = InterfaceId { capture: 0, interface: packet.link.0.into() };
            file.packet(packet, (id, interface))
        })?;
        out.flush()
    }
}

/// Shows every packet of these files, with the number that it had when it came.
fn each(
    segments: &[&Segment],
    mut show: impl FnMut(&Packet<'_>, &InterfaceDescription) -> io::Result<()>,
) -> io::Result<()> {
    for segment in segments {
        let mut input = Input::open(std::slice::from_ref(&segment.path)).map_err(io::Error::other)?;
        loop {
            let (number, time, link, wire_len, data) = match input.next_item().map_err(io::Error::other)? {
                Some(Item::Packet(packet)) => {
                    let number = segment.first.saturating_add(packet.number).saturating_sub(1);
                    (number, packet.time, packet.link, packet.wire_len, packet.data)
                }
                Some(Item::Secrets(_)) => continue,
                None => break,
            };
            let description = InterfaceDescription { link, snap_len: 0, name: None, description: None };
            show(&Packet { number, time, link, wire_len, data }, &description)?;
        }
    }
    Ok(())
}

/// A new file that only its owner may read.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The time in a file's name: in the order of time by name.
fn stamp(time: Time) -> String {
    let stamp = Stamp { time, precision: Precision::Micro, offset: None };
    stamp.to_string().replace([':', '.'], "-")
}

/// How long after an incident was told its packets are saved: what came behind it is in the ring then.
const WINDOW_NS: i64 = 1_000_000_000;

/// Packets of others this near to the fault are saved, too.
const AROUND_NS: i64 = 100_000_000;

/// So many of them.
const MOST_SURROUNDING: usize = 1_000;

/// Files of the ring that are looked through: the latest.
const MOST_FILES: usize = 4;
