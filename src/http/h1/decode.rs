//! Decoders of content codings (RFC 9110 section 8.4.1): whether a body decodes to its end, within bounds.

use std::error::Error as _;
use std::io::{self, Read};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::bufread::GzDecoder;
use flate2::read::{DeflateDecoder, ZlibDecoder};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Decoded bytes after which a body counts as whole: no more is unpacked.
const DECODED_LIMIT: u64 = 64 << 20;

/// The largest window of zstd as a content coding (RFC 9659 section 3): a frame that needs more is not judged.
const ZSTD_WINDOW_LIMIT: u64 = 8 << 20;

/// The first bytes of a gzip member.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// The first bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a body that are decoded at a time.
const PIECE: usize = 16 * 1024;

/// A content coding that can be decoded here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decoder {
    Brotli,
    Deflate,
    Gzip,
    Zstd,
}

/// What a whole body turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// It decodes to its end.
    Whole,
    /// It does not, and why.
    Broken(String),
    /// It needs more than a decoder has to offer: nobody can tell.
    Unjudged,
}

impl Decoder {
    /// The decoder of a coding by its name in lower case.
    pub(super) fn of(coding: &str) -> Option<Self> {
        match coding {
            "br" => Some(Self::Brotli),
            "deflate" => Some(Self::Deflate),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }

    /// Decodes a whole body.
    pub(super) fn decode(self, body: &[u8]) -> Decoded {
        match self {
            Self::Brotli => brotli(body),
            Self::Deflate => {
                told(count(ZlibDecoder::new(body)).or_else(|_| count(DeflateDecoder::new(body))).map(|_| ()))
            }
            Self::Gzip => told(gunzip(body)),
            Self::Zstd => zstd(body),
        }
    }
}

/// One stream (RFC 7932), whose own end is the end: what stands behind it is ignored as browsers do.
fn brotli(mut body: &[u8]) -> Decoded {
    // Strict: a window of 16 MiB at most. The larger ones are no part of the RFC.
    let mut state =
        BrotliState::new_strict(StandardAlloc::default(), StandardAlloc::default(), StandardAlloc::default());
    let mut piece = vec![0; PIECE];
    let mut decoded = 0_u64;
    while decoded < DECODED_LIMIT {
        let (mut left, mut taken, mut room, mut filled, mut total) = (body.len(), 0, piece.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            body,
            &mut room,
            &mut filled,
            &mut piece,
            &mut total,
            &mut state,
        );
        body = body.get(taken..).unwrap_or_default();
        decoded = decoded.saturating_add(filled as u64);
        match result {
            BrotliResult::ResultSuccess => break,
            BrotliResult::NeedsMoreOutput if filled > 0 || taken > 0 => {}
            BrotliResult::NeedsMoreInput => return Decoded::Broken(CUT.to_owned()),
            BrotliResult::NeedsMoreOutput | BrotliResult::ResultFailure => {
                return Decoded::Broken("corrupt brotli stream".to_owned());
            }
        }
    }
    Decoded::Whole
}

/// One frame after another (RFC 8878 section 3.1). What stands behind a whole one and is no other is ignored, as behind
/// a member of gzip.
fn zstd(mut body: &[u8]) -> Decoded {
    if !begins_frame(body) {
        return Decoded::Broken("invalid zstd header".to_owned());
    }
    let mut frame = FrameDecoder::new();
    frame.set_max_window_size(ZSTD_WINDOW_LIMIT);
    let mut decoded = 0_u64;
    while begins_frame(body) && decoded < DECODED_LIMIT {
        match unpack_frame(&mut frame, &mut body, &mut decoded) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                let Some(behind) = body.get(length as usize..) else { return Decoded::Broken(CUT.to_owned()) };
                body = behind;
            }
            Err(FrameDecoderError::WindowSizeTooBig { .. } | FrameDecoderError::DictNotProvided { .. }) => {
                return Decoded::Unjudged;
            }
            Err(error) if is_cut(&error) => return Decoded::Broken(CUT.to_owned()),
            Err(_) => return Decoded::Broken("corrupt zstd stream".to_owned()),
        }
    }
    Decoded::Whole
}

fn unpack_frame(frame: &mut FrameDecoder, body: &mut &[u8], decoded: &mut u64) -> Result<(), FrameDecoderError> {
    frame.reset(&mut *body)?;
    while !frame.is_finished() && *decoded < DECODED_LIMIT {
        // A block is of 128 KiB at most: so is what is decoded beyond the window.
        frame.decode_blocks(&mut *body, BlockDecodingStrategy::UptoBlocks(1))?;
        let bytes = frame.collect_to_writer(io::sink()).map_err(FrameDecoderError::FailedToDrainDecodebuffer)?;
        *decoded = decoded.saturating_add(bytes as u64);
    }
    Ok(())
}

/// A frame of data, or one to skip.
fn begins_frame(bytes: &[u8]) -> bool {
    bytes.starts_with(&ZSTD_MAGIC) || matches!(bytes, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..])
}

/// True where the bytes ended before the frame did.
fn is_cut(error: &FrameDecoderError) -> bool {
    let mut reason = error.source();
    while let Some(deeper) = reason {
        let ended = |error: &io::Error| error.kind() == io::ErrorKind::UnexpectedEof;
        if deeper.downcast_ref::<io::Error>().is_some_and(ended) {
            return true;
        }
        reason = deeper.source();
    }
    false
}

