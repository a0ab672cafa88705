//! Buffers that all sessions share: only a record that is not complete yet needs one of its own.

use std::cell::RefCell;
use std::rc::Rc;

/// A pool of empty buffers. A clone is another handle to the same pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Buffers(Rc<RefCell<Vec<Vec<u8>>>>);

impl Buffers {
    pub(super) fn take(&self) -> Vec<u8> {
        self.0.borrow_mut().pop().unwrap_or_default()
    }

    pub(super) fn give_back(&self, mut buffer: Vec<u8>) {
        let mut pool = self.0.borrow_mut();
        if pool.len() < MAX_POOLED {
            buffer.clear();
            pool.push(buffer);
        }
    }
}

/// Most buffers kept: a call needs two at a time.
const MAX_POOLED: usize = 8;
