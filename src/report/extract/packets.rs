//! The packets of an extract, and how they are written.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::clear::Visible;
use super::hidden::{headers, hidden};
use crate::capture::{InterfaceDescription, InterfaceId, Packet, Writer};
use crate::report::plain::shortened;
use crate::report::{Plain, Redaction, Secrets, count};
use crate::wire::{Decoded, Layout, Reason};

/// Which packets, what is to be said of them, and the secrets that decrypt them.
#[derive(Debug)]
pub struct Packets {
    redaction: Secrets,
    /// What may be seen of payloads; of those that are not here, nothing.
    visible: BTreeMap<u64, Visible>,
    pub(super) numbers: BTreeSet<u64>,
    /// Lines of a key log.
    pub(super) secrets: BTreeSet<String>,
    comments: BTreeMap<u64, Vec<String>>,
    by_cause: BTreeMap<&'static str, u64>,
}

impl Packets {
    pub(super) fn new(redaction: Secrets) -> Self {
        Self {
            redaction,
            visible: BTreeMap::new(),
            numbers: BTreeSet::new(),
            secrets: BTreeSet::new(),
            comments: BTreeMap::new(),
            by_cause: BTreeMap::new(),
        }
    }

    /// True where the packet with this number belongs to the extract.
    #[must_use]
    pub fn contains(&self, number: u64) -> bool {
        self.numbers.contains(&number)
    }

    /// Number of the last packet.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.numbers.last().copied().unwrap_or(0)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.numbers.len() as u64
    }

    /// True where there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Incidents that they are of.
    #[must_use]
    pub fn incidents(&self) -> u64 {
        self.by_cause.values().sum()
    }

    /// TLS secrets that go with them.
    #[must_use]
    pub fn secrets(&self) -> usize {
        self.secrets.len()
    }

    /// What is to be said of a packet.
    #[must_use]
    pub fn comments(&self, number: u64) -> &[String] {
        self.comments.get(&number).map(Vec::as_slice).unwrap_or_default()
    }

    /// Begins a file of packets from the captures with these names.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn begin<W: Write>(&self, captures: Vec<String>, out: W) -> io::Result<ExtractFile<'_, W>> {
        let application = concat!("pcap520 ", env!("CARGO_PKG_VERSION"));
        let mut writer = Writer::new(out, application, &self.about(&captures))?;
        if !self.secrets.is_empty() {
            let lines: Vec<&str> = self.secrets.iter().map(String::as_str).collect();
            writer.secrets((lines.join("\n") + "\n").as_bytes())?;
        }
        Ok(ExtractFile { packets: self, captures, writer, interfaces: BTreeMap::new() })
    }

    /// What may be seen of these packets' payloads.
    pub(super) fn show(&mut self, visible: impl Iterator<Item = (u64, Visible)>) {
        if self.redaction == Secrets::Hidden {
            self.visible.extend(visible);
        }
    }

    /// As much of a packet as may be seen.
    fn visible<'a>(&self, packet: &Packet<'a>) -> Cow<'a, [u8]> {
        if self.redaction == Secrets::Shown {
            return packet.data.into();
        }
        match (Layout::of(packet), self.visible.get(&packet.number)) {
            (Ok(layout), Some(Visible::AllBut(secret))) if layout.tcp.is_some() => {
                hidden(packet.data, layout, secret).into()
            }
            (Ok(layout), _) => headers(packet.data, layout).into(),
            (Err(reason), _) if holds_no_payload(reason) => packet.data.into(),
            (Err(_), _) => Cow::default(),
        }
    }

    /// False for a packet of which nothing may be seen.
    pub(super) fn may_hold(&self, decoded: &Decoded<'_>) -> bool {
        match decoded {
            Decoded::Other(reason) => self.redaction == Secrets::Shown || holds_no_payload(*reason),
            Decoded::Tcp(_) | Decoded::Icmp(_) => true,
        }
    }

    pub(super) fn count(&mut self, cause: &'static str) {
        let number = self.by_cause.entry(cause).or_default();
        *number = number.saturating_add(1);
    }

    /// Adds a comment; strangers' text in it drives no terminal that shows it.
    pub(super) fn comment(&mut self, number: u64, text: &str) {
        let comments = self.comments.entry(number).or_default();
        if comments.len() < MAX_COMMENTS {
            comments.push(shortened(&Plain(text).to_string(), MAX_COMMENT));
        } else if comments.len() == MAX_COMMENTS {
            comments.push("pcap520: more incidents have this packet in common than can be named here".to_owned());
        }
    }

    /// What the file is.
    fn about(&self, captures: &[String]) -> String {
        let causes: Vec<String> = self.by_cause.iter().map(|(cause, number)| format!("{cause} ({number})")).collect();
        let mut names: Vec<String> = captures.iter().take(MAX_NAMES).map(|name| Plain(name).to_string()).collect();
        if let Some(more) = captures.len().checked_sub(MAX_NAMES).filter(|&more| more > 0) {
            names.push(format!("{more} more"));
        }
        format!(
            "The packets of {} in {}: {}. Every packet that proves something has a comment: frame.comment. {}",
            count(self.incidents(), "incident"),
            names.join(", "),
            causes.join(", "),
            match self.redaction {
                Secrets::Hidden => REDACTED,
                Secrets::Shown => "The packets are as they were captured, with every credential in them.",
            }
        )
    }
}

