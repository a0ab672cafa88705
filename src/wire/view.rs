//! Bytes that may have been cut by the snap length.

use super::Reason;

/// The captured bytes of a layer, and how many it had on the wire.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    pub(super) bytes: &'a [u8],
    /// Never less than `bytes`.
    pub(super) wire: usize,
    /// The layer around it says how long it is: no layer inside can be longer.
    enclosed: bool,
}

impl<'a> View<'a> {
    pub(super) fn new(bytes: &'a [u8], wire: usize) -> Self {
        Self { bytes, wire: wire.max(bytes.len()), enclosed: false }
    }

    /// Splits a header of fixed length off.
    ///
    /// # Errors
    /// It is not there, or the snap length cut it.
    #[inline]
    pub(super) fn header<const N: usize>(self) -> Result<(&'a [u8; N], Self), Reason> {
        match self.bytes.split_first_chunk() {
            Some((header, bytes)) => Ok((header, Self { bytes, wire: self.wire.saturating_sub(N), ..self })),
            None if self.wire < N => Err(Reason::Malformed),
            None => Err(Reason::Cut),
        }
    }

    /// Passes over `len` bytes.
    ///
    /// # Errors
    /// So many were not sent.
    #[inline]
    pub(super) fn skip(self, len: usize) -> Result<Self, Reason> {
        let wire = self.wire.checked_sub(len).ok_or(Reason::Malformed)?;
        Ok(Self { bytes: self.bytes.get(len..).unwrap_or_default(), wire, ..self })
    }

    /// Takes the layer's own length for the one on the wire: what lies behind it is padding. Where the length is
    /// larger than what is there, the rest counts as cut.
    #[inline]
    pub(super) fn limit(self, wire: usize) -> Self {
        let wire = if self.enclosed { wire.min(self.wire) } else { wire };
        Self { bytes: self.bytes.get(..wire).unwrap_or(self.bytes), wire, ..self }
    }

    /// Takes the layer's own length, which holds for all that is inside.
    pub(super) fn enclose(self, wire: usize) -> Self {
        Self { enclosed: true, ..self.limit(wire) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Reason, View};

    #[test]
    fn what_was_sent_and_not_captured_is_cut_and_the_rest_malformed() {
        let view = View::new(&[1, 2, 3], 5);
        assert_eq!(view.header::<3>().map(|(header, rest)| (*header, rest.wire)), Ok(([1, 2, 3], 2)));
        assert_eq!(view.header::<4>().map(|_| ()), Err(Reason::Cut));
        assert_eq!(view.header::<6>().map(|_| ()), Err(Reason::Malformed));
        let skipped = view.skip(4).expect("it was sent");
        assert_eq!((skipped.bytes.len(), skipped.wire), (0, 1));
        assert_eq!(view.skip(6).map(|_| ()), Err(Reason::Malformed));
    }
}
