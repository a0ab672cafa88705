//! What the sizes of encrypted records tell.

use crate::tls::flight::Sealed;

/// True where a record goes on with a long body, to which the origin may have answered already. Behind a record that
/// is shorter than the `longest` of the body, the body is over.
pub(super) fn is_upload(before: Option<Sealed>, record: Sealed, longest: u32) -> bool {
    before.is_some_and(|before| {
        let pause = record.packet().time.nanos_since(before.packet().time);
        before.plain >= LEAST_UPLOAD.max(longest) && pause <= UPLOAD_PAUSE_NS
    })
}

/// SETTINGS acknowledgment (9 bytes), WINDOW_UPDATE or RST_STREAM (13), PING or GOAWAY (17), or two of them.
pub(super) fn is_control(plain: u32) -> bool {
    matches!(plain, 9 | 13 | 17 | 18 | 22 | 26 | 30 | 34)
}

/// Most bytes of the edge's preface: 24, SETTINGS with eight settings, WINDOW_UPDATE, and a little.
pub(super) const MAX_PREFACE: u32 = 110;
/// Most bytes of the origin's SETTINGS, with the frames that come with it.
pub(super) const MAX_SETTINGS: u32 = 110;
/// Most bytes of a ticket: above, origins cut long responses into records of equal size.
pub(super) const MAX_TICKET: u32 = 1_100;
/// Tickets that an origin sends (OpenSSL: 2). A third record of that size is taken for a response.
pub(super) const USUAL_TICKETS: u32 = 2;
/// `GET / HTTP/1.1`, an empty Host field and the empty line are 25 bytes.
pub(super) const LEAST_HTTP1_REQUEST: u32 = 25;
/// A HEADERS frame with a path and a Host of some letters; control frames that come together are shorter.
pub(super) const LEAST_HTTP2_REQUEST: u32 = 36;
/// A record of the edge above this is part of a body.
const LEAST_UPLOAD: u32 = 4_096;
/// Longest pause between records of one body.
const UPLOAD_PAUSE_NS: i64 = 100_000_000;
