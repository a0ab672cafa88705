//! stub
use crate::timeline::*;
/// stub
pub struct Http2;
#[allow(missing_docs)]
impl Http2 {
    pub fn new() -> Self {
        Self
    }
    pub fn after_upgrade() -> Self {
        Self
    }
    pub fn data(&mut self, _: &mut Timeline, _: Peer, _: &[u8], _: Mark) {}
    pub fn gap(&mut self, _: &mut Timeline, _: Peer, _: u64, _: Mark) {}
    pub fn end_of_stream(&mut self, _: &mut Timeline, _: Peer, _: Mark) {}
    pub fn finish(&mut self, _: &mut Timeline) {}
}
