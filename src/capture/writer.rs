//! Packets written as pcapng (draft-ietf-opsawg-pcapng): one section, little endian, times in nanoseconds.

use std::io::{self, Write};

use super::interface::InterfaceDescription;
use crate::timeline::Time;

/// A pcapng file under way.
///
/// An interface is written before its packets, secrets before the packets that they decrypt.
pub struct Writer<W> {
    out: W,
    interfaces: u32,
}

impl<W: Write> Writer<W> {
    /// Begins a file that `application` writes, with `comment` on the whole of it.
    ///
    /// # Errors
    /// What `out` fails with.
    pub fn new(out: W, application: &str, comment: &str) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend_from_slice(&BYTE_ORDER_MAGIC.to_le_bytes());
        for version in [1_u16, 0] {
            body.extend_from_slice(&version.to_le_bytes());
        }
        body.extend_from_slice(&UNKNOWN_LENGTH.to_le_bytes());
        option(&mut body, OPT_COMMENT, comment.as_bytes());
        option(&mut body, SHB_USERAPPL, application.as_bytes());
        end_of_options(&mut body);
        let mut writer = Self { out, interfaces: 0 };
        writer.block(SECTION_HEADER, &body)?;
        Ok(writer)
    }

    /// Writes an interface, with a comment on it; the number is the one that its packets go by.
    ///
    /// # Errors
    /// What the output fails with.
    pub fn interface(&mut self, description: &InterfaceDescription, comment: &str) -> io::Result<u32> {
        let mut body = Vec::new();
        body.extend_from_slice(&description.link.0.to_le_bytes());
        body.extend_from_slice(&[0; 2]);
        body.extend_from_slice(&description.snap_len.to_le_bytes());
        option(&mut body, OPT_COMMENT, comment.as_bytes());
        for (code, text) in [(IF_NAME, &description.name), (IF_DESCRIPTION, &description.description)] {
            option(&mut body, code, text.as_deref().unwrap_or_default().as_bytes());
        }
        option(&mut body, IF_TSRESOL, &[NANOSECONDS]);
        end_of_options(&mut body);
        self.block(INTERFACE, &body)?;
        let number = self.interfaces;
        self.interfaces = self.interfaces.saturating_add(1);
        Ok(number)
    }

    /// Writes the text of a TLS key log (NSS format).
    ///
    /// # Errors
    /// What the output fails with.
    pub fn secrets(&mut self, key_log: &[u8]) -> io::Result<()> {
        let len = u32::try_from(key_log.len()).map_err(io::Error::other)?;
        let body = [&TLS_KEY_LOG.to_le_bytes(), &len.to_le_bytes(), key_log].concat();
        self.block(DECRYPTION_SECRETS, &body)
    }

    /// Writes a packet of `wire_len` bytes, of which `data` was captured, with comments on it.
    ///
    /// A time before 1970 has no form in the file: it becomes the beginning of 1970.
    ///
    /// # Errors
    /// What the output fails with.
    pub fn packet(
        &mut self,
        interface: u32,
        time: Time,
        wire_len: u32,
        data: &[u8],
        comments: &[String],
    ) -> io::Result<()> {
        let nanoseconds = u64::try_from(time.0).unwrap_or(0);
        let captured = u32::try_from(data.len()).map_err(io::Error::other)?;
        let mut body = Vec::with_capacity(data.len().saturating_add(64));
        for word in [interface, (nanoseconds >> 32) as u32, nanoseconds as u32, captured, wire_len] {
            body.extend_from_slice(&word.to_le_bytes());
        }
        body.extend_from_slice(data);
        pad(&mut body);
        for comment in comments {
            option(&mut body, OPT_COMMENT, comment.as_bytes());
        }
        if !comments.is_empty() {
            end_of_options(&mut body);
        }
        self.block(ENHANCED_PACKET, &body)
    }

    /// block type (4), block total length (4), body padded to 4 bytes, block total length (4)
    fn block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let padded = body.len().next_multiple_of(4);
        let len = u32::try_from(padded.saturating_add(12)).map_err(io::Error::other)?.to_le_bytes();
        self.out.write_all(&kind.to_le_bytes())?;
        self.out.write_all(&len)?;
        self.out.write_all(body)?;
        self.out.write_all([0; 3].get(..padded.saturating_sub(body.len())).unwrap_or_default())?;
        self.out.write_all(&len)
    }
}

