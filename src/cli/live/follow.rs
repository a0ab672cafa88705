//! Key logs that grow while they are read.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// A key log that a server writes.
#[derive(Debug)]
pub(super) struct Follower {
    path: PathBuf,
    file: Option<File>,
    read: u64,
    /// The beginning of a line whose end is not written yet.
    begun: Vec<u8>,
}

impl Follower {
    /// Opens a key log; one that is not there yet may still come.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => Some(file),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        Ok(Self { path: path.to_owned(), file, read: 0, begun: Vec::new() })
    }

    /// The whole lines that were written since the last call; a file that became shorter is read from its beginning.
    pub(super) fn news(&mut self) -> io::Result<Vec<u8>> {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let Some(file) = &mut self.file else { return Ok(Vec::new()) };
        let len = file.metadata()?.len();
        if len < self.read {
            file.seek(SeekFrom::Start(0))?;
            self.read = 0;
            self.begun.clear();
        }
        let mut text = std::mem::take(&mut self.begun);
        self.read = self.read.saturating_add(file.take(MOST).read_to_end(&mut text)? as u64);
        let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end.saturating_add(1));
        self.begun = text.split_off(whole);
        if self.begun.len() > LONGEST_LINE {
            self.begun.clear();
        }
        Ok(text)
    }

    /// Opens the path again: another file may stand there.
    pub(super) fn reopen(&mut self) {
        let same = match (&self.file, fs::metadata(&self.path)) {
            (Some(file), Ok(there)) => file.metadata().is_ok_and(|open| is_same(&open, &there)),
            _ => false,
        };
        if !same && let Ok(file) = File::open(&self.path) {
            *self = Self { path: std::mem::take(&mut self.path), file: Some(file), read: 0, begun: Vec::new() };
        }
    }
}

fn is_same(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Bytes read at a time: packets wait meanwhile.
const MOST: u64 = 1 << 20;

/// No line of a key log is longer.
const LONGEST_LINE: usize = 4096;

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_are_handed_on_once_they_are_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let mut follower = Follower::open(&path).unwrap();
        assert_eq!(follower.news().unwrap(), b"", "the file is not there yet");
        let mut file = File::create(&path).unwrap();
        file.write_all(b"one\ntw").unwrap();
        assert_eq!(follower.news().unwrap(), b"one\n");
        file.write_all(b"o\n").unwrap();
        assert_eq!(follower.news().unwrap(), b"two\n");
        assert_eq!(follower.news().unwrap(), b"");
    }

    #[test]
    fn a_file_that_was_cut_or_replaced_is_read_from_its_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        fs::write(&path, "a long first line\n").unwrap();
        let mut follower = Follower::open(&path).unwrap();
        follower.news().unwrap();
        fs::write(&path, "cut\n").unwrap();
        assert_eq!(follower.news().unwrap(), b"cut\n");
        fs::rename(&path, folder.path().join("keys.1")).unwrap();
        fs::write(&path, "another\n").unwrap();
        follower.reopen();
        assert_eq!(follower.news().unwrap(), b"another\n");
        follower.reopen();
        assert_eq!(follower.news().unwrap(), b"", "the same file is not read twice");
    }
}
