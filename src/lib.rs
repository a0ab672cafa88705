//! Why did the edge show a 520? The packets between a reverse proxy and its origin know.
//!
//! A capture goes in, a [`verdict::Verdict`] comes out. It walks through the house one way:
//!
//! ```text
//! capture ─▶ wire ─▶ tcp ─▶ tls ─▶ http ─▶ timeline ─▶ detect ─▶ verdict ─▶ report
//! packets    one     flows, records, h1,    events,     findings  incidents  text, JSON,
//! in         packet  bytes  keys     h2     exchanges                        Markdown
//! ```
//!
//! A room imports only rooms to its left. [`timeline`] is the vocabulary that both halves share: the left half
//! writes it, the right half reads nothing else.
//!
//! | room | its work | what it never touches |
//! | --- | --- | --- |
//! | [`capture`] | packets from files and pipes | protocols above the link |
//! | [`wire`] | one packet decoded, through tags, tunnels and fragments | state between connections |
//! | [`tcp`] | both byte streams in order; what was lost, repeated, reset, and by whom | HTTP, TLS |
//! | [`tls`] | records, handshakes, certificates, alerts; plain bytes where there are keys | sockets, HTTP |
//! | [`http`] | messages and exchanges, strictly judged | TCP details |
//! | [`timeline`] | the typed record of a connection | everything else |
//! | [`detect`] | one small file a detector: reads a finished timeline, returns findings | bytes, packets |
//! | [`verdict`] | the catalogue of causes and the choice of the root cause | bytes, output formats |
//! | [`report`] | one file a format; redaction before anything is written | detectors |
//!
//! [`analysis`] walks the rooms in this order, and [`cli`] is the program around it. Time comes from packets:
//! nothing left of `cli` reads a clock, so that the same capture gives the same report.
//!
//! ```
//! use pcap520::analysis::{Analysis, Options};
//! use pcap520::capture::{Input, Item};
//!
//! let capture = "testdata/corpus/plain/keepalive-race--nginx-2s.pcap";
//! let mut input = Input::open(&[capture.into()])?;
//! let mut analysis = Analysis::new(Options::default());
//! while let Some(item) = input.next_item()? {
//!     match item {
//!         Item::Packet(packet) => analysis.packet(&packet),
//!         Item::Secrets(key_log) => analysis.secrets(key_log),
//!     }
//! }
//! let verdict = analysis.finish();
//! assert_eq!(verdict.incidents[0].finding.cause.0, "keepalive-race");
//! # Ok::<(), pcap520::capture::CaptureError>(())
//! ```
#![forbid(unsafe_code)]
#![deny(unused_must_use)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]
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
