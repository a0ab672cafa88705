//! What one peer announced by SETTINGS (RFC 9113 section 6.5), and what the other may rely on.

use std::collections::VecDeque;

use super::frame::DEFAULT_MAX_FRAME_SIZE;

/// The settings of one peer. While a SETTINGS frame is not acknowledged, either value may be in force.
#[derive(Clone)]
pub(super) struct Settings {
    acknowledged: Values,
    announced: VecDeque<Values>,
    /// False where SETTINGS were missed.
    known: bool,
}

/// The values that bind the other peer.
#[derive(Clone, Copy)]
struct Values {
    header_table_size: u32,
    enable_push: bool,
    initial_window_size: u32,
    max_frame_size: u32,
}

impl Settings {
    pub(super) fn new() -> Self {
        let defaults = Values {
            header_table_size: 4_096,
            enable_push: true,
            initial_window_size: 65_535,
            max_frame_size: DEFAULT_MAX_FRAME_SIZE,
        };
        Self { acknowledged: defaults, announced: VecDeque::new(), known: true }
    }

    /// The payload of a SETTINGS frame.
    pub(super) fn announce(&mut self, payload: &[u8]) {
        let mut values = *self.announced.back().unwrap_or(&self.acknowledged);
        parameters(payload).for_each(|(_, parameter, value)| values.set(parameter, value));
        if self.announced.len() == MAX_UNACKNOWLEDGED {
            self.known = false;
            return;
        }
        self.announced.push_back(values);
    }

    /// The other peer acknowledges the oldest frame.
    pub(super) fn acknowledge(&mut self) {
        if let Some(values) = self.announced.pop_front() {
            self.acknowledged = values;
        }
    }

    /// SETTINGS were missed, so nothing is certain any more.
    pub(super) fn forget(&mut self) {
        self.known = false;
    }

    /// Largest payload that the other peer may send; none where it is not known.
    pub(super) fn max_frame_size(&self) -> Option<u32> {
        self.largest(|values| values.max_frame_size)
    }

    /// Largest flow-control window that a stream may begin with; none where it is not known.
    pub(super) fn initial_window_size(&self) -> Option<u32> {
        self.largest(|values| values.initial_window_size)
    }

    /// Largest HPACK table that the other peer may use; none where it is not known.
    pub(super) fn header_table_size(&self) -> Option<u32> {
        self.largest(|values| values.header_table_size)
    }

    /// The HPACK table size that the other peer has acknowledged; none where it is not known.
    pub(super) fn acknowledged_table_size(&self) -> Option<u32> {
        self.known.then_some(self.acknowledged.header_table_size)
    }

    /// False where the other peer knows that it must not push.
    pub(super) fn may_push(&self) -> bool {
        !self.known || self.in_force().any(|values| values.enable_push)
    }

    fn largest(&self, of: impl Fn(&Values) -> u32) -> Option<u32> {
        self.in_force().map(of).max().filter(|_| self.known)
    }

    fn in_force(&self) -> impl Iterator<Item = &Values> {
        self.announced.iter().chain([&self.acknowledged])
    }
}

impl Values {
    fn set(&mut self, parameter: u16, value: u32) {
        match parameter {
            HEADER_TABLE_SIZE => self.header_table_size = value,
            ENABLE_PUSH => self.enable_push = value != 0,
            INITIAL_WINDOW_SIZE => self.initial_window_size = value,
            MAX_FRAME_SIZE => self.max_frame_size = value,
            _ => {}
        }
    }
}

/// Where in the payload of the origin's SETTINGS the first value stands that a server must not send.
pub(super) fn forbidden_value(payload: &[u8]) -> Option<usize> {
    let forbidden = |parameter, value| match parameter {
        // A server has nobody to forbid pushing to.
        ENABLE_PUSH => value != 0,
        INITIAL_WINDOW_SIZE => value > MAX_WINDOW,
        MAX_FRAME_SIZE => !(DEFAULT_MAX_FRAME_SIZE..=0x00ff_ffff).contains(&value),
        ENABLE_CONNECT_PROTOCOL | NO_RFC7540_PRIORITIES => value > 1,
        _ => false,
    };
    parameters(payload).find(|&(_, parameter, value)| forbidden(parameter, value)).map(|(at, ..)| at)
}

