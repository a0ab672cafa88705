//! Whether a coded body decodes: a stale Content-Length after compression cuts it though its framing is whole.

use super::decode::{Decoded, Decoder};
use crate::timeline::Coding;

/// Bytes of a coded body that are kept for a check; a longer one is not checked.
const KEPT_LIMIT: usize = 256 * 1024;

/// The coded body of the newest response.
#[derive(Clone, Debug)]
pub(super) struct CodedBody {
    coding: String,
    decoder: Option<Decoder>,
    bytes: Vec<u8>,
    too_long: bool,
}

impl CodedBody {
    /// A body of this Content-Encoding; none where there is nothing to decode.
    pub(super) fn new(content_encoding: &[u8]) -> Option<Self> {
        let coding = String::from_utf8_lossy(content_encoding).trim().to_ascii_lowercase();
        let coded = !coding.is_empty() && coding != "identity";
        let decoder = Decoder::of(&coding);
        coded.then(|| Self { coding, decoder, bytes: Vec::new(), too_long: false })
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn unchecked(&self) -> Coding {
        Coding::Unchecked(self.coding.clone())
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        if self.bytes.len().saturating_add(bytes.len()) > KEPT_LIMIT || self.decoder.is_none() {
            self.too_long = true;
            self.bytes = Vec::new();
        }
        if !self.too_long {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Decodes the whole body.
    pub(super) fn check(&self) -> Coding {
        let Some(decoder) = self.decoder.filter(|_| !self.too_long && !self.bytes.is_empty()) else {
            return self.unchecked();
        };
        match decoder.decode(&self.bytes) {
            Decoded::Whole => Coding::Whole(self.coding.clone()),
            Decoded::Broken(problem) => Coding::Broken { coding: self.coding.clone(), problem },
            Decoded::Unjudged => self.unchecked(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(coding: &str, bytes: &[u8]) -> Coding {
        let mut body = CodedBody::new(coding.as_bytes()).unwrap();
        bytes.chunks(7).for_each(|piece| body.add(piece));
        body.check()
    }

    #[test]
    fn a_body_in_pieces_is_judged_as_one() {
        // An empty last metablock, and an empty frame.
        assert_eq!(checked("BR", &[0x3b]), Coding::Whole("br".into()));
        assert_eq!(checked(" zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x68, 1, 0, 0]), Coding::Whole("zstd".into()));
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert!(matches!(checked(coding, b"<html>no stream at all</html>"), Coding::Broken { .. }), "{coding}");
        }
    }

    #[test]
    fn what_cannot_be_decoded_here_is_left_unchecked() {
        assert_eq!(checked("compress", b"whatever"), Coding::Unchecked("compress".into()));
        assert_eq!(checked("gzip, br", b"whatever"), Coding::Unchecked("gzip, br".into()));
        assert_eq!(checked("gzip", &[0; KEPT_LIMIT + 1]), Coding::Unchecked("gzip".into()));
        assert!(CodedBody::new(b"identity").is_none());
    }
}
