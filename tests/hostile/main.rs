//! Every byte of a capture is an attacker's: whatever it says, the program ends, with a report or one clear line, within
//! its bounds.

mod allocator;
mod attacks;
mod bounds;
mod captures;
mod endings;
#[allow(dead_code, reason = "the fuzzers use the rest")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;
mod output;
mod plant;
mod supply;