/// One member after another (RFC 1952 section 2.2). What stands behind a whole one and is no other, as padding with
/// zeros, is ignored as gzip, curl and browsers do.
fn gunzip(mut bytes: &[u8]) -> io::Result<()> {
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
fn count(decoder: impl Read) -> io::Result<u64> {
    io::copy(&mut decoder.take(DECODED_LIMIT), &mut io::sink())
}

fn told(decoded: io::Result<()>) -> Decoded {
    match decoded {
        Ok(()) => Decoded::Whole,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Decoded::Broken(CUT.to_owned()),
        Err(error) => Decoded::Broken(error.to_string()),
    }
}

/// What is wrong with a stream that ends too early.
const CUT: &str = "it ends before its last block";

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn decoded(coding: &str, body: &[u8]) -> Decoded {
        Decoder::of(coding).unwrap().decode(body)
    }

    fn cut() -> Decoded {
        Decoded::Broken(CUT.to_owned())
    }

    fn is_broken(coding: &str, body: &[u8]) -> bool {
        matches!(decoded(coding, body), Decoded::Broken(_))
    }

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstandard(text: &[u8]) -> Vec<u8> {
        compress_to_vec(text, CompressionLevel::Fastest)
    }

    /// The phrase below, 200 times, as `brotli` packs it.
    const BROTLI: &[u8] = &[
        0x1b, 0x27, 0x23, 0x88, 0x8c, 0x94, 0x6e, 0xe6, 0x22, 0xd0, 0x83, 0xa5, 0xba, 0x90, 0x5e, 0x13, 0x14, 0x8d,
        0x80, 0x7c, 0x43, 0xb, 0x83, 0xd, 0x38, 0x70, 0x48, 0x20, 0x6f, 0x34, 0xb8, 0x41, 0xa7, 0x15, 0xce, 0x66, 0xc7,
        0xe3, 0x44, 0x85, 0xa5, 0x60, 0x23, 0x9c, 0x5a, 0xd, 0x80, 0xea, 0xf, 0x93, 0x2, 0x3,
    ];
    const PLAIN: &[u8] = b"the quick brown fox jumps over the lazy dog. ";

    #[test]
    fn whole_streams_of_all_codings_decode() {
        let text = PLAIN.repeat(9);
        assert_eq!(decoded("gzip", &gzip(&text)), Decoded::Whole);
        assert_eq!(decoded("x-gzip", &gzip(&text)), Decoded::Whole);
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(&text).unwrap();
        assert_eq!(decoded("deflate", &zlib.finish().unwrap()), Decoded::Whole);
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(&text).unwrap();
        assert_eq!(decoded("deflate", &raw.finish().unwrap()), Decoded::Whole);
        assert_eq!(decoded("br", BROTLI), Decoded::Whole);
        assert_eq!(decoded("zstd", &zstandard(&text)), Decoded::Whole);
        assert!(Decoder::of("dcz").is_none());
    }

    #[test]
    fn a_stream_that_is_cut_anywhere_is_broken() {
        let whole = [("gzip", gzip(PLAIN)), ("br", BROTLI.to_vec()), ("zstd", zstandard(&PLAIN.repeat(9000)))];
        for (coding, whole) in whole {
            for len in [whole.len() - 1, whole.len() - 5, whole.len() / 2] {
                assert_eq!(decoded(coding, &whole[..len]), cut(), "{coding}, {len} of {}", whole.len());
            }
        }
    }

    #[test]
    fn plain_text_is_no_stream() {
        for coding in ["gzip", "deflate", "br", "zstd"] {
            assert!(is_broken(coding, b"<html>no stream at all</html>"), "{coding}");
            assert!(is_broken(coding, b"{\"no\": \"stream\"}"), "{coding}");
        }
        assert_eq!(decoded("zstd", b"<html>"), Decoded::Broken("invalid zstd header".to_owned()));
    }

    #[test]
    fn what_stands_behind_the_end_is_another_part_or_ignored() {
        let (member, frame) = (gzip(PLAIN), zstandard(PLAIN));
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        let whole: [(&str, Vec<u8>); 6] = [
            ("gzip", [&member[..], &member].concat()),
            ("gzip", [&member[..], &[0; 16]].concat()),
            ("zstd", [&skipped[..], &frame, &skipped, &frame].concat()),
            ("zstd", [&frame[..], &[0; 16]].concat()),
            ("br", [BROTLI, &[0; 16]].concat()),
            ("br", vec![0x3b]),
        ];
        for (coding, body) in whole {
            assert_eq!(decoded(coding, &body), Decoded::Whole, "{coding}, {} bytes", body.len());
        }
        assert_eq!(decoded("gzip", &[&member[..], &member[..20]].concat()), cut());
        assert_eq!(decoded("zstd", &[&frame[..], &frame[..frame.len() - 2]].concat()), cut());
        assert_eq!(decoded("zstd", &skipped[..9]), cut());
    }

    #[test]
    fn a_window_that_no_browser_takes_is_not_judged() {
        // A window descriptor of 16 MiB, then an empty last block.
        assert_eq!(decoded("zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x70, 1, 0, 0]), Decoded::Unjudged);
        assert_eq!(decoded("zstd", &[0x28, 0xb5, 0x2f, 0xfd, 0, 0x68, 1, 0, 0]), Decoded::Whole);
    }

    #[test]
    fn damaged_bytes_are_never_a_panic() {
        let streams = [("br", BROTLI.to_vec()), ("zstd", zstandard(&PLAIN.repeat(50))), ("gzip", gzip(PLAIN))];
        let mut seed = 7_u64;
        let mut dice = |sides: usize| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize % sides
        };
        let mut broken = 0;
        for (coding, whole) in streams {
            for _ in 0..300 {
                let mut body = whole.clone();
                for _ in 0..=dice(3) {
                    let at = dice(body.len());
                    body[at] = dice(256) as u8;
                }
                broken += usize::from(is_broken(coding, &body));
            }
        }
        assert!(broken > 300, "{broken}");
    }
}