/// A file of packets under way.
pub struct ExtractFile<'a, W> {
    packets: &'a Packets,
    captures: Vec<String>,
    writer: Writer<W>,
    interfaces: BTreeMap<InterfaceId, u32>,
}

impl<W: Write> ExtractFile<'_, W> {
    /// Copies a packet that was captured at this interface.
    ///
    /// # Errors
    /// What the output fails with.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        (id, interface): (InterfaceId, &InterfaceDescription),
    ) -> io::Result<()> {
        let number = match self.interfaces.get(&id) {
            Some(&number) => number,
            None => {
                let capture = self.captures.get(id.capture).filter(|_| self.captures.len() > 1);
                let from = capture.map_or_else(String::new, |name| format!("from {}", Plain(name)));
                let redaction = Redaction { secrets: self.packets.redaction, ..Redaction::default() };
                let text = |text: &Option<String>| text.as_deref().map(|text| redaction.text(text));
                let (name, description) = (text(&interface.name), text(&interface.description));
                let interface = InterfaceDescription { name, description, ..*interface };
                let number = self.writer.interface(&interface, &from)?;
                self.interfaces.insert(id, number);
                number
            }
        };
        let (data, comments) = (self.packets.visible(packet), self.packets.comments(packet.number));
        self.writer.packet(number, packet.time, packet.wire_len, &data, comments)
    }
}

/// True for ARP and its like, and for packets that were cut within their headers.
fn holds_no_payload(reason: Reason) -> bool {
    matches!(reason, Reason::NotIp | Reason::Cut)
}

/// What an extract without secrets says of itself.
const REDACTED: &str = "In clear text the bodies of messages and the values of most fields are overwritten by x, in \
                        their length; TCP checksums were carried on.";

/// Comments on one packet.
const MAX_COMMENTS: usize = 20;

/// Characters of one comment.
const MAX_COMMENT: usize = 2_000;

/// Captures that are named.
const MAX_NAMES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_bounded_and_drive_no_terminal() {
        let mut packets = Packets::new(Secrets::Hidden);
        packets.comment(1, &format!("\x1b[2J{}", "x".repeat(100_000)));
        assert!(packets.comments(1)[0].starts_with("\\u{1b}[2Jxxx"));
        assert!(packets.comments(1)[0].len() < 3 * MAX_COMMENT);
        (0..100).for_each(|_| packets.comment(2, "again"));
        assert_eq!(packets.comments(2).len(), MAX_COMMENTS + 1);
    }

    #[test]
    fn many_captures_are_count() {
        let names: Vec<String> = (0..10).map(|number| format!("{number}.pcap")).collect();
        assert!(Packets::new(Secrets::Hidden).about(&names).contains("7.pcap, 2 more: "));
    }
}
