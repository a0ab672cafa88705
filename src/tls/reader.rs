//! A cursor over the bytes of one message: every read says whether the bytes were there.

/// The bytes of a message that were not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (&byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(byte)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*bytes))
    }

    pub(super) fn u24(&mut self) -> Option<u32> {
        let ([a, b, c], rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes([0, *a, *b, *c]))
    }

    /// A vector with one byte of length (RFC 8446 section 3.4).
    pub(super) fn vector8(&mut self) -> Option<Self> {
        let len = self.u8()?;
        self.take(usize::from(len)).map(Self)
    }

    /// A vector with two bytes of length.
    pub(super) fn vector16(&mut self) -> Option<Self> {
        let len = self.u16()?;
        self.take(usize::from(len)).map(Self)
    }

    /// A vector with three bytes of length.
    pub(super) fn vector24(&mut self) -> Option<Self> {
        let len = usize::try_from(self.u24()?).ok()?;
        self.take(len).map(Self)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_end_where_their_length_says() {
        let mut reader = Reader::new(&[1, 0xaa, 0, 1, 0xbb, 0, 0, 1, 0xcc, 0xdd]);
        assert_eq!(reader.vector8().map(|vector| vector.rest()), Some(&[0xaa][..]));
        assert_eq!(reader.vector16().map(|vector| vector.rest()), Some(&[0xbb][..]));
        assert_eq!(reader.vector24().map(|vector| vector.rest()), Some(&[0xcc][..]));
        assert_eq!(reader.rest(), [0xdd]);
    }

    #[test]
    fn a_length_beyond_the_end_reads_nothing() {
        assert!(Reader::new(&[2, 0]).vector8().is_none());
        assert!(Reader::new(&[0xff, 0xff, 0]).vector16().is_none());
        assert!(Reader::new(&[0, 0, 5, 1]).vector24().is_none());
        assert!(Reader::new(&[]).u8().is_none());
        assert!(Reader::new(&[1]).u16().is_none());
        assert!(Reader::new(&[1, 2]).u24().is_none());
    }
}
