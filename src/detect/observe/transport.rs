//! Observations on packets: what the network lost, what the capture missed.

use super::{Sight, Tally, Watch, count};
use crate::detect::{Observation, span};
use crate::timeline::{Capture, Edge, Peer, Start, Vantage};

/// Share of lost segments from which on loss is worth a word.
const LOSS_SHARE: f64 = 0.001;

/// Lost segments below which loss is an accident.
const LOSS_LEAST: u64 = 3;

/// A window that stays closed for less than this stalls nobody.
const STALL_NS: i64 = 200_000_000;

/// `packet-loss`: segments that had to be sent again.
#[derive(Default)]
pub(super) struct PacketLoss {
    tally: Tally,
    lost: u64,
    packets: u64,
}

impl Watch for PacketLoss {
    fn see(&mut self, sight: &Sight<'_>) {
        for from in [Peer::Edge, Peer::Origin] {
            let direction = &sight.line.direction[from];
            self.packets = self.packets.saturating_add(direction.packets);
            self.lost = self.lost.saturating_add(direction.lost);
            if direction.lost > 0 {
                let packet = direction.last_data.unwrap_or(sight.line.first);
                let index = sight.line.index;
                self.tally.add(packet, || {
                    format!("connection {index}: {} of {} segments from the {from}", direction.lost, direction.packets)
                });
            }
        }
    }

    fn tell(&self, capture: &Capture, _: &Edge) -> Option<Observation> {
        let packets = self.packets.saturating_add(capture.given_up.packets);
        let share = self.lost as f64 / packets.max(1) as f64;
        if self.lost < LOSS_LEAST || share < LOSS_SHARE {
            return None;
        }
        let summary = format!(
            "{} had to be sent again, {:.1} % of {} on {}.",
            count(self.lost, "segment"),
            share * 100.0,
            packets,
            count(self.tally.count, "direction of a connection"),
        );
        self.tally
            .observation("packet-loss", summary.replace("direction of a connections", "directions of connections"))
    }
}

/// `zero-window`: a receiver that took no more data for a while.
#[derive(Default)]
pub(super) struct ZeroWindow {
    tally: Tally,
    longest_ns: i64,
}

impl Watch for ZeroWindow {
    fn see(&mut self, sight: &Sight<'_>) {
        for from in [Peer::Edge, Peer::Origin] {
            let direction = &sight.line.direction[from];
            let Some(packet) = direction.first_zero_window else { continue };
            if direction.longest_zero_window_ns >= STALL_NS {
                self.longest_ns = self.longest_ns.max(direction.longest_zero_window_ns);
                let lasted = span(direction.longest_zero_window_ns);
                self.tally.add(packet, || format!("the {from} announces a window of 0, for {lasted} at the longest"));
            }
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let summary = format!(
            "A receiver took no more data on {} (window of 0), for up to {}.",
            count(self.tally.count, "connection"),
            span(self.longest_ns),
        );
        self.tally.observation("zero-window", summary)
    }
}

/// `syn-flood`: more half-open connections than anybody keeps.
#[derive(Default)]
pub(super) struct SynFlood {
    tally: Tally,
}

impl Watch for SynFlood {
    fn see(&mut self, sight: &Sight<'_>) {
        if sight.line.start == Start::Unanswered {
            self.tally.add(sight.line.first, || format!("SYN from {}", sight.line.endpoint.edge));
        }
    }

    fn tell(&self, capture: &Capture, _: &Edge) -> Option<Observation> {
        if !capture.flooded() {
            return None;
        }
        let summary = format!(
            "{} of {} connections are SYNs without a completed handshake: a SYN flood. None of them is judged.",
            capture.half_open, capture.connections,
        );
        let mut tally = self.tally.clone();
        for half_open in &capture.given_up.first {
            tally.add(half_open.syn, || format!("SYN from {}", half_open.edge));
        }
        tally.observation("syn-flood", summary)
    }
}

/// `capture-loss`: bytes that were acknowledged and are not in the capture.
#[derive(Default)]
pub(super) struct CaptureLoss {
    tally: Tally,
    bytes: u64,
}

impl Watch for CaptureLoss {
    fn see(&mut self, sight: &Sight<'_>) {
        let line = sight.line;
        let missed = line.direction.edge.missed_by_capture.saturating_add(line.direction.origin.missed_by_capture);
        let whole = line.direction.edge.packets > 0 && line.direction.origin.packets > 0;
        if missed > 0 && whole {
            self.bytes = self.bytes.saturating_add(missed);
            self.tally.add(line.first, || format!("connection {}: {missed} bytes", line.index));
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let summary = format!(
            "The capture misses {} bytes on {} that their receivers acknowledged: it lost packets, not the network. \
             Nothing is concluded from what is absent there.",
            self.bytes,
            count(self.tally.count, "connection"),
        );
        self.tally.observation("capture-loss", summary)
    }
}

/// `capture-cut`: segments of which the capture holds only the beginning.
#[derive(Default)]
pub(super) struct CaptureCut(Tally);

impl Watch for CaptureCut {
    fn see(&mut self, sight: &Sight<'_>) {
        let cut = sight.line.cut_bytes;
        if cut > 0 {
            self.0.add(sight.line.first, || format!("connection {}: {cut} bytes cut off", sight.line.index));
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let what = count(self.0.count, "connection");
        self.0.observation(
            "capture-cut",
            format!(
                "The capture's snap length cut packets on {what}: capture whole packets (tcpdump -s 0) for a verdict."
            ),
        )
    }
}

/// `conflicting-bytes`: the same place of a stream was sent twice with different contents.
#[derive(Default)]
pub(super) struct ConflictingBytes {
    tally: Tally,
    bytes: u64,
}

impl Watch for ConflictingBytes {
    fn see(&mut self, sight: &Sight<'_>) {
        let line = sight.line;
        if line.conflicting_bytes > 0 {
            self.bytes = self.bytes.saturating_add(line.conflicting_bytes);
            self.tally.add(line.first, || format!("connection {}: {} bytes", line.index, line.conflicting_bytes));
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let summary = format!(
            "{} were sent twice with different contents on {}: a broken box rewrites them, or somebody forges segments. \
             The first seen were taken.",
            count(self.bytes, "byte"),
            count(self.tally.count, "connection"),
        );
        self.tally.observation("conflicting-bytes", summary)
    }
}

/// `one-direction-only`: the other half of the traffic takes another way.
#[derive(Default)]
pub(super) struct OneDirectionOnly(Tally);

impl Watch for OneDirectionOnly {
    fn see(&mut self, sight: &Sight<'_>) {
        let line = sight.line;
        let (edge, origin) = (line.direction.edge.packets, line.direction.origin.packets);
        let silent = if edge == 0 { Peer::Edge } else { Peer::Origin };
        let carried_data = line.direction[silent.other()].first_data.is_some() && !line.never_opened();
        if (edge == 0 || origin == 0) && carried_data && line.vantage != Vantage::Between {
            self.0.add(line.first, || format!("connection {}: not one packet from the {silent}", line.index));
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let what = count(self.0.count, "connection");
        self.0.observation(
            "one-direction-only",
            format!("The capture holds one direction only of {what}: no exchange can be judged there."),
        )
    }
}
