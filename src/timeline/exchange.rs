//! One request with its response(s).

use std::borrow::Cow;

use super::{Deviation, ErrorPage, Mark};

/// One HTTP request and what answered it.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// From 1 on its connection; HTTP/2: in order of opening.
    pub number: u32,
    /// HTTP/2 stream identifier.
    pub stream: Option<u32>,
    /// The request.
    pub request: Request,
    /// 1xx responses before the final one (RFC 9110 section 15.2).
    pub interim: Vec<Interim>,
    /// The final response, from its first byte.
    pub response: Option<Response>,
    /// How much of it could be seen.
    pub visibility: Visibility,
}

impl Exchange {
    /// True where request and response are complete.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.request.end.is_some() && self.response.as_ref().is_some_and(|response| response.end.is_some())
    }

    /// True where the exchange is complete and nothing in it deviates from the specification.
    #[must_use]
    pub fn clean(&self) -> bool {
        self.complete() && self.response.as_ref().is_some_and(|response| response.deviations.is_empty())
    }
}

/// How much of an exchange the capture shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// All bytes, in clear or decrypted.
    Clear,
    /// The capture misses bytes of it (cut, lost by the capture, or before its beginning): nothing can be
    /// concluded from what is absent.
    Obscured,
    /// Told from direction, size and time of encrypted records: no content is known.
    Inferred,
}

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// Its first byte.
    pub start: Mark,
    /// The last byte of its head.
    pub head_end: Option<Mark>,
    /// Its last byte, once it is complete.
    pub end: Option<Mark>,
    /// Method; empty where it is not known.
    pub method: Cow<'static, str>,
    /// Request target as sent; HTTP/2: `:path`.
    pub target: String,
    /// Host field or `:authority`.
    pub host: Option<String>,
    /// `CF-Ray`.
    pub ray: Option<String>,
    /// `X-Request-Id`.
    pub request_id: Option<String>,
    /// `traceparent` (W3C Trace Context).
    pub traceparent: Option<String>,
    /// How the body is framed.
    pub framing: Framing,
    /// Body bytes seen.
    pub body_bytes: u64,
    /// True where the request asks for `Connection: close`, or is HTTP/1.0 without keep-alive.
    pub close: bool,
    /// True where it waits for `100 Continue` (RFC 9110 section 10.1.1).
    pub expect_continue: bool,
    /// The packet in which the edge cancelled it (HTTP/2 RST_STREAM by the edge with CANCEL or NO_ERROR).
    pub cancelled: Option<super::PacketRef>,
}

impl Request {
    /// A request of which not more than its first byte is known.
    #[must_use]
    pub fn begun(start: Mark) -> Self {
        Self {
            start,
            head_end: None,
            end: None,
            method: Cow::Borrowed(""),
            target: String::new(),
            host: None,
            ray: None,
            request_id: None,
            traceparent: None,
            framing: Framing::Unknown,
            body_bytes: 0,
            close: false,
            expect_continue: false,
            cancelled: None,
        }
    }

    /// What names it across hops: `X-Request-Id`, else `traceparent`.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.request_id.as_deref().or(self.traceparent.as_deref())
    }

    /// True for the request with this Ray ID, with or without the data centre behind it.
    #[must_use]
    pub fn has_ray(&self, ray: &str) -> bool {
        let id = |ray: &str| ray.split('-').next().unwrap_or_default().trim().to_ascii_lowercase();
        self.ray.as_deref().is_some_and(|own| id(own) == id(ray))
    }
}

/// A response with a 1xx status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interim {
    /// 100 to 199, never 101.
    pub status: u16,
    /// Its first byte.
    pub at: Mark,
}

/// A final response.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// Its first byte.
    pub start: Mark,
    /// The last byte of its head.
    pub head_end: Option<Mark>,
    /// Its last byte, once it is complete: by its framing, or by the origin's FIN where the close delimits it.
    pub end: Option<Mark>,
    /// Its latest byte seen.
    pub latest: Mark,
    /// Status code, where three digits could be read.
    pub status: Option<u16>,
    /// Minor version for HTTP/1; none for HTTP/2 and where it could not be read.
    pub minor_version: Option<u8>,
    /// How the body is framed.
    pub framing: Framing,
    /// Body bytes seen, without chunk framing.
    pub body_bytes: u64,
    /// Bytes of the head: status line and header section; HTTP/2: the decoded size by RFC 9113 section 10.5.1.
    pub head_bytes: u64,
    /// Bytes of the largest field line.
    pub largest_field: u64,
    /// Name of the largest field.
    pub largest_field_name: String,
    /// Number of field lines.
    pub fields: u32,
    /// True where the response asks to close the connection.
    pub close: bool,
    /// `Server`.
    pub server: Option<String>,
    /// `Via`.
    pub via: Option<String>,
    /// `X-Cache`.
    pub x_cache: Option<String>,
    /// Whose own error page the body is, where the status is 5xx.
    pub error_page: Option<ErrorPage>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// Content coding of the body, where it could be checked.
    pub coding: Coding,
    /// Everything in it that breaks the specification, in order.
    pub deviations: Vec<Deviation>,
    /// The first bytes of a response that does not begin with a status line, at most 64.
    pub preview: Vec<u8>,
    /// gRPC status of the trailers (`grpc-status`).
    pub grpc_status: Option<u32>,
}

impl Response {
    /// A response of which not more than its first byte is known.
    #[must_use]
    pub fn begun(start: Mark) -> Self {
        Self {
            start,
            head_end: None,
            end: None,
            latest: start,
            status: None,
            minor_version: None,
            framing: Framing::Unknown,
            body_bytes: 0,
            head_bytes: 0,
            largest_field: 0,
            largest_field_name: String::new(),
            fields: 0,
            close: false,
            server: None,
            via: None,
            x_cache: None,
            error_page: None,
            content_type: None,
            coding: Coding::Identity,
            deviations: Vec::new(),
            preview: Vec::new(),
            grpc_status: None,
        }
    }
}

/// How the length of a body is told (RFC 9112 section 6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Framing {
    /// The head is not complete yet, or could not be read.
    #[default]
    Unknown,
    /// No body (HEAD, 204, 304, a request without framing fields).
    None,
    /// Content-Length.
    Length(u64),
    /// Transfer-Encoding: chunked; with what the chunk parser waits for.
    Chunked,
    /// Until the origin closes.
    UntilClose,
    /// HTTP/2 frames until END_STREAM, with the content-length that was announced.
    Frames(Option<u64>),
    /// After 101 or CONNECT: no longer HTTP.
    Tunnel,
}

/// What became of a body's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyState {
    /// All of it came.
    Complete,
    /// More was announced.
    Short,
}

/// Content-Encoding of a body, and whether its compressed stream was whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Coding {
    /// No Content-Encoding, or `identity`.
    #[default]
    Identity,
    /// Coded, and not checked: too long, of an unknown coding, or the edge was content.
    Unchecked(String),
    /// Decoded to its end without an error.
    Whole(String),
    /// The stream of this coding is cut or corrupt.
    Broken {
        /// Name of the coding.
        coding: String,
        /// What the decoder said.
        problem: String,
    },
}

/// Response bytes that belong to no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsolicited {
    /// The first byte.
    pub start: Mark,
    /// Number of bytes seen.
    pub bytes: u64,
    /// The exchange that was complete before them; none before the first request.
    pub after_exchange: Option<u32>,
    /// Status code, where the bytes begin with a status line.
    pub status: Option<u16>,
    /// The first bytes, at most 64.
    pub preview: Vec<u8>,
}