/// Offset, identifier and value of each parameter.
fn parameters(payload: &[u8]) -> impl Iterator<Item = (usize, u16, u32)> {
    payload.chunks_exact(6).enumerate().filter_map(|(nth, parameter)| {
        let &[i0, i1, v0, v1, v2, v3] = parameter else { return None };
        Some((nth.saturating_mul(6), u16::from_be_bytes([i0, i1]), u32::from_be_bytes([v0, v1, v2, v3])))
    })
}

/// Largest flow-control window (section 6.9.1).
pub(super) const MAX_WINDOW: u32 = 0x7fff_ffff;

/// SETTINGS frames that may wait for their acknowledgment before the settings count as unknown.
const MAX_UNACKNOWLEDGED: usize = 32;

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
/// RFC 8441 section 3.
const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
/// RFC 9218 section 2.1.
const NO_RFC7540_PRIORITIES: u16 = 0x9;

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(parameters: &[(u16, u32)]) -> Vec<u8> {
        parameters.iter().flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat()).collect()
    }

    #[test]
    fn either_value_holds_until_the_acknowledgment() {
        let mut settings = Settings::new();
        settings.announce(&payload(&[(MAX_FRAME_SIZE, 32_768), (ENABLE_PUSH, 0), (HEADER_TABLE_SIZE, 0)]));
        assert_eq!(settings.max_frame_size(), Some(32_768));
        assert_eq!(settings.header_table_size(), Some(4_096));
        assert!(settings.may_push());
        settings.acknowledge();
        assert_eq!(settings.header_table_size(), Some(0));
        assert!(!settings.may_push());
        settings.announce(&payload(&[(MAX_FRAME_SIZE, 16_384)]));
        assert_eq!(settings.max_frame_size(), Some(32_768));
        settings.acknowledge();
        assert_eq!(settings.max_frame_size(), Some(16_384));
    }

    #[test]
    fn a_frame_changes_only_what_it_names() {
        let mut settings = Settings::new();
        settings.announce(&payload(&[(MAX_FRAME_SIZE, 32_768)]));
        settings.announce(&payload(&[(INITIAL_WINDOW_SIZE, 7)]));
        settings.acknowledge();
        settings.acknowledge();
        assert_eq!((settings.max_frame_size(), settings.initial_window_size()), (Some(32_768), Some(7)));
    }

    #[test]
    fn unknown_settings_forbid_nothing() {
        let mut settings = Settings::new();
        (0..100).for_each(|_| settings.announce(&payload(&[(ENABLE_PUSH, 0)])));
        assert!(settings.announced.len() <= MAX_UNACKNOWLEDGED);
        assert_eq!(settings.max_frame_size(), None);
        assert!(settings.may_push());
    }

    #[test]
    fn values_that_a_server_must_not_send() {
        let forbidden = [
            (ENABLE_PUSH, 1),
            (INITIAL_WINDOW_SIZE, 0x8000_0000),
            (MAX_FRAME_SIZE, 16_383),
            (MAX_FRAME_SIZE, 0x0100_0000),
            (ENABLE_CONNECT_PROTOCOL, 2),
            (NO_RFC7540_PRIORITIES, 7),
        ];
        for setting in forbidden {
            assert_eq!(forbidden_value(&payload(&[(0x3, 100), setting])), Some(6), "{setting:?}");
        }
        let allowed = [(ENABLE_PUSH, 0), (INITIAL_WINDOW_SIZE, MAX_WINDOW), (MAX_FRAME_SIZE, 0x00ff_ffff), (0xfafa, 9)];
        assert_eq!(forbidden_value(&payload(&allowed)), None);
    }
}