impl Writer<Vec<u8>> {
    /// Takes what was written since the last call: whole blocks.
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.out)
    }
}

/// code (2), length (2), value padded to 4 bytes; nothing for an empty value
fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = whole_characters(value, MAX_OPTION_BYTES);
    if value.is_empty() {
        return;
    }
    body.extend_from_slice(&code.to_le_bytes());
    body.extend_from_slice(&(value.len() as u16).to_le_bytes());
    body.extend_from_slice(value);
    pad(body);
}

/// The first bytes of a UTF-8 text, at most `most`, cut between two characters.
fn whole_characters(text: &[u8], most: usize) -> &[u8] {
    let starts_character = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xc0 != 0x80);
    let end = (0..=text.len().min(most)).rev().find(starts_character).unwrap_or(0);
    text.get(..end).unwrap_or_default()
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend_from_slice(&[0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const DECRYPTION_SECRETS: u32 = 10;

const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
/// A section that ends where the file ends.
const UNKNOWN_LENGTH: u64 = u64::MAX;
const TLS_KEY_LOG: u32 = 0x544c_534b;

const OPT_COMMENT: u16 = 1;
const SHB_USERAPPL: u16 = 4;
const IF_NAME: u16 = 2;
const IF_DESCRIPTION: u16 = 3;
const IF_TSRESOL: u16 = 9;

/// The value of if_tsresol that means 10 to the power of -9.
const NANOSECONDS: u8 = 9;

/// Bytes of an option's value: its length has 16 bits.
const MAX_OPTION_BYTES: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::super::LinkType;
    use super::super::testing::Read;
    use super::*;

    fn ethernet(name: Option<&str>) -> InterfaceDescription {
        InterfaceDescription { link: LinkType::EN10MB, snap_len: 96, name: name.map(str::to_owned), description: None }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, "test", "of a test").expect("a vector takes all");
        let eth0 = writer.interface(&ethernet(Some("eth0")), "").expect("a vector takes all");
        let raw = InterfaceDescription { link: LinkType::RAW, ..ethernet(None) };
        let raw = writer.interface(&raw, "the other one").expect("a vector takes all");
        writer.secrets(b"CLIENT_RANDOM 00 11\n").expect("a vector takes all");
        let comments = ["one".to_owned(), "two".to_owned()];
        let time = Time(1_795_424_357_785_174_001);
        writer.packet(eth0, time, 900, b"abcde", &comments).expect("a vector takes all");
        writer.packet(raw, Time(-1), 3, b"xyz", &[]).expect("a vector takes all");
        let read = Read::bytes(&file).expect("a capture");
        assert_eq!(read.texts(), ["abcde", "xyz"]);
        let first = &read.packets[0];
        assert_eq!((first.nanos, first.link, first.wire_len), (time.0, 1, 900));
        assert_eq!((read.packets[1].nanos, read.packets[1].link), (0, 101));
        assert_eq!(read.secrets, [(0, "CLIENT_RANDOM 00 11\n".to_owned())]);
        assert_eq!(read.summaries[0].damage, None);
    }

    #[test]
    fn a_long_comment_ends_with_a_whole_character() {
        assert_eq!(whole_characters("aé".as_bytes(), 2), b"a");
        assert_eq!(whole_characters("aé".as_bytes(), 3), "aé".as_bytes());
        assert_eq!(whole_characters(b"", 3), b"");
        let mut file = Vec::new();
        Writer::new(&mut file, "test", &"é".repeat(40_000)).expect("a vector takes all");
        assert!(Read::bytes(&file).expect("a capture").packets.is_empty());
    }
}
