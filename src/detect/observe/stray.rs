//! Observations on bytes that belong to no response.

use super::{Sight, Tally, Watch, count};
use crate::detect::Observation;
use crate::detect::quote;
use crate::timeline::{Capture, Edge, Peer};

/// `unsolicited-bytes`: a body longer than it said, or a farewell on an idle connection, that hurt nobody this time.
#[derive(Default)]
pub(super) struct UnsolicitedBytes {
    tally: Tally,
    most: u64,
}

impl Watch for UnsolicitedBytes {
    fn see(&mut self, sight: &Sight<'_>) {
        for stray in &sight.line.unsolicited {
            let failed = stray
                .after_exchange
                .is_none_or(|number| sight.failed(number) || sight.failed(number.saturating_add(1)));
            // An edge that has left takes nothing for an answer any more.
            let gone = sight
                .line
                .first_close(Peer::Edge)
                .is_some_and(|close| close.packet().number < stray.start.packet.number);
            if failed || gone {
                continue;
            }
            self.most = self.most.max(stray.bytes);
            self.tally.add(stray.start.packet, || match stray.status {
                Some(status) => format!("a response with status {status} that nobody asked for"),
                None => format!("{} bytes behind the end of a response: \"{}\"", stray.bytes, quote(&stray.preview)),
            });
        }
    }

    fn tell(&self, _: &Capture, _: &Edge) -> Option<Observation> {
        let summary = format!(
            "The origin sent bytes that belong to no response on {}, up to {} of them: no request met them, but an \
             edge that keeps the connection takes them for its next answer.",
            count(self.tally.count, "connection"),
            self.most,
        );
        self.tally.observation("unsolicited-bytes", summary)
    }
}
