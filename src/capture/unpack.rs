//! Unpacking of zstd: every frame of the input, and what a cut frame still holds.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Reads the content of all frames of a zstd input, one after the other.
pub(super) struct Zstd<R> {
    packed: R,
    frame: FrameDecoder,
    /// Why the frame cannot be decoded further; told once the bytes before it were handed out.
    failed: Option<FrameDecoderError>,
}

impl<R: BufRead> Zstd<R> {
    pub(super) fn new(packed: R) -> Self {
        Self { packed, frame: FrameDecoder::new(), failed: None }
    }

    /// Begins the next frame that holds data; false at the end of the input.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.packed.fill_buf()?.is_empty() {
            match self.frame.reset(&mut self.packed) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.packed).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    /// Decodes one more block of the frame.
    fn next_block(&mut self) {
        let one = BlockDecodingStrategy::UptoBlocks(1);
        let Err(error) = self.frame.decode_blocks(&mut self.packed, one) else { return };
        self.failed = Some(error);
        // The decoder holds back a window of decoded bytes until its frame ends: end it.
        let _ = self.frame.decode_blocks(LAST_BLOCK, BlockDecodingStrategy::All);
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.frame.can_collect() == 0 {
            if let Some(error) = self.failed.take() {
                return Err(io::Error::other(error));
            }
            if !self.frame.is_finished() {
                self.next_block();
            } else if !self.next_frame()? {
                return Ok(0);
            }
        }
        self.frame.read(buffer)
    }
}

/// An empty raw block with the mark of a frame's last one (RFC 8878 section 3.1.1.2), and room for a checksum.
const LAST_BLOCK: &[u8] = &[0x01, 0, 0, 0, 0, 0, 0];

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::Zstd;

    #[test]
    fn concatenated_and_skippable_frames_are_one_stream() {
        let (first, second) = (vec![7; 300_000], vec![9; 10]);
        let mut packed = compress_to_vec(&first[..], CompressionLevel::Fastest);
        packed.extend([0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3]);
        packed.extend(compress_to_vec(&second[..], CompressionLevel::Fastest));
        let mut out = Vec::new();
        Zstd::new(&packed[..]).read_to_end(&mut out).expect("three whole frames");
        assert_eq!(out, [first, second].concat());
    }

    #[test]
    fn a_cut_frame_gives_its_whole_blocks_and_then_an_error() {
        let plain: Vec<u8> =
            (0..400_000_u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
        let packed = compress_to_vec(&plain[..], CompressionLevel::Fastest);
        let mut out = Vec::new();
        let error = Zstd::new(&packed[..packed.len() / 2]).read_to_end(&mut out).expect_err("the frame is cut");
        assert!(!error.to_string().is_empty());
        assert!(out.len() > plain.len() / 4, "only {} of {} bytes", out.len(), plain.len());
        assert!(plain.starts_with(&out));
    }

    #[test]
    fn bytes_that_are_no_frame_are_an_error_and_never_a_panic() {
        for len in 0..64 {
            let mut packed = vec![0x28, 0xb5, 0x2f, 0xfd];
            packed.extend((0..len).map(|i: u8| i.wrapping_mul(37)));
            let _ = Zstd::new(&packed[..]).read_to_end(&mut Vec::new());
        }
    }
}
