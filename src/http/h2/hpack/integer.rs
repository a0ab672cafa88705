//! A position in a header block, and the integers there (RFC 7541 section 5.1).

/// What is left of a header block.
pub(super) struct Cursor<'a> {
    block: &'a [u8],
    /// Offset of the next byte.
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(block: &'a [u8]) -> Self {
        Self { block, at: 0 }
    }

    /// The next byte, which stays.
    pub(super) fn peek(&self) -> Option<u8> {
        self.block.get(self.at).copied()
    }

    /// The next `len` bytes; none where the block is shorter.
    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.block.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    /// An integer whose first byte shares its upper bits with something else: `prefix` is the mask of the others.
    /// None where the block ends in it, or where it has more than 32 bits (an integer with needless zeros may be
    /// longer than those need, within [`LONGEST`]).
    pub(super) fn integer(&mut self, prefix: u8) -> Option<usize> {
        let first = self.byte()? & prefix;
        if first < prefix {
            return Some(usize::from(first));
        }
        let mut value = u64::from(prefix);
        for nth in 0..LONGEST {
            let byte = self.byte()?;
            value = value.checked_add(u64::from(byte & 0x7f) << nth.saturating_mul(7))?;
            if byte & 0x80 == 0 {
                return u32::try_from(value).ok().map(|value| value as usize);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at = self.at.saturating_add(1);
        Some(byte)
    }
}

/// Bytes of an integer after its first.
const LONGEST: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(bytes: &[u8], prefix: u8) -> Option<usize> {
        let mut cursor = Cursor::new(bytes);
        let value = cursor.integer(prefix)?;
        assert_eq!(cursor.peek(), None, "bytes are left");
        Some(value)
    }

    #[test]
    fn examples_of_appendix_c1() {
        assert_eq!(integer(&[0b1110_1010], 0x1f), Some(10));
        assert_eq!(integer(&[0b0001_1111, 0b1001_1010, 0b0000_1010], 0x1f), Some(1337));
        assert_eq!(integer(&[0b0010_1010], 0xff), Some(42));
    }

    #[test]
    fn cut_or_too_large() {
        assert_eq!(integer(&[], 0x1f), None);
        assert_eq!(integer(&[0x1f], 0x1f), None);
        assert_eq!(integer(&[0x1f, 0x80, 0x80], 0x1f), None);
        assert_eq!(integer(&[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f], 0x7f), Some(u32::MAX as usize));
        assert_eq!(integer(&[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f], 0x7f), None);
        assert_eq!(integer(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 0x7f), Some(127));
        assert_eq!(integer(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 0x7f), None);
    }
}
