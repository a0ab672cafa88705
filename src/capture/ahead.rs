//! Reading ahead: a packed capture is unpacked on a thread of its own, beside the analysis.

use std::io::{self, Read};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// A reader whose work is done before its bytes are asked for. They are the same bytes, and end in the same error.
pub(super) enum Ahead {
    /// The beginning, which is all that is looked at of many files, is read when it is asked for.
    Beginning { packed: Box<dyn Read + Send>, left: usize },
    /// Blocks come from the thread, and go back to it when they are spent.
    Rest { blocks: Receiver<io::Result<Vec<u8>>>, spent: SyncSender<Vec<u8>>, block: Vec<u8>, at: usize },
}

impl Ahead {
    pub(super) fn new(packed: impl Read + Send + 'static) -> Self {
        Self::Beginning { packed: Box::new(packed), left: BEGINNING }
    }

    fn start(packed: Box<dyn Read + Send>) -> io::Result<Self> {
        let (full, blocks) = sync_channel(BLOCKS);
        let (spent, empty) = sync_channel(BLOCKS);
        thread::Builder::new().name("unpack".to_owned()).spawn(move || unpack(packed, &full, &empty))?;
        Ok(Self::Rest { blocks, spent, block: Vec::new(), at: 0 })
    }
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Self::Beginning { packed, left } = self {
            if *left > 0 {
                let len = packed.read(buffer)?;
                *left = left.saturating_sub(len);
                return Ok(len);
            }
            *self = Self::start(mem::replace(packed, Box::new(io::empty())))?;
        }
        let Self::Rest { blocks, spent, block, at } = self else { return Ok(0) };
        if *at == block.len() {
            // Without a thread there is nothing more: it sends its error, or an empty block, as its last one.
            let next = blocks.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            let _ = spent.try_send(mem::replace(block, next));
            *at = 0;
        }
        let len = block.get(*at..).unwrap_or_default().read(buffer)?;
        *at = at.saturating_add(len);
        Ok(len)
    }
}

/// Reads to the end, to an error, or until nobody takes the blocks any more.
fn unpack(mut packed: Box<dyn Read + Send>, full: &SyncSender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    loop {
        let mut block = empty.try_recv().unwrap_or_default();
        block.resize(BLOCK, 0);
        let read = match packed.read(&mut block) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read,
        };
        let last = !matches!(read, Ok(1..));
        let sent = full.send(read.map(|len| {
            block.truncate(len);
            block
        }));
        if last || sent.is_err() {
            return;
        }
    }
}

/// Bytes after which the thread begins: more than opening a capture takes.
const BEGINNING: usize = 64 * 1024;

/// Bytes of a block.
const BLOCK: usize = 256 * 1024;

/// Blocks that may wait.
const BLOCKS: usize = 4;

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read};

    use super::{Ahead, BLOCK, BLOCKS};

    /// Bytes that end in an error.
    struct Broken(Cursor<Vec<u8>>);

    impl Read for Broken {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buffer)? {
                0 if !buffer.is_empty() => Err(io::Error::other("broken")),
                len => Ok(len),
            }
        }
    }

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|nth| (nth % 251) as u8).collect()
    }

    #[test]
    fn the_bytes_are_the_same() {
        for len in [0, 1, BLOCK, BLOCK * (BLOCKS + 3) + 7] {
            let mut read = Vec::new();
            Ahead::new(Cursor::new(bytes(len))).read_to_end(&mut read).expect("no error");
            assert_eq!(read, bytes(len));
        }
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it() {
        let mut read = Vec::new();
        let len = BLOCK * 2 + 7;
        let error = Ahead::new(Broken(Cursor::new(bytes(len)))).read_to_end(&mut read).expect_err("broken");
        assert_eq!(error.to_string(), "broken");
        assert_eq!(read, bytes(len));
    }

    #[test]
    fn what_is_not_read_to_its_end_is_let_go() {
        let mut ahead = Ahead::new(io::repeat(7));
        let mut some = vec![0; BLOCK];
        ahead.read_exact(&mut some).expect("it has no end");
        assert!(some.iter().all(|&byte| byte == 7));
    }
}
