//! Flow control (RFC 9113 section 5.2): what the origin may send, and what it did send.

use crate::timeline::Deviation;

/// The window of a stream or of the connection, in one direction.
///
/// A capture can show DATA before the WINDOW_UPDATE that allowed it. So DATA beyond the window is remembered, and
/// forgiven where the receiver makes room for it later: then it did not mind, or was asked in time.
#[derive(Clone, Default)]
pub(super) struct Window {
    granted: u64,
    spent: u64,
    overdrawn: Option<Deviation>,
}

impl Window {
    /// A frame of `len` bytes is sent where the window began with `initial`; `deviation` is what it is if that
    /// is too much.
    pub(super) fn spend(&mut self, len: u32, initial: u32, deviation: impl FnOnce() -> Deviation) {
        self.spent = self.spent.saturating_add(u64::from(len));
        if len > 0 && self.overdrawn.is_none() && self.spent > self.limit(initial) {
            self.overdrawn = Some(deviation());
        }
    }

    /// The receiver makes room for `increment` bytes.
    pub(super) fn grant(&mut self, increment: u32, initial: u32) {
        self.granted = self.granted.saturating_add(u64::from(increment));
        if self.spent <= self.limit(initial) {
            self.overdrawn = None;
        }
    }

    /// The bytes that may still be sent.
    pub(super) fn left(&self, initial: u32) -> u64 {
        self.limit(initial).saturating_sub(self.spent)
    }

    /// The frame that was too much, and for which no room was made.
    pub(super) fn overdrawn(self) -> Option<Deviation> {
        self.overdrawn
    }

    fn limit(&self, initial: u32) -> u64 {
        self.granted.saturating_add(u64::from(initial))
    }
}

/// Window of the connection before any WINDOW_UPDATE (section 6.9.2).
pub(super) const CONNECTION_WINDOW: u32 = 65_535;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::{Mark, Rule};

    fn deviation() -> Deviation {
        Deviation { rule: Rule::H2FlowControl, at: 0, mark: Mark::default(), bytes: Vec::new() }
    }

    #[test]
    fn more_than_the_window_is_too_much_unless_room_is_made() {
        let mut window = Window::default();
        window.spend(100, 100, deviation);
        window.spend(0, 100, deviation);
        assert_eq!(window.left(100), 0);
        window.spend(1, 100, deviation);
        window.grant(0, 100);
        assert!(window.overdrawn.is_some());
        window.grant(1, 100);
        assert_eq!(window.overdrawn(), None);
    }

    #[test]
    fn a_smaller_initial_window_is_no_offence_in_itself() {
        let mut window = Window::default();
        window.spend(100, 100, deviation);
        assert_eq!(window.left(50), 0);
        assert_eq!(window.overdrawn(), None);
    }
}
