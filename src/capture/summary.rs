//! What one input held.

use std::path::PathBuf;

use super::error::Damage;
use super::link_type::LinkType;
use super::reader::{Format, Header};
use crate::timeline::Time;

/// What was read of one input so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The file; `-` for standard input.
    pub path: PathBuf,
    /// The file format; none where the file ended before it could be told.
    pub format: Option<Format>,
    /// Link types that the file declares.
    pub link_types: Vec<LinkType>,
    /// Packets.
    pub packets: u64,
    /// Bytes of these packets on the wire.
    pub bytes: u64,
    /// The earliest time of a packet.
    pub first: Option<Time>,
    /// The latest time of a packet.
    pub last: Option<Time>,
    /// Packets that the snap length cut.
    pub cut: Option<Cut>,
    /// Packets that the kernel or the interface dropped, as the file says (pcapng only).
    pub dropped: u64,
    /// Why the file was not read to its regular end.
    pub damage: Option<Damage>,
}

/// Packets of which only the first bytes were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// How many.
    pub packets: u64,
    /// Fewest bytes that were captured of one.
    pub shortest: usize,
    /// Most bytes that were captured of one.
    pub longest: usize,
}

impl Summary {
    /// Nothing read yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            format: None,
            link_types: Vec::new(),
            packets: 0,
            bytes: 0,
            first: None,
            last: None,
            cut: None,
            dropped: 0,
            damage: None,
        }
    }

    /// Counts packets.
    #[inline]
    pub(super) fn count(&mut self, packets: &[Header]) {
        let Some(any) = packets.first() else { return };
        let (mut bytes, mut first, mut last) = (0_u64, self.first.unwrap_or(any.time), self.last.unwrap_or(any.time));
        for packet in packets {
            bytes = bytes.saturating_add(packet.wire_len.into());
            first = first.min(packet.time);
            last = last.max(packet.time);
            if packet.data.len() < packet.wire_len as usize {
                self.count_cut(packet.data.len());
            }
        }
        self.packets = self.packets.saturating_add(packets.len() as u64);
        self.bytes = self.bytes.saturating_add(bytes);
        (self.first, self.last) = (Some(first), Some(last));
    }

    /// True where packets are known to be missing: the file is cut or damaged, or the kernel dropped some.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.damage.is_some() || self.dropped > 0
    }

    /// One line for each thing that is wrong with this input; none where it is whole.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if let Some(Cut { packets, shortest, longest }) = self.cut {
            let at = if shortest == longest { shortest.to_string() } else { format!("{shortest} to {longest}") };
            problems.push(format!("{} cut at {at} bytes", counted(packets)));
        }
        if self.dropped > 0 {
            problems.push(format!("{} dropped while capturing", counted(self.dropped)));
        }
        problems.extend(self.damage.as_ref().map(Damage::to_string));
        problems
    }

    fn count_cut(&mut self, captured: usize) {
        let cut = self.cut.get_or_insert(Cut { packets: 0, shortest: captured, longest: captured });
        cut.packets = cut.packets.saturating_add(1);
        cut.shortest = cut.shortest.min(captured);
        cut.longest = cut.longest.max(captured);
    }
}

fn counted(packets: u64) -> String {
    if packets == 1 { "1 packet".to_owned() } else { format!("{packets} packets") }
}
