//! Why did the edge show a 520? The packets between the reverse proxy and its origin know.
#![deny(unsafe_code, unused_must_use)]
#![warn(missing_docs)]

pub mod analysis;
pub mod capture;
pub mod cli;
pub mod detect;
pub mod http;
pub mod report;
pub mod tcp;
pub mod timeline;
pub mod tls;
pub mod verdict;
pub mod wire;
