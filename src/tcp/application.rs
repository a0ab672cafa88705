//! What a connection hands its bytes to, and where its record goes.

use crate::timeline::{HalfOpen, Mark, Peer, Timeline};

/// The layers above TCP on one connection.
///
/// Both streams arrive in order, each byte once. `start` is the stream offset of the first byte and the packet
/// that completed its delivery. Implementations write what they learn into `line`.
pub trait Application {
    /// Who sends bytes like these as the first ones of a connection, where that can be told: decides the
    /// roles where the SYN is missing.
    #[must_use]
    fn likely_sender(bytes: &[u8]) -> Option<Peer>
    where
        Self: Sized,
    {
        let _ = bytes;
        None
    }

    /// The next `bytes` of the stream of `from`.
    fn data(&mut self, line: &mut Timeline, from: Peer, bytes: &[u8], start: Mark);

    /// The capture does not hold the next `len` bytes of the stream of `from` (the other peer acknowledged
    /// them, or the snap length cut them off). A connection that the capture joins in the middle begins with
    /// a gap of length 0 in each direction.
    fn gap(&mut self, line: &mut Timeline, from: Peer, len: u64, start: Mark);

    /// The stream of `from` has ended in order: its FIN came, and every byte before it.
    fn end_of_stream(&mut self, line: &mut Timeline, from: Peer, at: Mark);

    /// What is asked, where these bytes are all of an ordinary request and nothing of it needs to be looked up later
    /// but its target; none where that is not certain at a glance.
    #[must_use]
    fn glance_at_request(bytes: &[u8]) -> Option<Asked>
    where
        Self: Sized,
    {
        let _ = bytes;
        None
    }

    /// What is answered, where these bytes begin an ordinary response, in which nothing deviates and whose length is
    /// known; none where that is not certain at a glance.
    #[must_use]
    fn glance_at_response(asked: &Asked, bytes: &[u8]) -> Option<Answered>
    where
        Self: Sized,
    {
        let _ = (asked, bytes);
        None
    }

    /// Bytes of the streams that it holds because it cannot use them yet.
    fn held_bytes(&self) -> usize {
        0
    }

    /// Nothing more will come on this connection: both sides are done, it was reset, or the capture ended.
    fn finish(&mut self, line: &mut Timeline);
}

/// An ordinary request without a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// Where its target begins.
    pub target_at: usize,
    /// Bytes of its target.
    pub target_len: usize,
    /// Its method.
    pub method: &'static str,
    /// It asks to close the connection.
    pub close: bool,
}

/// An ordinary response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Its status code.
    pub status: u16,
    /// Bytes of head and body.
    pub len: u64,
    /// Bytes of its head.
    pub head_len: u64,
    /// Bytes of its largest field line.
    pub largest_field: u64,
    /// Number of its field lines.
    pub fields: u32,
    /// It asks to close the connection.
    pub close: bool,
}

/// Where the records of ended connections go.
pub trait Records {
    /// The record of a connection that has ended, or was given up. Who keeps it takes it out ([`Timeline::take`]): what
    /// is left is the next one's.
    fn ended(&mut self, line: &mut Timeline);

    /// Whether records are wanted of connections on which nothing was out of the ordinary, too.
    fn wants_all(&self) -> bool {
        true
    }

    /// A connection on which nothing was out of the ordinary has ended, and no record of it is wanted: of `line` only
    /// what statistics ask is told.
    fn ordinary(&mut self, line: &Timeline) {
        let _ = line;
    }

    /// A connection that is only being opened has to be given up (memory bound). True where this is all that is
    /// wanted of it; otherwise its record comes to [`Records::ended`].
    fn given_up(&mut self, half_open: &HalfOpen) -> bool;

    /// The record of a connection that is still open, as it would be if the capture ended now
    /// ([`super::Table::look`]).
    fn looked(&mut self, line: Timeline) {
        drop(line);
    }
}
