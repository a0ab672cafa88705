//! The ring: files of packets, of which the oldest is removed for the newest.
//!
//! Each file is a capture of its own, written in whole blocks, so that it can be read whenever the process ends.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::INCIDENTS;
use super::save::Save;
use super::writer::Block;
use crate::capture::{LinkType, Writer};
use crate::cli::units::Keep;
use crate::timeline::Time;

/// The files of the ring, oldest first.
pub(super) struct Ring {
    folder: PathBuf,
    keep: Keep,
    segments: VecDeque<Segment>,
    open: Option<Open>,
    serial: u64,
    /// When a failed disk may be tried again.
    retry: Option<Instant>,
    lost: u64,
}

/// One file.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) path: PathBuf,
    /// Number of its first packet.
    pub(super) first: u64,
    /// Number of its last packet.
    pub(super) last: u64,
    begun: Time,
    bytes: u64,
}

/// The file that is written.
struct Open {
    file: File,
    writer: Writer<Vec<u8>>,
    links: Vec<LinkType>,
}

impl Ring {
    /// A ring in this folder, in which files of an earlier run count as its oldest.
    pub(super) fn new(folder: &Path, keep: Keep) -> Self {
        let mut ring = Self {
            folder: folder.to_owned(),
            keep,
            segments: VecDeque::new(),
            open: None,
            serial: 0,
            retry: None,
            lost: 0,
        };
        ring.adopt();
        ring
    }

    /// Packets that were lost since this was last asked for.
    pub(super) fn lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }

    /// Writes a block. After a failure nothing is tried for a minute.
    pub(super) fn write(&mut self, block: &Block) -> io::Result<()> {
        if self.retry.is_some_and(|retry| Instant::now() < retry) {
            self.lost = self.lost.saturating_add(block.packets());
            return Err(io::ErrorKind::Other.into());
        }
        self.retry = None;
        let written = self.try_write(block);
        if written.is_err() {
            // What was cut by the failure is the last thing in its file.
            self.open = None;
            self.lost = self.lost.saturating_add(block.packets());
            self.retry = Instant::now().checked_add(RETRY);
        }
        written
    }

    /// Writes the packets of an incident and its report.
    pub(super) fn save(&self, save: Save) -> io::Result<()> {
        let folder = self.folder.join(INCIDENTS);
        save.write(&folder, &self.segments)?;
        bound(&folder, self.keep.bytes / 2)
    }

    fn try_write(&mut self, block: &Block) -> io::Result<()> {
        let (Some((first, begun)), Some(last)) = (block.first(), block.last()) else { return Ok(()) };
        let full = self.segments.back().is_some_and(|segment| {
            segment.bytes >= self.keep.bytes / 2 / FILES || begun.nanos_since(segment.begun) >= self.keep.nanos / PARTS
        });
        // Whoever removed the folder took the file with it, and what is written to it goes nowhere.
        let gone = self.segments.back().is_none_or(|segment| !segment.path.exists());
        // The packets of a file have numbers without a hole.
        let hole = self.segments.back().is_some_and(|segment| segment.last.saturating_add(1) != first);
        if full || gone || hole {
            self.open = None;
        }
        if self.open.is_none() {
            self.begin(first, begun)?;
        }
        let (Some(open), Some(segment)) = (&mut self.open, self.segments.back_mut()) else { return Ok(()) };
        block.encode(&mut open.writer, &mut open.links)?;
        let bytes = open.writer.take();
        open.file.write_all(&bytes)?;
        segment.bytes = segment.bytes.saturating_add(bytes.len() as u64);
        segment.last = last;
        self.bound(begun);
        Ok(())
    }

    fn begin(&mut self, first: u64, begun: Time) -> io::Result<()> {
        self.serial = self.serial.saturating_add(1);
        let path = self.folder.join(format!("{PREFIX}{:010}{SUFFIX}", self.serial));
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path)?;
        let application = concat!("pcap520 ", env!("CARGO_PKG_VERSION"));
        let writer = Writer::new(Vec::new(), application, "Flight recorder.")?;
        self.open = Some(Open { file, writer, links: Vec::new() });
        self.segments.push_back(Segment { path, first, last: first, begun, bytes: 0 });
        Ok(())
    }

    /// Removes files that are too many, or too old. Half of the room is for the incidents.
    fn bound(&mut self, now: Time) {
        let mut bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        while let [oldest, next, ..] = self.segments.make_contiguous() {
            // A file is as old as its last packet: about when the next one begins.
            let old = now.nanos_since(next.begun) > self.keep.nanos;
            if bytes <= self.keep.bytes / 2 && !old {
                return;
            }
            bytes = bytes.saturating_sub(oldest.bytes);
            let _ = fs::remove_file(&oldest.path);
            self.segments.pop_front();
        }
    }

    /// Takes over what an earlier run left: to be removed first.
    fn adopt(&mut self) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        let mut found: Vec<(u64, PathBuf, u64)> = entries
            .flatten()
            .filter_map(|entry| {
                let serial = entry.file_name().to_str()?.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok()?;
                Some((serial, entry.path(), entry.metadata().ok()?.len()))
            })
            .collect();
        found.sort();
        for (serial, path, bytes) in found {
            self.serial = self.serial.max(serial);
            // No packet of this run is in it.
            self.segments.push_back(Segment { path, first: u64::MAX, last: 0, begun: Time::default(), bytes });
        }
    }
}

/// Removes the oldest files of the folder until the rest takes no more than `most` bytes. Their names begin with the
/// time.
fn bound(folder: &Path, most: u64) -> io::Result<()> {
    let mut files: Vec<(PathBuf, u64)> = fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| Some((entry.path(), entry.metadata().ok()?.len())))
        .collect();
    files.sort();
    let mut bytes: u64 = files.iter().map(|(_, bytes)| bytes).sum();
    for (path, len) in files {
        if bytes <= most {
            break;
        }
        fs::remove_file(path)?;
        bytes = bytes.saturating_sub(len);
    }
    Ok(())
}

const PREFIX: &str = "ring-";
const SUFFIX: &str = ".pcapng";

/// Files that the room of the ring is divided into.
const FILES: u64 = 16;

/// Files that its time is divided into.
const PARTS: i64 = 10;

/// How long a failed disk is left alone.
const RETRY: Duration = Duration::from_secs(60);
