//! The targets: each one is a function of bytes that panics where a promise is broken.

pub mod capture;
pub mod http1;
pub mod http2;
pub mod keys;
pub mod program;
pub mod redact;
mod scratch;
pub mod tcp;
pub mod tls;
pub mod wire;

/// A target by its name.
pub struct Target {
    pub name: &'static str,
    pub run: fn(&[u8]),
}

/// All of them.
pub const ALL: [Target; 9] = [
    Target { name: "capture", run: capture::run },
    Target { name: "wire", run: wire::run },
    Target { name: "tcp", run: tcp::run },
    Target { name: "tls", run: tls::run },
    Target { name: "http1", run: http1::run },
    Target { name: "http2", run: http2::run },
    Target { name: "program", run: program::run },
    Target { name: "redact", run: redact::run },
    Target { name: "keys", run: keys::run },
];
