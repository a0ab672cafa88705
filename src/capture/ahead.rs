//! Reading ahead: a file is read, and unpacked where it is packed, on a thread of its own, beside the analysis.

use std::io::{self, Read};
use std::mem;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// A reader whose work is done before its bytes are asked for. They are the same bytes, and end in the same error.
pub(super) enum Ahead {
    /// The beginning, which is all that is looked at of many files, is read when it is asked for: so many more bytes.
    Beginning { source: Box<dyn Read + Send>, left: usize },
    /// Blocks come from the thread, and go back to it when they are spent.
    Rest { blocks: Receiver<io::Result<Vec<u8>>>, spent: SyncSender<Vec<u8>> },
}

impl Ahead {
    pub(super) fn new(source: impl Read + Send + 'static) -> Self {
        Self::Beginning { source: Box::new(source), left: BEGINNING }
    }

    /// The next block, which nobody has to copy: its bytes begin behind its [`HEADROOM`], and there are none at the end.
    /// None at the beginning, which is to be [read](Self::read).
    ///
    /// # Errors
    /// What the operating system or the unpacker says.
    pub(super) fn next_block(&mut self) -> io::Result<Option<Vec<u8>>> {
        if let Self::Beginning { source, left } = self {
            if *left > 0 {
                return Ok(None);
            }
            *self = Self::start(mem::replace(source, Box::new(io::empty())));
        }
        let Self::Rest { blocks, .. } = self else { return Ok(None) };
        // Without a thread there is nothing more: it sends its error, or an empty block, as its last one.
        blocks.recv().unwrap_or_else(|_| Ok(Vec::new())).map(Some)
    }

    /// Reads from the beginning.
    ///
    /// # Errors
    /// What the operating system or the unpacker says.
    pub(super) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Self::Beginning { source, left } = self else { return Ok(0) };
        let len = source.read(room)?;
        *left = left.saturating_sub(len);
        Ok(len)
    }

    /// Gives the memory of a block back.
    pub(super) fn reuse(&mut self, block: Vec<u8>) {
        if let Self::Rest { spent, .. } = self {
            let _ = spent.try_send(block);
        }
    }

    /// Starts the thread. Where none can be started (`live` forbids it to itself), all is read when it is asked for.
    fn start(source: Box<dyn Read + Send>) -> Self {
        let (full, blocks) = sync_channel(BLOCKS);
        let (spent, empty) = sync_channel(BLOCKS);
        for _ in 0..BLOCKS {
            let _ = spent.try_send(vec![0; HEADROOM.saturating_add(BLOCK)]);
        }
        let (handed, taken) = sync_channel(1);
        let reading = move || taken.recv().map(|source| read_on(source, &full, &empty));
        if thread::Builder::new().name("read".to_owned()).spawn(reading).is_err() {
            return Self::Beginning { source, left: usize::MAX };
        }
        let _ = handed.send(source);
        Self::Rest { blocks, spent }
    }
}

/// Reads to the end, to an error, or until nobody takes the blocks any more.
fn read_on(mut source: Box<dyn Read + Send>, full: &SyncSender<io::Result<Vec<u8>>>, empty: &Receiver<Vec<u8>>) {
    while let Ok(mut block) = empty.recv() {
        block.resize(HEADROOM.saturating_add(BLOCK), 0);
        let read = loop {
            match source.read(block.get_mut(HEADROOM..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let last = !matches!(read, Ok(1..));
        let sent = full.send(read.map(|len| {
            block.truncate(HEADROOM.saturating_add(len));
            block
        }));
        if last || sent.is_err() {
            return;
        }
    }
}

/// Bytes after which the thread begins: more than opening a capture takes.
const BEGINNING: usize = 128 * 1024;

/// Bytes that are free at the front of a block: what is left of the one before is put there.
pub(super) const HEADROOM: usize = 64 * 1024;

/// Bytes of a block behind its headroom.
const BLOCK: usize = 256 * 1024;

/// Blocks that go round.
const BLOCKS: usize = 2;

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, Read};

    use super::{Ahead, BEGINNING, BLOCK, BLOCKS, HEADROOM};

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

    /// Everything that comes, and the error behind it.
    fn read_to_end(mut ahead: Ahead) -> (Vec<u8>, Option<io::Error>) {
        let mut read = Vec::new();
        let mut room = [0; 1000];
        loop {
            let piece = match ahead.next_block() {
                Ok(Some(block)) => {
                    let piece = block.get(HEADROOM..).unwrap_or_default().to_vec();
                    ahead.reuse(block);
                    piece
                }
                Ok(None) => {
                    let len = ahead.read(&mut room).expect("the beginning is whole");
                    room[..len].to_vec()
                }
                Err(error) => return (read, Some(error)),
            };
            if piece.is_empty() {
                return (read, None);
            }
            read.extend(piece);
        }
    }

    #[test]
    fn the_bytes_are_the_same() {
        for len in [0, 1, BEGINNING, BEGINNING + 1, BEGINNING + BLOCK * (BLOCKS + 3) + 7] {
            let (read, error) = read_to_end(Ahead::new(Cursor::new(bytes(len))));
            assert!(read == bytes(len) && error.is_none(), "{len} bytes");
        }
    }

    #[test]
    fn an_error_comes_behind_the_bytes_before_it() {
        let len = BEGINNING + BLOCK * 2 + 7;
        let (read, error) = read_to_end(Ahead::new(Broken(Cursor::new(bytes(len)))));
        assert_eq!(error.expect("broken").to_string(), "broken");
        assert!(read == bytes(len));
    }

    #[test]
    fn what_is_not_read_to_its_end_is_let_go() {
        let mut ahead = Ahead::new(io::repeat(7));
        let mut beginning = vec![0; BEGINNING];
        assert_eq!(ahead.read(&mut beginning).expect("it has no end"), BEGINNING);
        let block = ahead.next_block().expect("it has no end").expect("the beginning is read");
        assert!(block[HEADROOM..].iter().all(|&byte| byte == 7) && block.len() == HEADROOM + BLOCK);
    }
}
