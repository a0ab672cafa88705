//! Text of strangers on its way into a report.

use pcap520::report::{Plain, Redaction};

/// Redaction never fails, never adds a control character, and what is made plain is plain.
pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let redaction = Redaction::default();
    for redacted in [redaction.text(&text), redaction.target(&text)] {
        let plain = Plain(&redacted).to_string();
        assert!(plain.chars().all(|c| !c.is_control() && !is_bidirectional(c)), "{plain:?}");
    }
}

/// Characters that turn the text around them (the "Trojan Source" set).
pub fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
