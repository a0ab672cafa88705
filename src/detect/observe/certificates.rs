//! Observations on certificates that the edge took.

use super::{Sight, Tally, Watch, count};
use crate::detect::Observation;
use crate::timeline::{Capture, Edge, HandshakePhase, Tls};

/// A certificate that ends within this time should be renewed now.
const SOON_NS: i64 = 14 * 86_400 * 1_000_000_000;

/// `cert-expires-soon`.
#[derive(Default)]
pub(super) struct ExpiresSoon {
    tally: Tally,
    sample: String,
}

impl Watch for ExpiresSoon {
    fn see(&mut self, sight: &Sight<'_>) {
        let Some((tls, at)) = accepted(sight) else { return };
        let Some(leaf) = tls.certificates.first() else { return };
        let left = leaf.not_after.nanos_since(at.time);
        if (0..SOON_NS).contains(&left) {
            self.sample = format!("{} on {}", leaf.subject, leaf.not_after.date());
            self.tally.add(at, || format!("{} is valid until {}", leaf.subject, leaf.not_after.date()));
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let summary = format!("A certificate of the origin expires within 14 days of this capture: {}.", self.sample);
        self.tally.observation("cert-expires-soon", summary)
    }
}

/// `cert-would-fail-strict`: the edge carried on with a certificate that Full (strict) would refuse.
#[derive(Default)]
pub(super) struct WouldFailStrict {
    tally: Tally,
    sample: String,
}

impl Watch for WouldFailStrict {
    fn see(&mut self, sight: &Sight<'_>) {
        let Some((tls, at)) = accepted(sight) else { return };
        if tls.certificate_faults.is_empty() {
            return;
        }
        let faults: Vec<String> = tls.certificate_faults.iter().map(ToString::to_string).collect();
        self.sample = faults.join("; ");
        self.tally.add(at, || faults.join("; "));
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let summary = format!(
            "The edge took the origin's certificate on {}, as Full does; Full (strict) without a private CA would refuse \
             it (526): {}.",
            count(self.tally.count, "connection"),
            self.sample,
        );
        self.tally.observation("cert-would-fail-strict", summary)
    }
}

fn accepted<'a>(sight: &Sight<'a>) -> Option<(&'a Tls, crate::timeline::PacketRef)> {
    let tls = sight.line.tls.as_deref()?;
    let at = tls.certificate_at?;
    (tls.phase == HandshakePhase::Established && sight.failed.is_empty()).then_some((tls, at))
}
