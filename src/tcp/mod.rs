//! Connections and their two byte streams in order; what was lost, repeated, refused, reset, and by whom.
//!
//! [`Table`] keeps one connection for each pair of addresses and ports. A connection goes through three stages (`stage`):
//! a `knock` while it is only being opened, a `brief` as long as it is one handshake, request, answer and close on which
//! nothing is out of the ordinary, and else a `connection`, which is told every segment from the SYN on. That puts both
//! streams in order (`stream`), by a short way where the next segment can be foretold (`prediction`), says what each
//! segment is (`sequence`), judges resets (`reset`, by the `habits` of their claimed sender), and hands bytes and gaps to
//! an [`Application`]. What it learns stands in the connection's [`crate::timeline::Timeline`].

mod application;
mod brief;
mod causal;
mod connection;
mod early;
mod flow;
mod gone;
mod habits;
mod history;
mod knock;
mod log;
mod memory;
mod prediction;
mod reset;
mod roles;
mod sequence;
mod spare;
mod stage;
mod stream;
mod table;
#[cfg(test)]
mod testing;
mod vantage;
mod watch;

pub use application::{Answered, Application, Asked, Records};
pub use memory::MaxMemory;
pub use roles::Roles;
pub use table::Table;
pub use watch::Watch;
