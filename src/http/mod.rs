//! Messages and exchanges from bytes, strictly judged: HTTP/1 in one wing, HTTP/2 in another.

pub mod h2;
