//! Whether a coded body decodes: a stale Content-Length after compression cuts it though its framing is whole.

use std::io::Read;

use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};

use crate::timeline::Coding;

/// Bytes of a coded body that are kept for a check; a longer one is not checked.
const KEPT_LIMIT: usize = 256 * 1024;

/// Decoded bytes after which a body counts as whole: no more is unpacked.
const DECODED_LIMIT: u64 = 64 << 20;

/// The coded body of the newest response.
#[derive(Clone, Debug)]
pub(super) struct CodedBody {
    coding: String,
    bytes: Vec<u8>,
    too_long: bool,
}

impl CodedBody {
    /// A body of this Content-Encoding; none where there is nothing to decode.
    pub(super) fn new(content_encoding: &[u8]) -> Option<Self> {
        let coding = String::from_utf8_lossy(content_encoding).trim().to_ascii_lowercase();
        let coded = !coding.is_empty() && coding != "identity";
        coded.then(|| Self { coding, bytes: Vec::new(), too_long: false })
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn unchecked(&self) -> Coding {
        Coding::Unchecked(self.coding.clone())
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.bytes.len().saturating_add(bytes.len()) > KEPT_LIMIT || !is_known(&self.coding) {
            self.too_long = true;
            self.bytes = Vec::new();
        }
        if !self.too_long {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Decodes the whole body.
    pub(super) fn check(&self) -> Coding {
        if self.too_long || self.bytes.is_empty() || !is_known(&self.coding) {
            return self.unchecked();
        }
        let bytes = self.bytes.as_slice();
        let decoded = match self.coding.as_str() {
            "deflate" => count(ZlibDecoder::new(bytes)).or_else(|_| count(DeflateDecoder::new(bytes))).map(|_| ()),
            _ => gunzip(bytes),
        };
        match decoded {
            Ok(()) => Coding::Whole(self.coding.clone()),
            Err(error) => Coding::Broken { coding: self.coding.clone(), problem: problem(&error) },
        }
    }
}

fn is_known(coding: &str) -> bool {
    matches!(coding, "gzip" | "x-gzip" | "deflate")
}

/// One member after another (RFC 1952 section 2.2). What stands behind a whole one and is no other, as padding with
/// zeros, is ignored as gzip, curl and browsers do.
fn gunzip(mut bytes: &[u8]) -> std::io::Result<()> {
    let mut decoded = 0_u64;
    loop {
        let mut member = GzDecoder::new(bytes);
        decoded = decoded.saturating_add(count(&mut member)?);
        bytes = member.into_inner();
        if !bytes.starts_with(&GZIP_MAGIC) || decoded >= DECODED_LIMIT {
            return Ok(());
        }
    }
}

/// Decoded bytes.
fn count(decoder: impl Read) -> std::io::Result<u64> {
    std::io::copy(&mut decoder.take(DECODED_LIMIT), &mut std::io::sink())
}

/// The first bytes of a gzip member.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

fn problem(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "it ends before its last block".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn checked(coding: &str, bytes: &[u8]) -> Coding {
        let mut body = CodedBody::new(coding.as_bytes()).unwrap();
        bytes.chunks(7).for_each(|piece| body.add(piece));
        body.check()
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn whole_streams_of_both_codings_decode() {
        let text = b"the quick brown fox jumps over the lazy dog".repeat(9);
        assert_eq!(checked("gzip", &gzip(&text)), Coding::Whole("gzip".into()));
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        assert_eq!(checked("Deflate", &zlib.finish().unwrap()), Coding::Whole("deflate".into()));
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(&text).unwrap();
        assert_eq!(checked("deflate", &raw.finish().unwrap()), Coding::Whole("deflate".into()));
    }

    #[test]
    fn a_cut_or_corrupt_stream_is_broken() {
        let whole = gzip(&b"the quick brown fox".repeat(9));
        assert!(matches!(checked("gzip", &whole[..whole.len() - 5]), Coding::Broken { .. }));
        let mut corrupt = whole;
        let middle = corrupt.len() / 2;
        corrupt[middle] ^= 0x55;
        assert!(matches!(checked("gzip", &corrupt), Coding::Broken { .. }));
    }

    #[test]
    fn members_follow_each_other_and_what_is_none_is_ignored() {
        let one = gzip(b"the quick brown fox");
        let whole = Coding::Whole("gzip".into());
        assert_eq!(checked("gzip", &[&one[..], &one].concat()), whole);
        assert_eq!(checked("gzip", &[&one[..], &[0; 16]].concat()), whole);
        assert!(matches!(checked("gzip", &[&one[..], &one[..20]].concat()), Coding::Broken { .. }));
        assert!(matches!(checked("gzip", b"<html>no gzip at all</html>"), Coding::Broken { .. }));
    }

    #[test]
    fn what_cannot_be_decoded_here_is_left_unchecked() {
        assert_eq!(checked("br", b"whatever"), Coding::Unchecked("br".into()));
        assert!(CodedBody::new(b"identity").is_none());
    }
}
