//! Empty lines before a status line: servers skip one before a request line (RFC 9112 section 2.2), clients none.

use super::pairing::after;
use crate::timeline::{Mark, Rule};

/// Line ends that stand before a response, as far as they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Preamble {
    first: Option<Mark>,
    /// The last byte is a CR that no LF has followed yet.
    open: Option<Mark>,
    bare: Option<Mark>,
}

impl Preamble {
    /// Takes the line ends that `bytes` begin with, and says how many there are.
    pub(super) fn take(&mut self, bytes: &[u8], start: Mark) -> usize {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        for (nth, &byte) in bytes.iter().take(blank).enumerate() {
            let mark = after(start, nth as u64);
            self.first.get_or_insert(mark);
            if byte == b'\n' {
                self.open = None;
            } else if let Some(before) = self.open.replace(mark) {
                self.bare.get_or_insert(before);
            }
        }
        blank
    }

    /// What it breaks, and where.
    pub(super) fn breaks(&self) -> Option<(Rule, Mark)> {
        let bare = self.bare.or(self.open).map(|mark| (Rule::BareCarriageReturn, mark));
        bare.or(self.first.map(|mark| (Rule::EmptyLineFirst, mark)))
    }
}
